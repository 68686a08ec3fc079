"""What a few changed documents can make wrong in a repository that was right: themselves, and their neighbours.

A finding of a local check involves a document with what it mentions, or with what claims the same. Where nothing was
wrong before, a new finding therefore involves a changed document, and all parties to it are among these:

1. the changed documents, as they are now;
2. nodes that claim something that a changed node claims, and zones, switches and networks of all these nodes;
3. unless nodes alone changed, and kept name and zone: every document that is not a node;
4. nodes in changed zones or at changed switches, and nodes that an enclave names, if it or its network changed.

The checks run over these alone, with the names of all other documents known. They may be stricter so, never laxer: a
finding here only means that everything is checked again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import cast

from reconciler.model.desired import DesiredState
from reconciler.model.kinds import (
    AppraisalPolicy,
    Document,
    Enclave,
    Image,
    Key,
    Network,
    Node,
    Repository,
    Switch,
    Tenant,
    Zone,
)
from reconciler.repo.catalogue import Catalogue
from reconciler.repo.clashes import node_claims
from reconciler.repo.desired import LOCAL_CHECKS, WHOLE_CHECKS, TrustFiles, composed
from reconciler.repo.files import FileRead, Located

_FIELDS: Mapping[type[Document], str] = {
    Zone: "zones",
    Switch: "switches",
    Network: "networks",
    Node: "nodes",
    Image: "images",
    Tenant: "tenants",
    Enclave: "enclaves",
    Key: "keys",
}
"""Where documents of a kind stand in the desired state."""

_Documents = dict[type[Document], dict[str, Located[Document]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The documents of changed files, by kind and name, as they were and as they are."""

    old: _Documents
    new: _Documents
    has_doubles: bool

    @classmethod
    def between(cls, old: Mapping[str, FileRead], new: Mapping[str, FileRead], *, paths: Iterable[str]) -> Changed:
        """Return what the files at ``paths`` held and hold."""
        listed = list(paths)
        before, _ = _gather(old[path] for path in listed if path in old)
        after, has_doubles = _gather(new[path] for path in listed if path in new)
        return cls(old=before, new=after, has_doubles=has_doubles)

    def old_nodes(self) -> list[Located[Node]]:
        """Return the nodes as they were."""
        return cast("list[Located[Node]]", list(self.old.get(Node, {}).values()))

    def new_nodes(self) -> list[Located[Node]]:
        """Return the nodes as they are."""
        return cast("list[Located[Node]]", list(self.new.get(Node, {}).values()))

    def names(self, kind: type[Document]) -> set[str]:
        """Return the names of all documents of ``kind`` that changed, came or went."""
        return {*self.old.get(kind, {}), *self.new.get(kind, {})}

    def kinds(self) -> set[type[Document]]:
        """Return the kinds of what changed, came or went."""
        return {kind for documents in (self.old, self.new) for kind, named in documents.items() if named}


def _gather(files: Iterable[FileRead]) -> tuple[_Documents, bool]:
    gathered: _Documents = {}
    count = 0
    for read in files:
        for located in read.documents:
            gathered.setdefault(read.spot.place.kind, {})[located.name] = located
            count += 1
    return gathered, sum(map(len, gathered.values())) != count


def advance_catalogue(found: Catalogue, changed: Changed) -> Catalogue | None:
    """Return ``found`` with what changed; None if a name is there twice."""
    if changed.has_doubles:
        return None
    documents = dict(found.documents)
    for kind in changed.kinds():
        old, new = changed.old.get(kind, {}), changed.new.get(kind, {})
        kept = dict(documents.get(kind, {}))
        if any(name in kept and name not in old for name in new):
            return None
        for name in old.keys() - new.keys():
            del kept[name]
        documents[kind] = {**kept, **new}
    return Catalogue(documents=documents, index=found.index)


def advance_desired(before: DesiredState, changed: Changed, *, found: Catalogue) -> DesiredState:
    """Return ``before`` with what changed; documents and mappings that did not change are the same objects."""
    now: dict[str, object] = {}
    for kind in changed.kinds():
        new = {name: located.document for name, located in changed.new.get(kind, {}).items()}
        if kind is Repository:
            now["repository"] = next(iter(new.values()))
        elif kind is AppraisalPolicy:
            policies = found.all(AppraisalPolicy)
            whole = composed({name: policies[name].document for name in sorted(policies)})
            earlier = before.policies
            now["policies"] = {name: earlier[name] if earlier.get(name) == one else one for name, one in whole.items()}
        else:
            gone = changed.old.get(kind, {}).keys() - new.keys()
            now[_FIELDS[kind]] = _patched(getattr(before, _FIELDS[kind]), new=new, gone=gone)
    if Enclave in changed.kinds():
        now["owners"] = {name: located.tenant or "" for name, located in sorted(found.all(Enclave).items())}
    return replace(before, **now)  # type: ignore[arg-type]  # the fields are those of the kinds


def _patched(
    earlier: Mapping[str, Document], *, new: Mapping[str, Document], gone: AbstractSet[str]
) -> dict[str, Document]:
    merged = {**earlier, **new}
    for name in gone:
        del merged[name]
    return merged if new.keys() <= earlier.keys() else {name: merged[name] for name in sorted(merged)}


def are_fine(
    changed: Changed, *, found: Catalogue, trust: TrustFiles, owners: Mapping[tuple[str, Hashable], str]
) -> bool:
    """Return whether nothing that ``changed`` is wrong in the repository ``found``, which was right before.

    ``owners`` says which node held what (``clashes.node_claims``) before. False may also mean: look at everything.
    """
    if len(found.all(Repository)) != 1:
        return False
    near = _neighbourhood(changed, found=found, owners=owners)
    if any(next(iter(check(near, trust)), None) for check in LOCAL_CHECKS):
        return False
    is_told_apart = not _are_only_nodes(changed) or _stand_elsewhere(changed)
    return not is_told_apart or not any(next(iter(check(found, trust)), None) for check in WHOLE_CHECKS)


def _neighbourhood(changed: Changed, *, found: Catalogue, owners: Mapping[tuple[str, Hashable], str]) -> Catalogue:
    all_nodes = found.all(Node)
    names = {node.name for node in changed.new_nodes()}
    names |= {owners[code, what] for code, what, _ in node_claims(changed.new_nodes()) if (code, what) in owners}
    if not _are_only_nodes(changed):
        names |= set(_affected(changed, found=found))
    nodes = {name: all_nodes[name] for name in sorted(names & all_nodes.keys())}
    documents: _Documents = {}
    if _are_only_nodes(changed):
        switches = {interface.switch for node in nodes.values() for interface in node.document.spec.interfaces}
        zones = {node.document.spec.zone for node in nodes.values()}
        documents[Zone] = {name: one for name, one in found.documents.get(Zone, {}).items() if name in zones}
        documents[Switch] = {name: one for name, one in found.documents.get(Switch, {}).items() if name in switches}
        networks = found.all(Network)
        documents[Network] = {
            name: cast("Located[Document]", one) for name, one in networks.items() if one.document.spec.zone in zones
        }
    else:
        documents |= found.documents
    documents[Node] = cast("dict[str, Located[Document]]", nodes)
    known = {kind: named.keys() for kind, named in found.documents.items()}
    return Catalogue(documents=documents, unreadable=known)


def _are_only_nodes(changed: Changed) -> bool:
    """Return whether nothing but nodes changed, and none went or moved to another zone."""
    old, new = changed.old_nodes(), {node.name: node.document for node in changed.new_nodes()}
    return changed.kinds() <= {Node} and all(
        node.name in new and new[node.name].spec.zone == node.document.spec.zone for node in old
    )


def _stand_elsewhere(changed: Changed) -> bool:
    """Return whether a node is new, or whole checks see another node than before."""
    old = {node.name: (node.document.metadata, node.document.spec.firmware) for node in changed.old_nodes()}
    return any(old.get(n.name) != (n.document.metadata, n.document.spec.firmware) for n in changed.new_nodes())


def _affected(changed: Changed, *, found: Catalogue) -> Iterator[str]:
    """Yield the names of nodes in changed zones, at changed switches, or named by an enclave that changed somehow."""
    zones, switches = changed.names(Zone), changed.names(Switch)
    if zones or switches:
        for name, node in found.all(Node).items():
            spec = node.document.spec
            if spec.zone in zones or any(interface.switch in switches for interface in spec.interfaces):
                yield name
    enclaves, networks = changed.names(Enclave), changed.names(Network)
    for name, enclave in found.all(Enclave).items():
        if name in enclaves or not networks.isdisjoint(enclave.document.spec.networks):
            yield from enclave.document.spec.nodes.names or ()
