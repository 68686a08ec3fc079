"""Approvals: signed tags, by which others than the author of a commit put their name to it.

1. An approval is the ref ``refs/tags/approve/<first 12 digits of the commit>/<principal>``.
2. It names an annotated tag, whose own name is the same, and which is on exactly this commit: under another ref, or on
   another object, it says nothing.
3. It is signed by a key of that principal, who is known to the commit's first parent.
4. It is not older than the commit, and not from the future.

What an approval is worth is for the rules to say (``repo.authority``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.errors.taxonomy import cut
from reconciler.repo.commits import MAX_OBJECT_BYTES, CommitObject, TagObject, parse_tag
from reconciler.repo.git import Git, Ref, Signature
from reconciler.repo.keyring import Keyring
from reconciler.repo.verification import Doubt, Signed, Verifier
from reconciler.repo.windows import TOLERANCE_S

APPROVALS = "refs/tags/approve/"
_TAGS = "refs/tags/"
_SHORT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """Who approved each commit, and what looks like an approval and is none."""

    by: dict[str, frozenset[str]]
    doubts: tuple[str, ...] = ()


def approval_name(commit: str, *, principal: str) -> str:
    """Return the name of the tag by which ``principal`` approves ``commit``."""
    return f"approve/{commit[:_SHORT]}/{principal}"


def read_approvals(
    git: Git, commits: Iterable[CommitObject], *, verifier: Verifier, keyring: Keyring, is_recorded: bool
) -> Approvals:
    """Return who of ``keyring`` approved each of ``commits``."""
    known = {commit.commit: commit for commit in commits}
    found = git.refs(*(f"{APPROVALS}{commit[:_SHORT]}/" for commit in known)) if known else []
    # Anybody may push any number of refs: those under a name that is not known are not even opened.
    refs = [ref for ref in found if ref.name.rpartition("/")[2] in keyring.principals]
    tags: dict[str, TagObject] = {}
    doubts: list[str] = []
    for ref, tag in _read_tags(git, refs):
        problem = tag if isinstance(tag, str) else _problem(ref, tag, commits=known, now=verifier.now)
        if isinstance(tag, str) or problem:
            doubts.append(f"{_name(ref)} {problem}")
        else:
            tags[_name(ref)] = tag
    signed = [
        Signed(object_id=tag.object_id, scheme=tag.scheme, made=tag.made, is_recorded=is_recorded, kind="tag")
        for tag in tags.values()
    ]
    verdicts = verifier.verify(signed, keyring=keyring)
    by: dict[str, set[str]] = {commit: set() for commit in known}
    for name, tag in tags.items():
        verdict = verdicts[tag.object_id]
        principal = name.split("/", 2)[2]
        match verdict:
            case Signature(principal=signer) if signer == principal:  # 3
                by[tag.commit].add(principal)
            case Signature(principal=signer):
                doubts.append(f"{name} is signed by {signer}")
            case Doubt(message=message):
                doubts.append(f"{name} {message}")
    return Approvals(by={commit: frozenset(who) for commit, who in by.items()}, doubts=tuple(doubts))


def _read_tags(git: Git, refs: list[Ref]) -> list[tuple[Ref, TagObject | str]]:
    sizes = git.sizes(ref.object_id for ref in refs if ref.kind == "tag")
    contents = git.objects(tag for tag, size in sizes.items() if size <= MAX_OBJECT_BYTES)
    return [
        (ref, parse_tag(ref.object_id, contents[ref.object_id]) if ref.object_id in contents else "is not a signed tag")
        for ref in refs
    ]


def _problem(ref: Ref, tag: TagObject, *, commits: dict[str, CommitObject], now: int) -> str:
    if tag.commit not in commits:
        return f"is on {tag.commit[:_SHORT]}"  # 2
    if tag.name != _name(ref) or _name(ref).rpartition("/")[0] != approval_name(tag.commit, principal="").rstrip("/"):
        return f"holds the tag {cut(tag.name)}"  # 1, 2
    if tag.made < commits[tag.commit].made - TOLERANCE_S:
        return "is older than what it approves"  # 4
    return "is from the future" if tag.made > now + TOLERANCE_S else ""  # 4


def _name(ref: Ref) -> str:
    return ref.name.removeprefix(_TAGS)
