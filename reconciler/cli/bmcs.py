"""From a node's document to the adapter of its BMC: one line a driver."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from reconciler.drivers.ipmi.pool import WorkerPool
from reconciler.drivers.ipmi.power import IpmiPower
from reconciler.drivers.patience import Patience
from reconciler.drivers.secret import Credentials
from reconciler.errors.taxonomy import InputError, cut
from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Bmc
from reconciler.ports.power import Power
from reconciler.ports.survey import BmcSurvey


class BmcAdapter(Power, BmcSurvey, Protocol):
    """What each driver makes: both ports of one BMC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a driver is made from: a document and its login, and what all adapters share.

    ``ca`` vouches for BMCs whose certificate no document pins; ``patience`` knows which give no answer.
    """

    node: str
    bmc: Bmc
    login: Credentials
    pool: WorkerPool
    ca: Path | None
    patience: Patience


def _ipmi(means: Means) -> BmcAdapter:
    bmc = means.bmc
    return IpmiPower(means.node, address=bmc.address, port=bmc.listens_on, credentials=means.login, pool=means.pool)


def _redfish(means: Means) -> BmcAdapter:
    from reconciler.drivers.https import Vouching  # requests and sushy, where a site has such BMCs
    from reconciler.drivers.redfish.power import RedfishPower

    bmc = means.bmc
    return RedfishPower(
        means.node,
        address=bmc.address,
        port=bmc.listens_on,
        credentials=means.login,
        vouching=Vouching(certificate=bmc.certificate, ca=means.ca),
        system=bmc.system,
        network_boot=bmc.network_boot or "http",
        patience=means.patience,
    )


DRIVERS: Mapping[str, Callable[[Means], BmcAdapter]] = {
    "ipmi": _ipmi,
    "redfish": _redfish,
}
"""How an adapter is made, by ``spec.bmc.driver``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BmcSet:
    """The BMCs of the state in force; an adapter stays while what its node's document says of the BMC does.

    ``credentials`` are this machine's logins by name, out of ``file``.
    """

    credentials: Mapping[str, Credentials]
    file: Path
    pool: WorkerPool
    ca: Path | None = None
    _patience: Patience = field(default_factory=Patience)
    _known: dict[str, tuple[Bmc, BmcAdapter]] = field(default_factory=dict)

    def of(self, desired: DesiredState) -> Mapping[str, Power]:
        """Return the BMCs of ``desired`` by node; InputError if a login is not on this machine."""
        for name in self._known.keys() - desired.nodes.keys():
            del self._known[name]
        for name, document in desired.nodes.items():
            known = self._known.get(name)
            if known is None or known[0] != document.spec.bmc:
                self._known[name] = (document.spec.bmc, self._make(name, bmc=document.spec.bmc))
        return {name: self._known[name][1] for name in desired.nodes}

    def survey(self, name: str, *, spec: Mapping[str, Any]) -> BmcSurvey:
        """Return what reads the BMC of a document that is still being written; InputError if it cannot be reached."""
        whole = {"driver": "ipmi", "credentials": "unknown", **spec}
        try:
            bmc = Bmc.model_validate_json(json.dumps(whole), by_alias=True, by_name=False)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
            message = f"spec.bmc: {'.'.join(map(str, fault['loc']))}: {cut(fault['msg']).lower()}"
            raise InputError(f"node {name}", message, reason="BmcUnknown") from None
        return self._make(name, bmc=bmc)

    def _make(self, name: str, *, bmc: Bmc) -> BmcAdapter:
        if bmc.credentials not in self.credentials:
            message = f"there are no credentials {bmc.credentials} on this machine"
            hint = f"add them to {self.file}"
            raise InputError(f"node {name}", message, reason="CredentialsMissing", hint=hint)
        login = self.credentials[bmc.credentials]
        means = Means(node=name, bmc=bmc, login=login, pool=self.pool, ca=self.ca, patience=self._patience)
        return DRIVERS[bmc.driver](means)
