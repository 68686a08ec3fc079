"""The only composition root: settings and desired state in, adapters behind ports out. By hand."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from reconciler.daemon.settings import Settings, load_credentials
from reconciler.daemon.source import Sight, TrustedSource
from reconciler.drivers.custodian import AgeCustodian
from reconciler.drivers.ipmi.pool import WorkerPool
from reconciler.drivers.ipmi.power import IpmiPower
from reconciler.drivers.openvswitch import OpenVswitch
from reconciler.drivers.spool.boot import SpoolBootService
from reconciler.drivers.spool.database import Database
from reconciler.drivers.spool.desk import SpoolDesk
from reconciler.errors.taxonomy import InputError
from reconciler.execute.passes import Engine
from reconciler.execute.recall import PowerRecall
from reconciler.ports.site import Site
from reconciler.repo.cache import cache_folder, open_cache
from reconciler.repo.git import Git
from reconciler.repo.signing import EvidenceKey

if TYPE_CHECKING:
    from reconciler.model.kinds import Node, Switch

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
        self.source = TrustedSource(Git(repository), key=self._key, cache=self._cache)
        self._database = Database(settings.spool)
        self._closing.callback(self._database.close)
        self.desk = SpoolDesk(self._database)
        self._boot = SpoolBootService(self._database, images=settings.images)
        self._custodian = AgeCustodian(settings.keystore, identity=settings.age_identity)
        self._pool = pool
        self._closing.callback(self._pool.close)
        self._credentials = load_credentials(settings.credentials)
        self._switches: dict[str, tuple[Switch, OpenVswitch]] = {}
        self._powers: dict[str, tuple[Node, IpmiPower]] = {}
        self._lock = threading.Lock()
        self._recall = PowerRecall()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything that was opened."""
        for known in self._switches.values():
            known[1].close()
        self._closing.close()

    def engine_for(self, sight: Sight) -> Engine:
        """Return the engine for the state in force; devices that have not changed keep their connection."""
        desired = sight.desired
        with self._lock:
            switches = {name: self._switch(name, document) for name, document in desired.switches.items()}
            powers = {name: self._power(name, document) for name, document in desired.nodes.items()}
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
        )

    def _switch(self, name: str, document: Switch) -> OpenVswitch:
        known = self._switches.get(name)
        if known is not None and known[0] == document:
            return known[1]
        if known is not None:
            known[1].close()
        adapter = OpenVswitch(name, address=document.spec.address, bridge=document.spec.bridge)
        self._switches[name] = (document, adapter)
        return adapter

    def _power(self, name: str, document: Node) -> IpmiPower:
        known = self._powers.get(name)
        if known is None or known[0].spec.bmc != document.spec.bmc:
            bmc = document.spec.bmc
            if bmc.credentials not in self._credentials:
                message = f"there are no credentials {bmc.credentials} on this machine"
                hint = f"add them to {self._settings.credentials}"
                raise InputError(f"node {name}", message, reason="CredentialsMissing", hint=hint)
            power = IpmiPower(
                name,
                address=bmc.address,
                port=bmc.port,
                credentials=self._credentials[bmc.credentials],
                pool=self._pool,
            )
            self._powers[name] = known = (document, power)
        return known[1]
