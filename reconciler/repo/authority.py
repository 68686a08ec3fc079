"""Who may change which path.

Rules: a path is covered if one rule matches it and names as many of those who signed as its threshold asks for, each
counted once; nothing is allowed by default. A path that can be read in two ways is covered by nobody: bytes that are
not UTF-8, control characters, dot segments, another case of a name that means something, links and submodules.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reconciler.model.kinds import TrustRule
from reconciler.repo.git import Change
from reconciler.repo.layout import TOP_LEVEL

_PLAIN_MODES = frozenset({"100644", "100755", "000000"})
_LAYOUT_PATH = re.compile(r"[A-Za-z0-9._@+-]+(/[A-Za-z0-9._@+-]+)*")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*(/[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)*")
_FOLDERS = frozenset(
    {
        "trust/allowed_signers",
        "trust/gpg",
        "trust/ek-roots",
        "trust/ek-intermediates",
        "trust/ek-crls",
        "site/zones",
        "site/switches",
        "site/networks",
        "site/nodes",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """How many more signatures a rule wants for a path, and of whom; ``given`` it has, ``patterns`` are the rule's."""

    more: int
    given: int
    signers: tuple[str, ...]
    patterns: tuple[str, ...]


def may_change(path: str, *, signers: Collection[str], rules: Sequence[TrustRule]) -> bool:
    """Return whether a rule lets ``signers`` together change ``path``; each counts once."""
    return any(_given(rule, signers) >= rule.threshold and _matches(path, rule=rule) for rule in rules)


def lacks(path: str, *, signers: Collection[str], rules: Sequence[TrustRule]) -> list[Lack]:
    """Return what each rule for ``path`` wants beyond the signatures of ``signers``, the nearest one first."""
    found = [
        Lack(
            more=rule.threshold - _given(rule, signers),
            given=_given(rule, signers),
            signers=tuple(sorted(set(rule.signers) - set(signers))),
            patterns=rule.paths,
        )
        for rule in rules
        if _matches(path, rule=rule)
    ]
    return sorted(found, key=lambda lack: lack.more)


def _given(rule: TrustRule, signers: Collection[str]) -> int:
    return len(set(rule.signers).intersection(signers))


def who_may_change(path: str, *, rules: Sequence[TrustRule]) -> list[str]:
    """Return everybody whom a rule lets change ``path``."""
    return sorted({signer for rule in rules if _matches(path, rule=rule) for signer in rule.signers})


def path_problem(change: Change) -> str | None:
    """Return why ``change`` is one that nobody may make, None if it is an ordinary one."""
    try:
        path = change.path.decode("utf-8")
    except UnicodeDecodeError:
        return "has a name that is not UTF-8"
    if change.mode not in _PLAIN_MODES:
        return "is a symbolic link" if change.mode == "120000" else "is a submodule, not a file"
    return _name_problem(path)


def _name_problem(path: str) -> str | None:  # noqa: PLR0911 - one return for each thing that can be wrong
    segments = path.split("/")
    if "/".join(segments[:2]) in _FOLDERS and _PLAIN_PATH.fullmatch(path):
        return None  # Nearly every path of a large site; the checks below take ten times as long.
    if any(segment in {"", ".", ".."} or segment.lower() == ".git" for segment in segments):
        return "has a segment that leads elsewhere"
    if "\\" in path or any(unicodedata.category(character).startswith("C") for character in path):
        return "has a character in its name that is not shown"
    meant = _folded(segments[0])
    if segments[0] != meant and meant in TOP_LEVEL:
        return f"is {meant} in another spelling"
    folder = "/".join(segments[:2])
    if folder not in _FOLDERS and folder.lower() in _FOLDERS:
        return f"is {folder.lower()} in another case"
    if meant in TOP_LEVEL and not _LAYOUT_PATH.fullmatch(path):
        return "has a character in its name that is not used here"
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _matches(path: str, *, rule: TrustRule) -> bool:
    return any(_compile(pattern).fullmatch(path) for pattern in rule.paths)


@functools.lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    """Return ``pattern`` as an expression: ``**`` crosses segments, ``*`` does not, ``**/`` may be nothing at all."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    pieces = re.split(r"((?:\*\*/)|(?:\*\*)|\*)", re.sub(r"(\*\*/)+", "**/", pattern))
    return re.compile("".join(parts.get(piece, re.escape(piece)) for piece in pieces))
