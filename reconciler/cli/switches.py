"""The switches of a state, each behind its limits: adapters by the driver that their documents name.

A new driver is one more function here and its line in ``DRIVERS``. Part of the
composition root (``wiring``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.drivers.ipmi.power import Credentials
from reconciler.drivers.openvswitch import OpenVswitch
from reconciler.drivers.paced_switch import Adapter, PacedSwitch
from reconciler.errors.taxonomy import InputError
from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an adapter is made from; a switch whose ``Wanted`` has not changed keeps its connection."""

    document: Switch
    parking: int
    credentials: Credentials | None


def _openvswitch(wanted: Wanted) -> Adapter:
    spec = wanted.document.spec
    return OpenVswitch(
        wanted.document.metadata.name, address=spec.address, bridge=spec.bridge or "", parking=wanted.parking
    )


def _netconf(wanted: Wanted) -> Adapter:
    from reconciler.drivers.netconf import Netconf, SshLogin
    from reconciler.drivers.netconf_model import MODELS

    name, spec, login = wanted.document.metadata.name, wanted.document.spec, wanted.document.spec.login
    if login is None or wanted.credentials is None:
        raise InputError(f"switch {name}", "driver netconf needs login", reason="CredentialsMissing")
    who = SshLogin(
        user=wanted.credentials.user,
        password=None if wanted.credentials.key else wanted.credentials.password,
        key=wanted.credentials.key,
        host_key=login.host_key,
    )
    model = MODELS[spec.model or "openconfig"]
    return Netconf(name, address=spec.address, login=who, parking=wanted.parking, model=model)


def _cli(wanted: Wanted) -> Adapter:
    from reconciler.drivers.cli_switch.switch import CliSwitch

    name, spec, login = wanted.document.metadata.name, wanted.document.spec, wanted.document.spec.login
    if login is None or spec.platform is None or wanted.credentials is None:
        raise InputError(f"switch {name}", "driver cli needs login and platform", reason="CredentialsMissing")
    return CliSwitch(
        name,
        platform=spec.platform,
        address=spec.address,
        host_key=login.host_key,
        credentials=wanted.credentials,
        parking=wanted.parking,
    )


def _hil(wanted: Wanted) -> Adapter:
    from reconciler.drivers.hil import Hil
    from reconciler.drivers.https import Vouching

    name, spec, account = wanted.document.metadata.name, wanted.document.spec, wanted.document.spec.account
    if account is None or wanted.credentials is None:
        raise InputError(f"switch {name}", "driver hil needs account", reason="CredentialsMissing")
    return Hil(
        name,
        url=f"https://{spec.address.removeprefix('https:')}",
        credentials=wanted.credentials,
        vouching=Vouching(certificate=account.certificate),
        parking=wanted.parking,
    )


DRIVERS: Mapping[str, Callable[[Wanted], Adapter]] = {
    "cli": _cli,
    "hil": _hil,
    "netconf": _netconf,
    "openvswitch": _openvswitch,
}
"""How an adapter is made, by ``spec.driver``."""


class SwitchSet:
    """The switches of the state in force; made when they are first named, closed when they are named no more."""

    def __init__(self, *, credentials: Mapping[str, Credentials]) -> None:
        """Take the logins of this machine, by name."""
        self._credentials = credentials
        self._known: dict[str, tuple[Wanted, PacedSwitch]] = {}

    def of(self, desired: DesiredState) -> Mapping[str, PacedSwitch]:
        """Return the switches of ``desired`` by name; one that has not changed keeps its connection and its pace."""
        for name in self._known.keys() - desired.switches.keys():
            self._known.pop(name)[1].close()
        return {name: self._switch(name, self._wanted(name, desired)) for name in desired.switches}

    def close(self) -> None:
        """Close every connection."""
        for _, switch in self._known.values():
            switch.close()

    def _wanted(self, name: str, desired: DesiredState) -> Wanted:
        document = desired.switches[name]
        login = document.spec.credentials
        if login is not None and login not in self._credentials:
            message = f"there are no credentials {login} on this machine"
            hint = "add them to the file of credentials that the settings name"
            raise InputError(f"switch {name}", message, reason="CredentialsMissing", hint=hint)
        return Wanted(
            document=document,
            parking=desired.zones[document.spec.zone].spec.parking_vlan,
            credentials=None if login is None else self._credentials[login],
        )

    def _switch(self, name: str, wanted: Wanted) -> PacedSwitch:
        known = self._known.get(name)
        if known is not None and known[0] == wanted:
            return known[1]
        if known is not None:
            known[1].close()
        pace = wanted.document.spec.pace
        made = PacedSwitch(
            DRIVERS[wanted.document.spec.driver](wanted), name=name, at_once=pace.at_once, per_second=pace.per_second
        )
        self._known[name] = (wanted, made)
        return made
