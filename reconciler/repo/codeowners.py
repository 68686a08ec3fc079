"""Code owners for forges, made from the trust rules, so that a forge asks the people whose signature will count.

Rules: whoever a forge takes for an owner of a path may change it by the trust rules as well; never the other way round.
1. GitHub and GitLab let the *last* line that matches win, and ours is a union. So a pattern's line names everybody whom
   a rule lets change *all* that it matches, and wider patterns stand before narrower ones.
2. A pattern that names a folder also owns what is in it there, and nothing of it here: a line for the content follows.
3. Gitea reads regular expressions and takes the union of all lines, as we do.
A principal is its own handle if it looks like an e-mail address, else ``@principal``; ``trust/handles`` says otherwise,
a line each: ``principal handle``. What forges cannot say is not said: that nobody owns the rest, and that several must
sign; a commit is judged by the rules, whatever a forge thinks of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler.errors.taxonomy import Finding, InputError
from reconciler.model.kinds import Repository, TrustRule
from reconciler.repo import layout
from reconciler.repo.documents import parse_documents
from reconciler.repo.globs import includes
from reconciler.repo.validation import validate

HANDLES = "trust/handles"
PLACES = {"github": ".github/CODEOWNERS", "gitlab": ".gitlab/CODEOWNERS", "gitea": ".gitea/CODEOWNERS"}
"""Where each forge looks for its file."""

_HANDLE = re.compile(r"@[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9._-]{1,99}){0,5}|[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
_HEADER = (
    "# Made by `ringfence codeowners --kind {kind}` from the trust rules in ringfence.yaml; do not edit.",
    "# It asks for reviews. What counts is who signs: a forge's approval is no signature.",
)


def codeowners(rules: Sequence[TrustRule], *, kind: str, handles: Mapping[str, str] | None = None) -> str:
    """Return the file for ``kind`` (``github``, ``gitlab``, ``gitea``)."""
    named = handles or {}
    lines = [line.format(kind=kind) for line in _HEADER]
    several = sorted({f"# {' '.join(rule.paths)}: {rule.threshold} must sign." for rule in rules if rule.threshold > 1})
    body = _regular_lines(rules, handles=named) if kind == "gitea" else _glob_lines(rules, handles=named)
    return "\n".join([*lines, *several, "", *body, ""])


def parse_handles(content: bytes) -> dict[str, str]:
    """Return the forge's names by principal; InputError with every line that says something else."""
    found: dict[str, str] = {}
    findings = []
    for number, line in enumerate(content.decode("utf-8", "backslashreplace").splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) == 2 and _HANDLE.fullmatch(words[1]) and words[0] not in found:  # noqa: PLR2004  # a pair
            found[words[0]] = words[1]
            continue
        hint = "write: principal @handle, or principal person@example.org; each principal once"
        message = "is not one principal and one handle"
        findings.append(Finding(path=HANDLES, line=number, column=1, code="BadHandle", message=message, hint=hint))
    if findings:
        first = findings[0]
        raise InputError(first.place, first.message, reason=first.code, hint=first.hint, findings=tuple(findings))
    return found


def files_for(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return every forge's file, by path, for the repository that holds ``files``."""
    rules = _rules(files.get(layout.REPOSITORY, b""))
    handles = parse_handles(files.get(HANDLES, b""))
    return {path: codeowners(rules, kind=kind, handles=handles).encode() for kind, path in PLACES.items()}


def _rules(content: bytes) -> tuple[TrustRule, ...]:
    raws, findings = parse_documents(content, path=layout.REPOSITORY)
    for raw in raws:
        document, wrong = validate(raw)
        findings += wrong
        if isinstance(document, Repository) and not findings:
            return document.spec.trust.rules
    hint = "ringfence validate says what is wrong"
    raise InputError(
        layout.REPOSITORY, "holds no trust rules", reason="NoRepository", hint=hint, findings=tuple(findings)
    )


def _glob_lines(rules: Sequence[TrustRule], *, handles: Mapping[str, str]) -> Iterator[str]:
    patterns = list(dict.fromkeys(pattern for rule in rules for pattern in _with_content(rule)))
    for pattern in _wide_first(patterns):
        owners = {
            signer for rule in rules if any(includes(wide, pattern) for wide in rule.paths) for signer in rule.signers
        }
        shown = "*" if pattern == "**" else f"/{pattern}"
        yield " ".join([shown, *_names(owners, handles=handles)])


def _with_content(rule: TrustRule) -> Iterator[str]:
    for pattern in rule.paths:
        yield pattern
        if not pattern.endswith("*") and not layout.is_read(pattern):
            yield f"{pattern.rstrip('/')}/**"  # 2


def _wide_first(patterns: Sequence[str]) -> list[str]:
    """Return ``patterns`` so that none stands before one that includes it; otherwise in their order.

    What lies below a folder stands after the folder: forges take the folder's own line for all that is in it.
    """
    left, ordered = list(patterns), []
    while left:
        free = next(p for p in left if not any(q != p and _comes_first(q, p) for q in left))
        left.remove(free)
        ordered.append(free)
    return ordered


def _comes_first(one: str, other: str) -> bool:
    is_below = other == f"{one}/**" and not one.endswith("*")
    return is_below or (includes(one, other) and not includes(other, one))


def _regular_lines(rules: Sequence[TrustRule], *, handles: Mapping[str, str]) -> Iterator[str]:
    parts = {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", ".": "[.]"}
    for rule in rules:
        for pattern in rule.paths:
            pieces = re.split(r"(\*\*/|\*\*|\*|[.])", re.sub(r"(\*\*/)+", "**/", pattern))
            expression = "".join(parts.get(piece, piece) for piece in pieces)
            yield " ".join([expression, *_names(set(rule.signers), handles=handles)])


def _names(principals: set[str], *, handles: Mapping[str, str]) -> list[str]:
    return sorted({handles.get(name, name if "@" in name else f"@{name}") for name in principals})
