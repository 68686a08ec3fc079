"""The only composition root: settings and desired state in, adapters behind ports out. By hand."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from reconciler.cli.bmcs import BmcSet
from reconciler.cli.remotes import courier_for
from reconciler.cli.switches import SwitchSet
from reconciler.daemon.followed import FollowedSource
from reconciler.daemon.housekeeper import Housekeeper
from reconciler.daemon.journal import GitHistory, Journal
from reconciler.daemon.settings import Settings, load_credentials
from reconciler.daemon.source import Sight, TrustedSource
from reconciler.drivers.custodian import AgeCustodian
from reconciler.drivers.ipmi.pool import WorkerPool
from reconciler.drivers.spool.boot import SpoolBootService
from reconciler.drivers.spool.database import Database
from reconciler.drivers.spool.desk import SpoolDesk
from reconciler.errors.taxonomy import RingfenceError
from reconciler.execute.passes import Engine
from reconciler.execute.recall import PassMemory, PowerRecall
from reconciler.ports.site import Site
from reconciler.repo.cache import cache_folder, open_cache
from reconciler.repo.git import Git
from reconciler.repo.signing import EvidenceKey, public_keys
from reconciler.repo.upkeep import Upkeep
from reconciler.repo.writer import WriterLock

if TYPE_CHECKING:
    from reconciler.daemon.adopt.look import Reach
    from reconciler.drivers.paced_switch import PacedSwitch

WORKERS = 16


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Workshop:
    """Everything that the commands which touch the world need, opened once and closed at the end."""

    def __init__(self, repository: Path, *, settings: Settings, pool: WorkerPool) -> None:
        """Open the stores; devices are reached when a pass first needs them. ``pool`` is closed with it."""
        self._closing = ExitStack()
        self._settings = settings
        self._key = EvidenceKey(settings.evidence_key)
        self._cache = open_cache(cache_folder(os.environ))
        if self._cache:
            self._closing.callback(self._cache.close)
        self._database = Database(settings.spool)
        self._closing.callback(self._database.close)
        self.courier = courier_for(repository, settings=settings, database=self._database)
        git = Git(repository)
        self.source = (
            FollowedSource(git, courier=self.courier, key=self._key, cache=self._cache)
            if self.courier
            else TrustedSource(git, key=self._key, cache=self._cache)
        )
        self.journal = Journal(lambda: self.source.ledger, key=self._key, now=now, history=GitHistory(git, now=now))
        self.desk = SpoolDesk(self._database)
        self._boot = SpoolBootService(self._database, images=settings.images)
        self._custodian = AgeCustodian(settings.keystore, identity=settings.age_identity)
        self._pool = pool
        self._closing.callback(self._pool.close)
        self._credentials = load_credentials(settings.credentials)
        self._bmcs = BmcSet(
            credentials=self._credentials, file=settings.credentials, pool=self._pool, ca=settings.bmc_ca
        )
        self._switches = SwitchSet(credentials=self._credentials)
        self._closing.callback(self._switches.close)
        self._lock = threading.Lock()
        self._recall = PowerRecall()
        self._memory = PassMemory()

    @property
    def commit_key(self) -> Path | None:
        """Return the key that commits to the desired state are signed with on this machine, if any."""
        return self._settings.commit_key

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def carry(self, report: Callable[[RingfenceError], None]) -> None:
        """Be the one process that writes evidence; keep the repository in order, and fetch and push beside the passes.

        TransientError (``EvidenceWriterBusy``): another process of this machine does.
        """
        lock = WriterLock(self.source.git)
        lock.take()
        self._closing.callback(lock.close)
        housekeeper = Housekeeper(Upkeep(self.source.git), report=report)
        self._closing.callback(housekeeper.close)
        housekeeper.start()
        if self.courier is not None:
            self.courier.report_to(report)
            self.courier.start()

    def __exit__(self, *_: object) -> None:
        """Close everything that was opened."""
        with suppress(RingfenceError):  # Then the lease runs out by itself.
            self.source.release()
        if self.courier is not None:
            self.courier.close()
        self._closing.close()

    def switches_for(self, sight: Sight) -> Mapping[str, PacedSwitch]:
        """Return the switches of the state in force, and nothing else of its site."""
        with self._lock:
            return self._switches.of(sight.desired)

    def engine_for(self, sight: Sight) -> Engine:
        """Return the engine for the state in force; devices that have not changed keep their connection."""
        desired = sight.desired
        with self._lock:
            switches = self._switches.of(desired)
            powers = self._bmcs.of(desired)
        site = Site(
            switches=switches,
            powers=powers,
            boot=self._boot,
            desk=self.desk,
            custodian=self._custodian,
            ledger=self.source.ledger,
        )
        return Engine(
            site=site,
            sign=self._key.sign,
            key_id=self._key.key_id,
            now=now,
            workers=WORKERS,
            recall=self._recall,
            memory=self._memory,
        )

    def reach_for(self, sight: Sight, *, controls: Mapping[str, Path]) -> Reach:
        """Return how hardware is read that is not ours yet; ``controls`` are control sockets by switch."""
        from reconciler.daemon.adopt.endorsed import anchors_of, enrolled, recorded
        from reconciler.daemon.adopt.look import Pin, Reach
        from reconciler.drivers.openvswitch_survey import OpenVswitchSurvey
        from reconciler.repo.reader import EvidenceReader
        from reconciler.repo.snapshot import read_commit

        def switch(name: str, spec: Mapping[str, Any]) -> OpenVswitchSurvey:
            address, bridge = str(spec["address"]), str(spec.get("bridge", ""))
            adapter = OpenVswitchSurvey(name, address=address, bridge=bridge, control=controls.get(name))
            self._closing.callback(adapter.close)
            return adapter

        def on_record(nodes: Iterable[str]) -> Mapping[str, Pin]:
            wanted = set(nodes)
            if not wanted:
                return {}
            snapshot = read_commit(self.source.git, sight.desired.commit)
            found = enrolled(self.desk.sessions(), anchors=anchors_of(snapshot), at=now())
            tip = self.source.git.head(sight.desired.repository.spec.evidence.branch)
            if tip is not None:
                signers = sight.signers.only(sight.desired.repository.spec.evidence.signers)
                reader = EvidenceReader(self.source.git, commit=tip)
                found |= recorded(reader, keys=public_keys(signers), nodes=wanted)
            return {node: known for node, known in found.items() if node in wanted}

        return Reach(switch=switch, bmc=lambda name, spec: self._bmcs.survey(name, spec=spec), on_record=on_record)
