"""What a commit has to say out loud before it is followed: that it changes trust, and how much it takes away.

Rules, for every commit but a root, each judged against its first parent:

1. whoever changes anything below ``trust/``, or the trust, evidence or limits of ``ringfence.yaml``, says
   ``Ringfence-Confirm: trust``;
2. whoever takes away more documents and asked-for places of enclaves than the *parent* allows at once says how many:
   ``Ringfence-Confirm: deletions N``, with exactly that N;
3. trailers are read by git, from the commit and, for a merge, from every commit that it brings in.

A document is known by kind and name: moving it to another file takes nothing away, and one that can no longer be read
is gone. Only files that differ are read. Who signed is not asked here (``repo.trust``), nor whether the documents are
valid (``repo.desired``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from reconciler.errors.taxonomy import TrustError, cut
from reconciler.model.guards import Limits
from reconciler.model.kinds import Repository
from reconciler.repo import layout
from reconciler.repo.documents import MAX_FILE_BYTES, parse_documents
from reconciler.repo.git import Change, Git, check_id

TRAILER = "Ringfence-Confirm"
TRUST = "trust"
DELETIONS = "deletions"
_PLAIN_MODES = frozenset({"100644", "100755"})
_MOST_TRAILERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A document that stands in a changed file: ``names`` or ``count`` if it is an enclave that asks for nodes."""

    names: frozenset[str] = frozenset()
    count: int = 0

    def lost_in(self, after: _Place | None) -> int:
        """Return how many documents and places are gone once ``after`` has taken the place of this."""
        if after is None:
            return 1 + (len(self.names) or self.count)
        if self.names and after.names:
            return len(self.names - after.names)
        return max(0, (len(self.names) or self.count) - (len(after.names) or after.count))


def check_confirmations(
    git: Git, *, commit: str, parents: tuple[str, ...], before: Repository | None, after: Repository | None
) -> list[TrustError]:
    """Return what ``commit`` fails to confirm.

    ``before`` and ``after`` are ``ringfence.yaml`` at the first parent and at the commit itself, None if unreadable.
    """
    if not parents:
        return []
    changes = git.changes(commit, parent=parents[0])
    limit = (before.spec.limits if before else Limits()).deletions
    deletions = count_deletions(git, commit=commit, parent=parents[0], changes=changes)
    is_trust = changes_trust(changes, before=before, after=after)
    if not is_trust and deletions <= limit:
        return []
    said = read_confirmations(git, commit=commit, parents=parents)
    subject = f"commit {commit[:12]}"
    errors = []
    if is_trust and TRUST not in said:
        message = "changes who or what is trusted, and does not say so"
        errors.append(TrustError(subject, message, reason="ConfirmationMissing", hint=_hint(TRUST)))
    wanted = f"{DELETIONS} {deletions}"
    if deletions > limit and wanted not in said:
        others = sorted(value for value in said if value.split(" ")[0] == DELETIONS)
        taken = f"takes away {deletions} documents and places of enclaves (its parent allows {limit} at once)"
        if others:
            message, reason = f"{taken}, but confirms {cut(', '.join(others))}", "ConfirmationMismatch"
        else:
            message, reason = f"{taken}, and does not say so", "ConfirmationMissing"
        errors.append(TrustError(subject, message, reason=reason, hint=_hint(wanted)))
    return errors


def _hint(value: str) -> str:
    return f'if that is meant: git commit --amend --no-edit -S --trailer "{TRAILER}: {value}"'


def changes_trust(changes: Iterable[Change], *, before: Repository | None, after: Repository | None) -> bool:
    """Return whether a commit with ``changes`` changes who is trusted, by what, or how much may go unsaid."""
    paths = {change.path for change in changes}
    if any(path.startswith(b"trust/") for path in paths):
        return True
    return layout.REPOSITORY.encode() in paths and _trust_of(before) != _trust_of(after)


def _trust_of(repository: Repository | None) -> object:
    spec = repository.spec if repository else None
    return None if spec is None else (spec.trust, spec.evidence, spec.limits)


def count_deletions(git: Git, *, commit: str, parent: str, changes: Collection[Change]) -> int:
    """Return how many documents and places of enclaves are in ``parent`` and no more in ``commit``."""
    paths = [path for change in changes if (path := _located(change.path))]
    gone = {path for change in changes if (path := _located(change.path)) and change.mode not in _PLAIN_MODES}
    before = _read(git, parent, paths)
    after = _read(git, commit, [path for path in paths if path not in gone]) if before else {}
    return sum(place.lost_in(after.get(name)) for name, place in before.items())


def _located(path: bytes) -> str | None:
    """Return the path if a document stands there; one that git cannot be asked for is refused elsewhere."""
    text = path.decode("utf-8", "replace")
    return text if "\n" not in text and "\ufffd" not in text and layout.locate(text) else None


def _read(git: Git, commit: str, paths: Collection[str]) -> dict[tuple[str, str], _Place]:
    """Return the documents in ``paths`` at ``commit``, by kind and name; files that say nothing have none."""
    names = {f"{check_id(commit)}:{path}": path for path in paths}
    if not names:
        return {}
    asked = "".join(f"{name}\n" for name in names).encode()
    sizes = git.run("cat-file", "--batch-check=%(objecttype) %(objectsize)", stdin=asked).decode().splitlines()
    small = [name for name, line in zip(names, sizes, strict=True) if _is_small_blob(line)]
    found: dict[tuple[str, str], _Place] = {}
    for name, content in git.objects(small).items():
        spot = layout.locate(names[name])
        raws, _ = parse_documents(content, path=names[name])
        for raw in raws:
            match raw.value:
                case {"kind": str(kind), "metadata": {"name": str(own)}} if spot and kind == spot.place.kind.__name__:
                    found[kind, own] = _place(raw.value)
                case _:
                    pass
    return found


def _is_small_blob(line: str) -> bool:
    kind, _, size = line.partition(" ")
    return kind == "blob" and size.isdecimal() and int(size) <= MAX_FILE_BYTES


def _place(document: object) -> _Place:
    match document:
        case {"kind": "Enclave", "spec": {"nodes": {"names": list(names)}}}:
            return _Place(names=frozenset(name for name in names if isinstance(name, str)))
        case {"kind": "Enclave", "spec": {"nodes": {"count": int(count)}}}:
            return _Place(count=max(0, count))
        case _:
            return _Place()


def read_confirmations(git: Git, *, commit: str, parents: tuple[str, ...]) -> frozenset[str]:
    """Return what ``commit``, and for a merge whatever it brings in, confirms; blanks are made single."""
    reach = (
        (f"^{check_id(parents[0])}", "--max-count=" + str(_MOST_TRAILERS)) if len(parents) > 1 else ("--max-count=1",)
    )
    shown = f"%(trailers:key={TRAILER},valueonly,unfold,separator=%x0a)"
    output = git.run(
        "rev-list",
        "--encoding=UTF-8",
        f"--format={shown}",
        check_id(commit),
        *reach,
        settings={"trailer.separators": ":"},
    )
    lines = (" ".join(line.split()) for line in output.decode("utf-8", "replace").splitlines())
    return frozenset(line for line in lines if line)
