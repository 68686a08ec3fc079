"""A loop whose members serve quietly plans what a fresh process would plan, whatever is seen, asked for or judged next.

The changes are made to what the planner is given, so that most members stay as they were while one thing changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.verdict import Verdict
from reconciler.model.desired import DesiredState
from reconciler.model.guards import Disruption, Freeze
from reconciler.model.kinds import Enclave
from reconciler.model.observed import ObservedState, PowerState
from reconciler.plan.memory import PlanMemory
from reconciler.plan.planner import plan
from tests.support.claims import rejected_from
from tests.support.sites import EnclaveShape, site
from tests.support.stages import Stage, at_stage, verdicts_of, with_head

NODES = ("n1", "n2", "n3", "n4")
SHAPES = [EnclaveShape(name="blue", count=2), EnclaveShape(name="green", count=1, keys=("common", "other"))]


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a plan is made from."""

    desired: DesiredState
    observed: ObservedState
    verdicts: dict[str, Verdict]
    now: datetime


Change = Callable[[Given], Given]


@lru_cache(maxsize=1)
def settled() -> Given:
    """Return three members at peace and a free node."""
    draft = at_stage(Stage.MEMBER, desired=site(nodes=len(NODES), enclaves=SHAPES)).draft()
    return Given(
        desired=draft.desired,
        observed=draft.observed,
        verdicts=dict(verdicts_of(draft)),
        now=draft.observed.observed_at,
    )


def _spec(one: Any, **changes: object) -> Any:  # noqa: ANN401  # any kind of document
    return one.model_copy(update={"spec": one.spec.model_copy(update=changes)})


def _time(seconds: int) -> Change:
    return lambda g: replace(g, now=g.now + timedelta(seconds=seconds))


def _node(name: str, what: str) -> Change:
    def change(g: Given) -> Given:
        seen = g.observed.nodes[name]
        head = seen.head
        made = {
            "same": replace(seen),
            "off": replace(seen, power=PowerState.OFF),
            "on": replace(seen, power=PowerState.ON),
            "dark": replace(seen, power=PowerState.UNKNOWN),
            "silent": replace(seen, session=None),
            "gone": replace(seen, head=None),
        }
        if head is not None:
            made |= {
                "heard": with_head(seen, accepted_at=g.now) if head.accepted_at else seen,
                "unconfirmed": with_head(seen, confirmed_at=None),
                "rejected": with_head(seen, rejection=head.sequence),
                "keyed": with_head(seen, keys={"common": 2}),
                "another proof": with_head(seen, nonce="00"),
            }
        found = made.get(what, seen)
        return replace(g, observed=replace(g.observed, nodes={**g.observed.nodes, name: found}))

    return change


def _restored(name: str) -> Change:
    def change(g: Given) -> Given:
        first = settled()
        nodes = {**g.observed.nodes, name: first.observed.nodes[name]}
        verdicts = {n: v for n, v in g.verdicts.items() if n != name}
        verdicts |= {n: v for n, v in first.verdicts.items() if n == name}
        return replace(g, observed=replace(g.observed, nodes=nodes), verdicts=verdicts)

    return change


def _verdict(name: str, what: str) -> Change:
    def change(g: Given) -> Given:
        verdicts = {n: v for n, v in g.verdicts.items() if n != name}
        if what == "again" and name in g.verdicts:
            verdicts[name] = replace(g.verdicts[name])
        return replace(g, verdicts=verdicts)

    return change


def _enclave(name: str, how: Callable[[Enclave], Enclave | None]) -> Change:
    def change(g: Given) -> Given:
        enclaves = dict(g.desired.enclaves)
        made = how(enclaves.get(name, settled().desired.enclaves[name]))
        enclaves.pop(name, None)
        if made is not None:
            enclaves[name] = made
        return replace(g, desired=replace(g.desired, enclaves=dict(sorted(enclaves.items()))))

    return change


def _count(enclave: Enclave, count: int) -> Enclave:
    return _spec(enclave, nodes=enclave.spec.nodes.model_copy(update={"count": count}))  # type: ignore[no-any-return]


def _desired(**changes: Callable[[Any], Any]) -> Change:
    def change(g: Given) -> Given:
        made = {name: how(getattr(g.desired, name)) for name, how in changes.items()}
        return replace(g, desired=replace(g.desired, **made))

    return change


def _observed(**changes: object) -> Change:
    return lambda g: replace(g, observed=replace(g.observed, **changes))  # type: ignore[arg-type]  # its own fields


_SIGHTS = ("same", "off", "on", "dark", "silent", "gone", "heard", "unconfirmed", "rejected", "keyed", "another proof")
_ENCLAVES: tuple[Callable[[Enclave], Enclave | None], ...] = (
    lambda _: None,
    lambda e: e.model_copy(),
    lambda e: _count(e, 1),
    lambda e: _count(e, 2),
    lambda e: _spec(e, suspend=True),
    lambda e: _spec(e, suspend=False),
    lambda e: _spec(e, disruption=Disruption(max_unavailable=1)),
    lambda e: _spec(e, keys=("common",)),
    lambda e: _spec(e, reattest=timedelta(seconds=5)),
    lambda e: _spec(e, priority=e.spec.priority + 1, preemptible=True),
)

CHANGES = st.one_of(
    st.sampled_from((1, 20, 60, 95, 400)).map(_time),
    st.builds(_node, st.sampled_from(NODES), st.sampled_from(_SIGHTS)),
    st.builds(_restored, st.sampled_from(NODES)),
    st.builds(_verdict, st.sampled_from(NODES), st.sampled_from(("again", "none"))),
    st.builds(_enclave, st.sampled_from(("blue", "green")), st.sampled_from(_ENCLAVES)),
    st.sampled_from(
        (
            _desired(commit=lambda _: "a" * 40),
            _desired(repository=lambda r: _spec(r, freeze=Freeze(reason="a fair"))),
            _desired(repository=lambda r: _spec(r, freeze=None)),
            _desired(
                images=lambda images: {n: _spec(image, digest="sha256:" + "a" * 64) for n, image in images.items()}
            ),
            _desired(images=lambda _: settled().desired.images),
            _desired(policies=dict),
            _desired(
                networks=lambda nets: {n: _spec(net, vlan=net.spec.vlan + 1) for n, net in nets.items()},
            ),
            _observed(key_versions={"common": 2, "other": 1}),
            _observed(key_versions={"common": 1, "other": 1}),
            _observed(former={"n9": rejected_from("n9", "blue").model_copy(update={"keys": {"common": 1}})}),
            _observed(former={}),
            _observed(listening_since=None),
        )
    ),
)


@given(changes=st.lists(CHANGES, min_size=1, max_size=8))
def test_a_plan_with_quiet_members_is_the_plan_of_a_fresh_process(changes: list[Change]) -> None:
    g, memory = settled(), PlanMemory()
    for change in (lambda g: g, *changes):
        g = change(g)
        args: dict[str, Any] = {"observed": g.observed, "verdicts": g.verdicts, "now": g.now}
        fresh = plan(g.desired, **args)
        assert json.dumps(plan(g.desired, **args, memory=memory).to_json()) == json.dumps(fresh.to_json())


def test_members_are_quiet_where_the_property_begins() -> None:
    g, memory = settled(), PlanMemory()
    assert plan(g.desired, observed=g.observed, verdicts=g.verdicts, now=g.now, memory=memory).is_empty()
    assert memory.astir() == []
