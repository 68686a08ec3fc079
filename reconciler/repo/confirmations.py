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

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_AT_ONCE = 32 << 20
"""How many bytes of documents are held at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A commit, its parents, and in which paths it differs from the first of them."""

    commit: str
    parents: tuple[str, ...]
    changes: Sequence[Change]


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
    git: Git, step: Changed, *, deletions: int, before: Repository | None, after: Repository | None
) -> list[TrustError]:
    """Return what the commit of ``step``, which takes away as much as ``deletions`` says, fails to confirm.

    ``before`` and ``after`` are ``ringfence.yaml`` at the first parent and at the commit itself, None if unreadable.
    """
    commit, parents, changes = step.commit, step.parents, step.changes
    if not parents:
        return []
    limit = (before.spec.limits if before else Limits()).deletions
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


def count_deletions(git: Git, steps: Sequence[Changed]) -> dict[str, int]:
    """Return, by commit, how many documents and places of enclaves its first parent has and it has no more.

    However many commits these are, git is asked a few times only.
    """
    asked: dict[str, list[tuple[str, str]]] = {}
    for step in steps:
        if not step.parents:
            continue
        parent, commit = check_id(step.parents[0]), check_id(step.commit)
        paths = {path: change for change in step.changes if (path := _located(change.path))}
        asked[f"{commit} before"] = [(f"{parent}:{path}", path) for path in paths]
        plain = [path for path, change in paths.items() if change.mode in _PLAIN_MODES]
        asked[f"{commit} after"] = [(f"{commit}:{path}", path) for path in plain]
    places = _read(git, dict(pair for pairs in asked.values() for pair in pairs))

    def held(which: str) -> dict[tuple[str, str], _Place]:
        return {key: place for name, _ in asked.get(which, ()) for key, place in places.get(name, {}).items()}

    deletions = {}
    for step in steps:
        before, after = held(f"{step.commit} before"), held(f"{step.commit} after")
        deletions[step.commit] = sum(place.lost_in(after.get(key)) for key, place in before.items())
    return deletions


def _located(path: bytes) -> str | None:
    """Return the path if a document stands there; one that git cannot be asked for is refused elsewhere."""
    text = path.decode("utf-8", "replace")
    return text if "\n" not in text and "\ufffd" not in text and layout.locate(text) else None


def _read(git: Git, paths: Mapping[str, str]) -> dict[str, dict[tuple[str, str], _Place]]:
    """Return the documents in each file, by kind and name; ``paths`` are by the name that git knows the file by.

    Files that say nothing have none.
    """
    if not paths:
        return {}
    asked = "".join(f"{name}\n" for name in paths).encode()
    lines = git.run("cat-file", "--batch-check=%(objecttype) %(objectsize)", stdin=asked).decode().splitlines()
    sizes = {name: size for name, line in zip(paths, lines, strict=True) if (size := _size_of_blob(line)) is not None}
    found = {}
    for part in _parts(sizes):
        for name, content in git.objects(part).items():
            found[name] = dict(_documents(content, path=paths[name]))
    return found


def _parts(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield the names of ``sizes``, in parts that hold a bounded number of bytes."""
    part: list[str] = []
    held = 0
    for name, size in sizes.items():
        if part and held + size > _AT_ONCE:
            yield part
            part, held = [], 0
        part.append(name)
        held += size
    if part:
        yield part


def _documents(content: bytes, *, path: str) -> Iterator[tuple[tuple[str, str], _Place]]:
    spot = layout.locate(path)
    raws, _ = parse_documents(content, path=path)
    for raw in raws:
        match raw.value:
            case {"kind": str(kind), "metadata": {"name": str(own)}} if spot and kind == spot.place.kind.__name__:
                yield (kind, own), _place(raw.value)
            case _:
                pass


def _size_of_blob(line: str) -> int | None:
    kind, _, size = line.partition(" ")
    return int(size) if kind == "blob" and size.isdecimal() and int(size) <= MAX_FILE_BYTES else None


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
