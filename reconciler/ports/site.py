"""The site: every port that a pass works through, put together by ``cli.wiring`` and by tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.ports.attestation import AttestationDesk
from reconciler.ports.boot import BootService
from reconciler.ports.custody import Custodian
from reconciler.ports.isolation import Switch
from reconciler.ports.ledger import Ledger
from reconciler.ports.power import Power


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The outside world: ``switches`` by switch name, ``powers`` by node name."""

    switches: Mapping[str, Switch]
    powers: Mapping[str, Power]
    boot: BootService
    desk: AttestationDesk
    custodian: Custodian
    ledger: Ledger
