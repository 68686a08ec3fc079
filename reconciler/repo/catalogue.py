"""Every document of a snapshot with its place, by kind and name.

Rules: documents that do not fit are findings and are left out, but their names stay known, so that one broken node
does not make everything that mentions it look wrong too. Names are unique in a kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import Document, Repository
from reconciler.repo import layout
from reconciler.repo.documents import RawDocument, parse_documents
from reconciler.repo.layout import Spot
from reconciler.repo.snapshot import Snapshot
from reconciler.repo.validation import validate

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Located(Generic[D]):
    """A typed document and where it came from; ``tenant`` is the folder's, for kinds that belong to one."""

    document: D
    raw: RawDocument
    tenant: str | None

    @property
    def name(self) -> str:
        """Return the document's name."""
        return self.document.metadata.name

    def find(self, *location: str | int, code: str, message: str, hint: str) -> Finding:
        """Return a finding at the value at ``location``."""
        line, column = self.raw.at(*location)
        return Finding(path=self.raw.path, line=line, column=column, code=code, message=message, hint=hint)

    def place(self, *location: str | int) -> str:
        """Return ``file:line`` of the value at ``location``."""
        return f"{self.raw.path}:{self.raw.at(*location)[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The documents that fit, and the findings of those that do not."""

    documents: dict[type[Document], dict[str, Located[Document]]] = field(default_factory=dict)
    unreadable: dict[type[Document], set[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def all(self, kind: type[D]) -> dict[str, Located[D]]:
        """Return the documents of ``kind`` by name, in the order of the files."""
        return cast("dict[str, Located[D]]", self.documents.get(kind, {}))

    def is_known(self, kind: type[Document], name: str) -> bool:
        """Return whether a document of that name was meant to be there, whole or broken."""
        return name in self.documents.get(kind, {}) or name in self.unreadable.get(kind, set())

    def is_whole(self, kind: type[Document]) -> bool:
        """Return whether every document of ``kind`` could be read, so that what is not there is missing indeed."""
        return not self.unreadable.get(kind)


def catalogue(snapshot: Snapshot) -> Catalogue:
    """Return every document of ``snapshot``."""
    found = Catalogue(findings=list(snapshot.findings))
    for finding in snapshot.findings:  # What stands in the wrong place is told; what mentions it is not wrong, too.
        meant = layout.locate(layout.right_place(finding.path)) if finding.code == "StrayFile" else None
        if meant:
            found.unreadable.setdefault(meant.place.kind, set()).add(meant.name or "")
    for path, content in snapshot.files.items():
        spot = layout.locate(path)
        if spot:
            _read_file(found, path=path, content=content, spot=spot)
    if found.is_whole(Repository) and not found.all(Repository) and layout.REPOSITORY not in snapshot.files:
        hint = "go to the top folder of the state repository, or name it: --repo FOLDER; make a new one: ringfence init"
        found.findings.append(Finding(path=layout.REPOSITORY, code="NoRepository", message="is missing", hint=hint))
    return found


def _read_file(found: Catalogue, *, path: str, content: bytes, spot: Spot) -> None:
    raws, findings = parse_documents(content, path=path)
    found.findings.extend(findings)
    if not raws:
        if spot.name:
            found.unreadable.setdefault(spot.place.kind, set()).add(spot.name)
        if not findings:
            hint = f"write a {spot.place.kind.__name__}, or delete the file"
            found.findings.append(Finding(path=path, code="NoDocument", message="holds no document", hint=hint))
    for raw in raws:
        _add(found, raw=raw, spot=spot, is_alone=len(raws) == 1)


def _add(found: Catalogue, *, raw: RawDocument, spot: Spot, is_alone: bool) -> None:
    document, findings = validate(raw)
    found.findings.extend(findings)
    if document is None:
        names = [*([spot.name] if spot.name else []), *_claimed_name(raw)]
        found.unreadable.setdefault(spot.place.kind, set()).update(names)
        return
    located = Located(document=document, raw=raw, tenant=spot.tenant)
    problem = _misplaced(located, spot=spot, is_alone=is_alone)
    if problem:
        found.findings.append(problem)
        found.unreadable.setdefault(spot.place.kind, set()).update([spot.name] if spot.name else [])
        if type(document) is not spot.place.kind:
            found.unreadable.setdefault(type(document), set()).add(located.name)
            return
    same_kind = found.documents.setdefault(type(document), {})
    first = same_kind.get(located.name)
    if first and problem is None:
        message = f"there is a {type(document).__name__} {located.name} already"
        hint = f"the first is in {first.place('metadata', 'name')}; rename one of them"
        found.findings.append(located.find("metadata", "name", code="DuplicateName", message=message, hint=hint))
    elif first is None:
        same_kind[located.name] = located


def _claimed_name(raw: RawDocument) -> Iterable[str]:
    value = raw.value
    metadata = value.get("metadata") if isinstance(value, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return [name] if isinstance(name, str) else []


def _misplaced(located: Located[Document], *, spot: Spot, is_alone: bool) -> Finding | None:
    kind = type(located.document)
    if kind is not spot.place.kind:
        hint = f"a {kind.__name__} stands in {layout.KINDS[kind.__name__].shown}"
        message = f"a {kind.__name__} is not read from here; this place is for kind {spot.place.kind.__name__}"
        return located.find("kind", code="WrongPlace", message=message, hint=hint)
    is_named_by_place = is_alone or spot.place.kind.__name__ == "Tenant"
    if is_named_by_place and spot.name and located.name != spot.name:
        message = f"is called {located.name}, but its place says {spot.name}"
        hint = f"write name: {spot.name}, or move the file"
        return located.find("metadata", "name", code="WrongName", message=message, hint=hint)
    return None
