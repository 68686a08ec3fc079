"""Commit and tag objects, read strictly.

Rules: only the one form that git itself writes: each header at its place, one signature, one date that is a date.
Git is more lenient, and what two readers could read in two ways is not signed by anybody: a second signature, or one
for another object format, is left out of what git verifies and could be added by a stranger. Whether a signature
holds is not checked here (``repo.verification``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from reconciler.errors.taxonomy import cut
from reconciler.repo.git import Git

MAX_OBJECT_BYTES = 128 << 10
"""How large a commit or a tag may be, message and all."""

_ID = rb"[0-9a-f]{40}"
_HEAD = re.compile(
    rb"tree (?P<tree>" + _ID + rb")\n(?P<parents>(?:parent " + _ID + rb"\n)*)"
    rb"author (?P<author>[^\n]*)\ncommitter (?P<committer>[^\n]*)\n(?P<rest>.*)",
    re.DOTALL,
)
_TAG = re.compile(
    rb"object (?P<object>" + _ID + rb")\ntype (?P<type>[a-z]+)\ntag (?P<tag>[^\n]+)\ntagger (?P<tagger>[^\n]*)\n\n"
    rb"(?P<body>.*)",
    re.DOTALL,
)
_PERSON = re.compile(rb"(?P<who>[^<>\n]*<[^<>\n]*>) (?P<seconds>[0-9]{1,11}) [-+][0-9]{4}")
_BEGIN = re.compile(rb"^-----BEGIN ((?:PGP|SSH|SIGNED) [A-Z]+)-----$", re.MULTILINE)
_LAYOUTS = frozenset({b"gpgsig", b"gpgsig-sha256"})
_ONCE = frozenset({b"tree", b"parent", b"author", b"committer"})


class Scheme(Enum):
    """How something is signed."""

    SSH = "SSH SIGNATURE"
    GPG = "PGP SIGNATURE"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitObject:
    """One commit. ``made`` is its committer date; with a ``problem`` nothing else in it counts."""

    commit: str
    parents: tuple[str, ...] = ()
    author: str = ""
    made: int = 0
    scheme: Scheme | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagObject:
    """One annotated tag on a commit; ``made`` is its tagger date."""

    object_id: str
    name: str
    commit: str
    made: int
    scheme: Scheme | None


def read_commits(git: Git, commits: Iterable[str]) -> dict[str, CommitObject]:
    """Return what the repository holds of ``commits``, in two calls of git."""
    sizes = git.sizes(commits)
    contents = git.objects(commit for commit, size in sizes.items() if size <= MAX_OBJECT_BYTES)
    large = f"is larger than {MAX_OBJECT_BYTES >> 10} KiB, message and all"
    return {
        commit: parse_commit(commit, contents[commit])
        if commit in contents
        else CommitObject(commit=commit, problem=large)
        for commit in sizes
    }


def parse_commit(commit: str, content: bytes) -> CommitObject:
    """Return the commit whose object is ``content``."""
    found = _HEAD.fullmatch(content)
    if not found or b"\0" in content:
        return CommitObject(commit=commit, problem="is not a commit as git writes them")
    author = _PERSON.fullmatch(found["author"])
    committer = _PERSON.fullmatch(found["committer"])
    extra, _, _ = (b"\n" + found["rest"]).partition(b"\n\n")
    headers = re.split(rb"\n(?! )", extra)[1:]
    names = [header.split(b" ", 1)[0] for header in headers]
    signatures = [header for header, name in zip(headers, names, strict=True) if name in _LAYOUTS]
    parents = tuple(found["parents"].decode().split()[1::2])
    who = cut(author["who"].decode("utf-8", "replace")) if author else ""
    made = int(committer["seconds"]) if committer else 0
    scheme = None
    problem = ""
    if not author or not committer:
        problem = "has an author or a committer with no name or date that can be read"
    elif _ONCE & set(names):
        problem = "has a header twice, or out of order"
    elif b"gpgsig-sha256" in names or len(signatures) > 1:
        problem = "has more than one signature"
    elif len(set(parents)) != len(parents):
        problem = "has a parent twice"
    elif signatures:
        begins = _BEGIN.findall(signatures[0].removeprefix(b"gpgsig ").replace(b"\n ", b"\n"))
        scheme = _scheme(begins[0]) if len(begins) == 1 else None
        problem = "" if scheme else "has a signature of a kind that does not count here, or several in one"
    return CommitObject(commit=commit, parents=parents, author=who, made=made, scheme=scheme, problem=problem)


def parse_tag(object_id: str, content: bytes) -> TagObject | str:
    """Return the tag whose object is ``content``, or why it is none that could say anything."""
    found = _TAG.fullmatch(content)
    tagger = _PERSON.fullmatch(found["tagger"]) if found else None
    if not found or not tagger or b"\0" in content:
        return "is not a tag as git writes them"
    if found["type"] != b"commit":
        return f"is on a {found['type'].decode()}, not on a commit"
    begins = _BEGIN.findall(found["body"])
    if len(begins) > 1:
        return "has more than one signature"
    return TagObject(
        object_id=object_id,
        name=found["tag"].decode("utf-8", "backslashreplace"),
        commit=found["object"].decode(),
        made=int(tagger["seconds"]),
        scheme=_scheme(begins[0]) if begins else None,
    )


def _scheme(begin: bytes) -> Scheme | None:
    return next((scheme for scheme in Scheme if scheme.value.encode() == begin), None)
