"""Every document of a snapshot with its place, by kind and name.

Rules: documents that do not fit are findings and are left out, but their names stay known, so that one broken node
does not make everything that mentions it look wrong too. Names are unique in a kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import Document, Repository
from reconciler.repo import layout
from reconciler.repo.files import D, FileRead, Located, read_file
from reconciler.repo.node_index import NodeIndex
from reconciler.repo.snapshot import Snapshot

__all__ = ["Catalogue", "D", "Located", "assemble", "catalogue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The documents that fit, and the findings of those that do not.

    ``index`` is a memory for lookups among nodes, which catalogues of a line of commits share; it is not part of what
    is there.
    """

    documents: dict[type[Document], dict[str, Located[Document]]] = field(default_factory=dict)
    unreadable: Mapping[type[Document], AbstractSet[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    index: NodeIndex = field(default_factory=NodeIndex, compare=False, repr=False)

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
    files = {}
    for path in snapshot.files:
        spot = layout.locate(path)
        if spot:
            files[path], _ = read_file(path, spot=spot, content=partial(snapshot.files.__getitem__, path))
    return assemble(files, findings=snapshot.findings)


def assemble(files: Mapping[str, FileRead], *, findings: tuple[Finding, ...]) -> Catalogue:
    """Return what ``files`` (in the order of their paths) hold together, after the ``findings`` made before."""
    unreadable: dict[type[Document], set[str]] = {}
    found = Catalogue(findings=list(findings), unreadable=unreadable)
    for finding in findings:  # What stands in the wrong place is told; what mentions it is not wrong, too.
        meant = layout.locate(layout.right_place(finding.path)) if finding.code == "StrayFile" else None
        if meant:
            unreadable.setdefault(meant.place.kind, set()).add(meant.name or "")
    for read in files.values():
        if read.findings or read.unreadable:
            found.findings.extend(read.findings)
            unreadable.setdefault(read.spot.place.kind, set()).update(read.unreadable)
            for kind, name in read.elsewhere:
                unreadable.setdefault(kind, set()).add(name)
        same_kind = found.documents.setdefault(read.spot.place.kind, {})
        for located in read.documents:
            first = same_kind.setdefault(located.name, located)
            if first is not located and not read.is_misnamed:
                message = f"there is a {type(located.document).__name__} {located.name} already"
                hint = f"the first is in {first.place('metadata', 'name')}; rename one of them"
                problem = located.find("metadata", "name", code="DuplicateName", message=message, hint=hint)
                found.findings.append(problem)
    for second in list(found.all(Repository).values())[1:]:
        message = f"there is a Repository {next(iter(found.all(Repository)))} already"
        hint = "a state repository has one; put both into one document"
        found.findings.append(second.find("kind", code="RepositoryTwice", message=message, hint=hint))
    if found.is_whole(Repository) and not found.all(Repository) and layout.REPOSITORY not in files:
        hint = "go to the top folder of the state repository, or name it: --repo FOLDER; make a new one: ringfence init"
        found.findings.append(Finding(path=layout.REPOSITORY, code="NoRepository", message="is missing", hint=hint))
    return found
