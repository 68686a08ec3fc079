"""A loop that remembers plans what a fresh process would plan, byte for byte, whatever happens in between."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.errors.taxonomy import RingfenceError
from reconciler.execute.observe import observe
from reconciler.execute.recall import PassMemory
from reconciler.model.observed import PortState
from reconciler.plan.planner import plan
from tests.support.journalled import JournalledRunner
from tests.support.runner import Runner
from tests.support.sites import EnclaveShape, NodeShape, site
from tests.support.stages import verdicts_of
from tests.support.world import TRUNK, World
from tests.support.world_switch import access
from tests.support.worlds import History, Misfortune, faults, histories, misfortunes

_STEPS = st.one_of(
    st.sampled_from((0, 5, 40, 700)),  # Seconds that pass before the next pass.
    st.tuples(st.just("trust"), st.integers(0, 2)),
    misfortunes(),
    faults(),
)


def _check(runner: Runner) -> None:
    """Require that the remembering loop's plan, and what it saw, is what a fresh process has."""
    world = runner.world
    seen = len(world.line.faults)
    try:
        draft = runner.draft()
    except RingfenceError:
        return
    fresh = plan(draft.desired, observed=draft.observed, verdicts=verdicts_of(draft), now=draft.observed.observed_at)
    assert json.dumps(draft.plan.to_json()) == json.dumps(fresh.to_json())
    assert draft.plan == fresh
    if not seen:
        assert observe(world.site, desired=draft.desired, now=draft.observed.observed_at, workers=1) == draft.observed


@given(history=histories(), steps=st.lists(_STEPS, min_size=1, max_size=10))
def test_a_plan_from_memory_is_the_plan_of_a_fresh_process(history: History, steps: list[object]) -> None:
    commits = history.commits
    world = World(commits[0])
    runner = Runner(world, memory=PassMemory())
    for step in steps:
        match step:
            case int():
                world.tick(step)
            case Misfortune():
                names = sorted(world.machines)
                world.befall(step.what, node=names[step.node % len(names)])
            case ("trust", int(number)):
                world.trust(commits[number % len(commits)])
            case fault:
                world.line.faults.append(fault)  # type: ignore[arg-type]  # the only kind of step that is left
        _check(runner)
        runner.run()
    _check(runner)


_MOVES = st.tuples(st.just("move"), st.integers(0, 2), st.sampled_from((TRUNK, access(4000), access(200), access(999))))


@given(
    policies=st.tuples(st.sampled_from(("heal", "report", "quarantine")), st.sampled_from(("heal", "quarantine"))),
    is_kept=st.booleans(),
    steps=st.lists(st.one_of(st.sampled_from((5, 40, 700, 3600)), _MOVES, misfortunes()), min_size=3, max_size=16),
)
@example(policies=("heal", "heal"), is_kept=False, steps=[5, ("move", 2, TRUNK), ("move", 2, TRUNK)])
def test_so_it_is_where_drift_is_put_right_and_fought(
    policies: tuple[str, str], steps: list[object], *, is_kept: bool
) -> None:
    node, enclave = policies
    blue = EnclaveShape(name="blue", count=1, drift=enclave)
    world = World(site(nodes=[NodeShape(drift=node)] * 2, enclaves=[blue], fights=1, switch_drift="report"))
    runner = JournalledRunner(world, is_lasting=is_kept, memory=PassMemory())
    ports = [*(port for node in ("n1", "n2") for port in world.ports_of(node)), ("tor-1", "swp5")]
    for step in steps:
        match step:
            case int():
                world.tick(step)
            case Misfortune():
                world.befall(step.what, node=f"n{step.node % 2 + 1}")
            case ("move", int(number), PortState() as state):
                switch, port = ports[number]
                world.switches[switch].truth[port] = state
        _check(runner)
        runner.run()
    _check(runner)
