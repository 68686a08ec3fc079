"""Records for histories: some made by hand, and those of a simulated world."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.evidence.history.basis import Basis, BasisReader
from reconciler.evidence.history.chronicle import Chronicle, Scope
from reconciler.evidence.history.values import History
from reconciler.evidence.raw import Submitted
from reconciler.evidence.statement import Appraisal, Record
from reconciler.model.record import Clock, Event
from tests.support.entries import records_of
from tests.support.runner import EVIDENCE_KEY, Runner
from tests.support.sites import EnclaveShape, site
from tests.support.world import World
from tests.support.world_agent import Malice

NOON = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
COMMIT, LATER_COMMIT = "a" * 40, "b" * 40
DIGEST = "sha256:" + "1" * 64
CLOCK = Clock(reset_count=1, restart_count=0, clock=1, firmware_version=1)


def at(seconds: float) -> datetime:
    """Return the time so many seconds past noon."""
    return NOON + timedelta(seconds=seconds)


class Story:
    """Records of one node, one after the other."""

    def __init__(self, node: str = "n1", *, commit: str = COMMIT) -> None:
        """Begin without records."""
        self.node = node
        self.commit = commit
        self.records: list[Record] = []

    def tell(self, event: Event, seconds: float, **details: Any) -> Record:  # noqa: ANN401  # fields of Record
        """Add the record of ``event``, so many seconds past noon."""
        context = {"enclave": "blue", "attempt": "one"} | details
        record = Record(
            node=self.node,
            sequence=len(self.records) + 1,
            previous=DIGEST if self.records else None,
            event=event,
            recorded_at=at(seconds),
            commit=self.commit,
            tree=self.commit,
            verifier="test",
            **context,
        )
        self.records.append(record)
        return record

    def prove(self, seconds: float, *, came: float | None = None, is_accepted: bool = True) -> Record:
        """Add an appraisal; its evidence ``came`` two seconds before it was recorded, or then."""
        clock = CLOCK if is_accepted else None
        arrived = at(seconds - 2 if came is None else came)
        return self.tell(Event.APPRAISED, seconds, appraisal=_appraisal(arrived), clock=clock, accepted_at=arrived)

    def join(self, seconds: float) -> None:
        """Add all that makes it a member, within ten seconds."""
        self.tell(Event.ASSIGNED, seconds, image=DIGEST)
        self.prove(seconds + 5)
        self.tell(Event.RELEASED, seconds + 5, keys={"disk": 1})
        self.tell(Event.ADMITTED, seconds + 10, ports={"eno1": "access 200"})


def _appraisal(received_at: datetime) -> Appraisal:
    submitted = Submitted(
        enrolment=DIGEST,
        commit=COMMIT,
        nonce="00" * 32,
        quote="",
        signature="",
        pcrs=DIGEST,
        event_log=DIGEST,
        challenged_at=received_at,
        received_at=received_at,
    )
    return Appraisal(
        verdict_digest=DIGEST,
        evidence=submitted,
        rules=DIGEST,
        policy="measured-boot",
        image="worker",
        must_be_same_boot=False,
    )


def history_of(*records: Record, scope: Scope | None = None) -> History:
    """Return what ``records`` add up to."""
    chronicle = Chronicle(scope)
    for record in records:
        chronicle.add(record)
    return chronicle.history()


def records_in(world: World) -> list[Record]:
    """Return every record of ``world``, in the order of writing."""
    keys = {"evidence": EVIDENCE_KEY.public_key()}
    return [record for entries in world.ledger.rounds for entry in entries for record in records_of(entry, keys=keys)]


def blobs_in(world: World) -> Mapping[str, bytes]:
    """Return the raw evidence and rules of ``world``, by bare SHA-256."""
    return {name: data for entries in world.ledger.rounds for entry in entries for name, data in entry.blobs.items()}


def look_in(world: World) -> BasisReader:
    """Return a reader of what the verdicts in ``world`` rest on."""
    return BasisReader(blobs_in(world).get)


def eventful_world() -> World:
    """Return a world in which one node serves and leaves, one falls silent, and one was never trusted."""
    shapes = [EnclaveShape(name="blue", count=2, keys=("common",)), EnclaveShape(name="green", names=("n4",), keys=())]
    shapes[1] = EnclaveShape(name="green", names=("n4",), keys=(), policy="pinned")
    world = World(site(nodes=4, enclaves=shapes))
    world.machines["n2"].malice = Malice.TAMPERED
    runner = Runner(world)
    runner.settle()
    for _ in range(3):
        world.tick(20)
        runner.run()
    world.machines["n1"].malice = Malice.SILENT
    world.machines["n1"].reboot()
    for _ in range(9):
        world.tick(20)
        runner.run()
    world.trust(site(nodes=4, enclaves=shapes[1:], revision=1))
    runner.settle()
    return world


def basis_of(world: World, record: Record) -> Basis:
    """Return what ``record`` rests on."""
    return look_in(world).read(record)
