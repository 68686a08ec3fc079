"""The loop on a simulated site: when it goes on, when it waits, and when it leaves things to a person."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from reconciler.daemon.loop import Stage, backoff_s, converge, run
from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import DeviceError, InvariantError, RingfenceError, TransientError, TrustError
from reconciler.execute.outcome import Outcome
from reconciler.execute.passes import Draft, Engine
from reconciler.model.desired import DesiredState
from reconciler.plan.actions import Action
from reconciler.repo.signers import AllowedSigners
from tests.support.runner import EVIDENCE_KEY, assert_settled
from tests.support.sites import EnclaveShape, site
from tests.support.world import World
from tests.support.world_line import FOREVER, Fault, FaultKind

BLUE = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1)])
WAIT_S = 30


@dataclass(kw_only=True)
class Theatre:
    """A world, and all that the loop wants: waiting lets simulated time pass instead of real time."""

    world: World
    passes: int = 0
    waits: int = 0
    troubles: list[RingfenceError] = field(default_factory=list)
    ended: list[tuple[str, Outcome]] = field(default_factory=list)
    on_wait: Callable[[], None] = lambda: None
    refuse: RingfenceError | None = None

    @property
    def stage(self) -> Stage:
        engine = Engine(
            site=self.world.site, sign=EVIDENCE_KEY.sign, key_id="evidence", now=self.world.clock.now, workers=1
        )
        return Stage(refresh=self._refresh, engine_for=lambda _sight: engine, wakes=self, watcher=self)

    def _refresh(self) -> Sight:
        if self.refuse is not None:
            raise self.refuse
        self.world.start_process()
        return Sight(desired=self.world.desired, signers=AllowedSigners(signers=()), refusals=())

    def changes(self) -> int:
        return self.waits

    def wait_for_change(self, timeout_s: float, *, since: int | None = None) -> int:
        assert timeout_s > 0
        assert since is not None
        self.waits += 1
        self.world.tick(WAIT_S)
        self.on_wait()
        return self.waits

    def pass_begins(self, sight: Sight, draft: Draft) -> None:
        assert sight.desired is draft.desired
        self.passes += 1

    def action(self, action: Action, outcome: Outcome | None) -> None:
        if outcome is not None:
            self.ended.append((action.id, outcome))

    def trouble(self, error: RingfenceError) -> None:
        self.troubles.append(error)


def _theatre(desired: DesiredState = BLUE, *faults: Fault) -> Theatre:
    world = World(desired)
    world.line.faults += faults
    return Theatre(world=world)


def test_it_converges_by_itself_on_an_honest_site() -> None:
    theatre = _theatre()
    result = converge(theatre.stage, timeout_s=60)
    assert result.draft.plan.is_empty()
    assert (result.failures, result.has_timed_out) == ((), False)
    assert_settled(theatre.world)
    assert ("admit/n1", theatre.ended[0][1]) in theatre.ended


def test_a_site_that_is_as_desired_is_left_alone() -> None:
    theatre = _theatre(site(nodes=2))
    assert converge(theatre.stage, timeout_s=0).draft.plan.is_empty()
    assert (theatre.passes, theatre.waits, theatre.ended) == (0, 0, [])


def test_a_device_that_refuses_ends_it_with_the_refusal() -> None:
    fault = Fault(device="power/n1", operation="turn_on", kind=FaultKind.REFUSED, times=FOREVER)
    result = converge(_theatre(BLUE, fault).stage, timeout_s=60)
    assert [type(error) for error in result.failures] == [DeviceError]
    assert not result.has_timed_out


def test_a_device_that_is_away_for_a_moment_is_tried_again() -> None:
    fault = Fault(device="power/n1", operation="turn_on", kind=FaultKind.TRANSIENT)
    theatre = _theatre(BLUE, fault)
    result = converge(theatre.stage, timeout_s=60)
    assert result.draft.plan.is_empty()
    assert_settled(theatre.world)


def test_time_that_runs_out_is_told() -> None:
    result = converge(_theatre().stage, timeout_s=0)
    assert result.has_timed_out
    assert not result.draft.plan.is_empty()


def test_a_failure_of_the_source_ends_a_convergence() -> None:
    theatre = _theatre()
    theatre.refuse = TrustError("commit", "nobody signed it", reason="Unsigned")
    with pytest.raises(TrustError):
        converge(theatre.stage, timeout_s=60)


def _run(theatre: Theatre, *, waits: int) -> None:
    """Run the loop until it has waited ``waits`` times."""
    stop = threading.Event()

    def stop_in_time() -> None:
        if theatre.waits >= waits:
            stop.set()

    theatre.on_wait = stop_in_time
    run(theatre.stage, stop=stop)


def test_the_daemon_goes_on_until_it_is_stopped() -> None:
    theatre = _theatre()
    _run(theatre, waits=8)
    assert_settled(theatre.world)
    assert theatre.passes >= 8
    assert theatre.troubles == []


def test_the_daemon_publishes_a_commit_that_asks_for_nothing_new() -> None:
    theatre = _theatre()
    _run(theatre, waits=8)
    newer = replace(BLUE, commit="a" * 40)
    theatre.world.trust(newer)
    _run(theatre, waits=theatre.waits + 1)
    assert theatre.world.counter.commit == newer.commit


@pytest.mark.parametrize("kind", [TrustError, TransientError, DeviceError])
def test_the_daemon_survives_trouble_and_tells_of_it(kind: type[RingfenceError]) -> None:
    theatre = _theatre()
    theatre.refuse = kind("repository", "something is wrong", reason="Wrong")
    _run(theatre, waits=2)
    assert theatre.passes == 0
    assert theatre.troubles == [theatre.refuse, theatre.refuse]


def test_a_bug_stops_the_daemon() -> None:
    theatre = _theatre()
    theatre.refuse = InvariantError("plan", "that cannot be", reason="Bug")
    with pytest.raises(InvariantError):
        _run(theatre, waits=2)


def test_a_daemon_that_was_stopped_does_nothing() -> None:
    theatre = _theatre()
    stop = threading.Event()
    stop.set()
    run(theatre.stage, stop=stop)
    assert theatre.passes == 0


def test_back_off_doubles_with_jitter_up_to_a_minute() -> None:
    for tries, longest in ((1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (50, 60)):
        assert longest / 2 <= backoff_s(tries) <= longest
