"""One file to its documents: what it holds and what is wrong with it, whatever stands in other files.

Rules: a file is read by its shape if that can be done (``repo.shapes``); positions are looked up when a finding needs
one, by reading the file again. Only content decides, and the place: so what was read may be remembered by blob.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from pydantic import ValidationError

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import Document
from reconciler.repo import layout
from reconciler.repo.documents import Plain, Position, RawDocument, parse_documents
from reconciler.repo.layout import Spot
from reconciler.repo.shapes import read_by_shape
from reconciler.repo.validation import validate

D = TypeVar("D", bound=Document)
_POSITIONS_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LateDocument:
    """A valid document, whose positions are read when they are asked for; ``content`` returns the file's bytes."""

    path: str
    number: int
    content: Callable[[], bytes]

    @property
    def value(self) -> Plain:
        """Return the document as plain values."""
        return self._whole().value

    def at(self, *location: str | int) -> Position:
        """Return the position of the value at ``location``, or of the nearest enclosing one that exists."""
        return self._whole().at(*location)

    def at_key(self, *location: str | int) -> Position:
        """Return the position of the key at ``location``, or of the nearest enclosing one that exists."""
        return self._whole().at_key(*location)

    def text(self, *location: str | int) -> str:
        """Return the plain scalar at ``location`` as it was written, or nothing."""
        return self._whole().text(*location)

    def _whole(self) -> RawDocument:
        return _documents(self.content, self.path)[self.number]


@lru_cache(maxsize=_POSITIONS_KEPT)
def _documents(content: Callable[[], bytes], path: str) -> Sequence[RawDocument]:
    return parse_documents(content(), path=path)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Located(Generic[D]):
    """A typed document and where it came from; ``tenant`` is the folder's, for kinds that belong to one."""

    document: D
    raw: RawDocument | LateDocument
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
class FileRead:
    """What one file holds: documents that fit, names that were meant (of the place's kind), and findings.

    ``elsewhere`` are documents of another kind, by kind and name; ``is_misnamed`` is set if a document has a name that
    its place does not fit.
    """

    spot: Spot
    documents: tuple[Located[Document], ...]
    unreadable: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    elsewhere: tuple[tuple[type[Document], str], ...] = ()
    is_misnamed: bool = False


def read_file(
    path: str, *, spot: Spot, content: Callable[[], bytes], texts: Sequence[str] = ()
) -> tuple[FileRead, Sequence[str]]:
    """Return what the file at ``path`` holds, and its documents as JSON if there is nothing wrong with it.

    ``texts`` is that JSON if it was remembered.
    """
    quick = texts or read_by_shape(content()) or ()
    documents = _validated(quick, spot=spot)
    if not documents:
        return _read_carefully(path, spot=spot, content=content)
    located = tuple(
        Located(document=one, raw=LateDocument(path=path, number=i, content=content), tenant=spot.tenant)
        for i, one in enumerate(documents)
    )
    if _is_misnamed(located, spot=spot):
        return _read_carefully(path, spot=spot, content=content)
    return FileRead(spot=spot, documents=located), quick


def _validated(texts: Iterable[str], *, spot: Spot) -> list[Document]:
    """Return the typed documents, all of the kind that belongs here; none if one does not fit."""
    kind = spot.place.kind
    try:
        return [kind.model_validate_json(text, by_alias=True, by_name=False) for text in texts]
    except ValidationError:
        return []


def _is_misnamed(located: Sequence[Located[Document]], *, spot: Spot) -> bool:
    return any(_misplaced(one, spot=spot, is_alone=len(located) == 1) for one in located)


def _read_carefully(path: str, *, spot: Spot, content: Callable[[], bytes]) -> tuple[FileRead, Sequence[str]]:
    raws, findings = parse_documents(content(), path=path)
    unreadable: list[str] = []
    documents: list[Located[Document]] = []
    elsewhere: list[tuple[type[Document], str]] = []
    is_misnamed = False
    if not raws:
        unreadable += [spot.name] if spot.name else []
        if not findings:
            hint = f"write a {spot.place.kind.__name__}, or delete the file"
            findings.append(Finding(path=path, code="NoDocument", message="holds no document", hint=hint))
    for raw in raws:
        document, wrong = validate(raw)
        findings.extend(wrong)
        if document is None:
            unreadable += [*([spot.name] if spot.name else []), *_claimed_name(raw)]
            continue
        located = Located(document=document, raw=raw, tenant=spot.tenant)
        problem = _misplaced(located, spot=spot, is_alone=len(raws) == 1)
        if problem:
            findings.append(problem)
            unreadable += [spot.name] if spot.name else []
            is_misnamed = True
        if type(document) is spot.place.kind:
            documents.append(located)
        else:
            elsewhere.append((type(document), located.name))
    if findings:
        read = FileRead(
            spot=spot,
            documents=tuple(documents),
            unreadable=tuple(unreadable),
            findings=tuple(findings),
            elsewhere=tuple(elsewhere),
            is_misnamed=is_misnamed,
        )
        return read, ()
    late = tuple(
        Located(document=one.document, raw=LateDocument(path=path, number=i, content=content), tenant=spot.tenant)
        for i, one in enumerate(documents)
    )
    return FileRead(spot=spot, documents=late), [json.dumps(raw.value) for raw in raws]


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
