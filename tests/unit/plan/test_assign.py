"""Who serves whom: names before counts, members before newcomers, and nobody who is barred."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.plan.assign import assign_nodes
from reconciler.plan.standing import is_barred
from tests.support.sites import EnclaveShape, NodeShape, site


def _head(node: str, **changes: Any) -> Head:  # noqa: ANN401 - Head's own fields
    fields: dict[str, Any] = {"node": node, "sequence": 9, "digest": "sha256:" + "1" * 64, "commit": "c" * 40}
    return Head(**(fields | {"phase": Phase.FREE} | changes))


def _serves(node: str, enclave: str, phase: Phase = Phase.ENCLAVE) -> Head:
    return _head(node, phase=phase, enclave=enclave)


def test_a_count_is_filled_by_name_in_an_empty_site() -> None:
    desired = site(nodes=3, enclaves=[EnclaveShape(name="blue", count=2)])
    found = assign_nodes(desired, {})
    assert found.enclave_of == {"n1": "blue", "n2": "blue"}
    assert found.shortfalls == ()


def test_who_serves_stays() -> None:
    desired = site(nodes=3, enclaves=[EnclaveShape(name="blue", count=1)])
    for phase in (Phase.AIRLOCK, Phase.ENCLAVE):
        assert assign_nodes(desired, {"n3": _serves("n3", "blue", phase)}).enclave_of == {"n3": "blue"}


def test_a_free_node_is_taken_before_one_that_has_another_enclave_to_leave() -> None:
    desired = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1)])
    assert assign_nodes(desired, {"n1": _serves("n1", "red")}).enclave_of == {"n2": "blue"}


def test_names_come_before_counts() -> None:
    shapes = [EnclaveShape(name="blue", count=1), EnclaveShape(name="red", names=("n1",))]
    found = assign_nodes(site(nodes=2, enclaves=shapes), {"n1": _serves("n1", "blue")})
    assert found.enclave_of == {"n1": "red", "n2": "blue"}


def test_labels_select() -> None:
    nodes = [NodeShape(size="small"), NodeShape(size="big")]
    desired = site(nodes=nodes, enclaves=[EnclaveShape(name="blue", count=1, size="big")])
    assert assign_nodes(desired, {}).enclave_of == {"n2": "blue"}


def test_a_node_of_another_zone_does_not_fit() -> None:
    desired = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1)])
    net = desired.networks["blue-net"]
    elsewhere = net.model_copy(update={"spec": net.spec.model_copy(update={"zone": "west"})})
    split = replace(desired, networks={**desired.networks, "blue-net": elsewhere})
    assert assign_nodes(split, {}).enclave_of == {}


def test_a_rejected_node_serves_nobody_until_a_commit_clears_it() -> None:
    rejected = _head("n1", phase=Phase.REJECTED, rejection=4)
    counted = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1)])
    assert assign_nodes(counted, {"n1": rejected}).enclave_of == {"n2": "blue"}
    cleared = site(nodes=[NodeShape(cleared=4), NodeShape()], enclaves=[EnclaveShape(name="blue", count=1)])
    assert not is_barred(cleared.nodes["n1"], rejected)
    assert is_barred(cleared.nodes["n1"], rejected.model_copy(update={"rejection": 5}))
    assert assign_nodes(cleared, {"n1": rejected, "n2": _serves("n2", "red")}).enclave_of == {"n1": "blue"}


def test_what_cannot_be_given_is_said() -> None:
    shapes = [EnclaveShape(name="blue", count=3), EnclaveShape(name="red", names=("n1", "n2"))]
    found = assign_nodes(site(nodes=3, enclaves=shapes), {"n1": _head("n1", phase=Phase.REJECTED, rejection=4)})
    assert found.enclave_of == {"n2": "red", "n3": "blue"}
    assert [(s.enclave, s.wanted, s.given, s.why) for s in found.shortfalls] == [
        ("red", 2, 1, "node n1 is rejected"),
        ("blue", 3, 1, "no other free node matches"),
    ]
