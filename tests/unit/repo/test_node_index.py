"""The index of nodes: whatever it was asked before, it answers as one that was made for these nodes."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.kinds import Node
from reconciler.repo.files import Located, read_file
from reconciler.repo.layout import locate
from reconciler.repo.node_index import NodeIndex
from tests.support.documents import node

KEYS, VALUES, ZONES = ("rack", "row"), ("a", "b"), ("east", "west")


def located(name: str, zone: str, labels: Mapping[str, str]) -> Located[Node]:
    shown = ", ".join(f"{key}: {value}" for key, value in labels.items())
    text = node(name, 1).decode().replace("zone: east", f"zone: {zone}")
    content = text.replace(f"name: {name}}}", f"name: {name}, labels: {{{shown}}}}}").encode()
    path = f"site/nodes/{name}.yaml"
    spot = locate(path)
    assert spot is not None
    (found,) = read_file(path, spot=spot, content=lambda: content)[0].documents
    assert isinstance(found.document, Node)
    return Located(document=found.document, raw=found.raw, tenant=None)


MACHINES = st.sampled_from(
    [
        located(name, zone, labels)
        for name in ("n1", "n2", "n3")
        for zone in ZONES
        for labels in ({}, {"rack": "a"}, {"rack": "b"}, {"rack": "a", "row": "b"})
    ]
)
SITES = st.lists(MACHINES, max_size=3).map(lambda found: {one.name: one for one in found})


def answers(index: NodeIndex, keys: set[str]) -> list[dict[str, Located[Node]]]:
    found = [dict(index.in_zone(zone)) for zone in ZONES]
    return found + [
        dict(index.with_label(zone, key, value)) for zone in ZONES for key in sorted(keys) for value in VALUES
    ]


@given(st.lists(st.tuples(SITES, st.sets(st.sampled_from(KEYS)), st.booleans()), min_size=1, max_size=6))
def test_an_index_that_was_turned_answers_like_a_new_one(
    turns: list[tuple[dict[str, Located[Node]], set[str], bool]],
) -> None:
    index = NodeIndex()
    for nodes, keys, is_asked in turns:
        index.turn_to(nodes, keys=keys)
        if is_asked:
            new = NodeIndex()
            new.turn_to(nodes, keys=keys)
            assert answers(index, keys) == answers(new, keys)
