"""Recorded observations: what comes back is what was seen, or UNKNOWN; and nobody is called silent for want of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical_value
from reconciler.execute.passes import Draft
from reconciler.model.observed import UNKNOWN_PORT, ObservedState, PortMode, PortState, PowerState
from reconciler.model.record import Head
from reconciler.model.recorded import RecordedObservation
from reconciler.model.trunks import Trunk
from reconciler.plan.fingerprint import fingerprint
from reconciler.plan.planner import plan
from reconciler.plan.recorded import moved_since, never_seen, observed_from, parse_recorded, record_of
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.stages import BLUE, Stage, at_stage
from tests.support.world import TRUNK
from tests.support.world_switch import access


def _recorded(draft: Draft) -> RecordedObservation:
    return parse_recorded(canonical_value(record_of(draft.observed, desired=draft.desired)))


def _heads(draft: Draft) -> dict[str, Head]:
    return {name: seen.head for name, seen in draft.observed.nodes.items() if seen.head}


def _back(draft: Draft) -> ObservedState:
    return observed_from(_recorded(draft), desired=draft.desired, heads=_heads(draft))


@pytest.mark.parametrize("stage", list(Stage))
def test_what_comes_back_has_the_same_fingerprint_and_no_sessions(stage: Stage) -> None:
    draft = at_stage(stage).draft()
    back = _back(draft)
    assert fingerprint(back) == fingerprint(draft.observed) == _recorded(draft).fingerprint
    assert back.spare_ports == draft.observed.spare_ports
    assert back.key_versions == draft.observed.key_versions
    assert back.key_made_at == draft.observed.key_made_at
    assert back.listening_since is None
    for name, seen in back.nodes.items():
        assert seen == replace(draft.observed.nodes[name], session=None)


def test_a_record_without_the_times_of_keys_is_read_and_says_nothing_of_them() -> None:
    draft = at_stage(Stage.MEMBER, desired=site(nodes=2, enclaves=[BLUE], rotation="1h")).draft()
    document = json.loads(canonical_value(record_of(draft.observed, desired=draft.desired)))
    assert document.pop("keyMadeAt").keys() == {"common"}
    back = observed_from(parse_recorded(json.dumps(document).encode()), desired=draft.desired, heads=_heads(draft))
    assert (back.key_versions, back.key_made_at) == ({"common": 1}, {})
    later = back.observed_at + timedelta(days=30)
    assert plan(draft.desired, observed=back, verdicts={}, now=later).is_empty()
    assert fingerprint(back) == fingerprint(draft.observed), "when a key was made is no fact that a plan is pinned by"


def test_when_drift_was_put_right_is_recorded_and_is_a_fact_that_a_plan_rests_on() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    assert b"bouts" not in canonical_value(record_of(draft.observed, desired=draft.desired))
    observed = replace(draft.observed, bouts={"node/n1": (draft.observed.observed_at,)})
    content = canonical_value(record_of(observed, desired=draft.desired))
    back = observed_from(parse_recorded(content), desired=draft.desired, heads=_heads(draft))
    assert back.bouts == observed.bouts
    assert fingerprint(back) == fingerprint(observed) != fingerprint(draft.observed)


def test_what_trunks_carry_is_recorded_and_what_was_not_looked_at_is_unknown() -> None:
    draft = at_stage(Stage.FRESH).draft()
    tor = draft.desired.switches["tor-1"]
    trunks = (Trunk(port="up1", vlans=(200,)), Trunk(port="up2", vlans=(200,)))
    spec = tor.spec.model_copy(update={"trunks": trunks})
    desired = replace(draft.desired, switches={"tor-1": tor.model_copy(update={"spec": spec})})
    observed = replace(draft.observed, trunks={("tor-1", "up1"): "VLANs 200"})
    recorded = parse_recorded(canonical_value(record_of(observed, desired=desired)))
    back = observed_from(recorded, desired=desired, heads={})
    assert back.trunks == {("tor-1", "up1"): "VLANs 200", ("tor-1", "up2"): "unknown"}


def test_nothing_of_a_session_is_recorded() -> None:
    draft = at_stage(Stage.KEYED).draft()
    session = draft.observed.nodes["n1"].session
    assert session is not None
    text = canonical_value(_recorded(draft)).decode()
    assert session.session not in text
    assert "receipts" not in text


def test_every_state_of_a_port_comes_back() -> None:
    draft = at_stage(Stage.MEMBER, desired=site(nodes=[NodeShape(interfaces=2), NodeShape()], enclaves=[])).draft()
    ports = {"eno1": TRUNK, "eno2": UNKNOWN_PORT}
    nodes = {
        "n1": replace(draft.observed.nodes["n1"], ports=ports, power=PowerState.UNKNOWN),
        "n2": replace(draft.observed.nodes["n2"], ports={}),
    }
    spare = {**draft.observed.spare_ports, ("tor-1", "swp5"): PortState(mode=PortMode.ACCESS)}
    back = _back(replace(draft, observed=replace(draft.observed, nodes=nodes, spare_ports=spare)))
    assert back.nodes["n1"].ports == ports
    assert back.nodes["n1"].power is PowerState.UNKNOWN
    assert back.nodes["n2"].ports == {"eno1": UNKNOWN_PORT}
    assert back.spare_ports[("tor-1", "swp5")] == UNKNOWN_PORT, "access to nothing is not known to be anywhere"


def test_a_member_is_not_silent_however_old_the_record_is() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    later = draft.observed.observed_at + timedelta(days=30)
    assert plan(draft.desired, observed=_back(draft), verdicts={}, now=later).is_empty()


def test_a_larger_inventory_is_laid_over_the_same_switches() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    larger = site(nodes=3, enclaves=[EnclaveShape(name="blue", count=1)])
    back = observed_from(_recorded(draft), desired=larger, heads=_heads(draft))
    assert back.nodes["n3"].power is PowerState.UNKNOWN
    assert back.nodes["n3"].ports == {"eno1": access(999)}, "the port was spare, and was seen"
    assert never_seen(_recorded(draft), desired=larger) == ("n3",)


def test_a_smaller_inventory_leaves_ports_spare_and_nodes_behind() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    smaller = replace(draft.desired, nodes={"n2": draft.desired.nodes["n2"]}, enclaves={}, keys={})
    back = observed_from(_recorded(draft), desired=smaller, heads=_heads(draft))
    assert set(back.former) == {"n1"}
    assert back.spare_ports[("tor-1", "swp1")] == access(200)
    assert back.key_versions == {}


def test_a_node_that_moved_after_it_was_seen_is_told() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    recorded, heads = _recorded(draft), _heads(draft)
    assert moved_since(recorded, heads=heads) == ()
    before = recorded.model_copy(update={"observed_at": recorded.observed_at - timedelta(hours=1)})
    assert moved_since(before, heads=heads) == ("n1",)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"version": 2}', b"\xff"])
def test_what_ringfence_did_not_write_is_refused(content: bytes) -> None:
    with pytest.raises(TrustError) as caught:
        parse_recorded(content)
    assert caught.value.reason == "ObservationMalformed"
