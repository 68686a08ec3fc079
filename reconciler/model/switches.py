"""What a Switch document says: how a switch is reached, how fast it may be worked, and which of its ports are ours.

One spec for every driver; which fields a driver needs, and which it has no use for, is checked here. What documents say
about each other is checked in ``repo``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from reconciler.model.base import Digest, Name, Value
from reconciler.model.drift import SwitchDrift
from reconciler.model.trunks import PortName, Trunk

_SCHEMES = {"openvswitch": "tcp", "netconf": "ssh", "cli": "ssh", "hil": "https"}
_NEEDED = {"openvswitch": ("bridge",), "netconf": ("login",), "cli": ("login", "platform"), "hil": ("account",)}
_ALLOWED = {
    "openvswitch": ("bridge",),
    "netconf": ("login", "model"),
    "cli": ("login", "platform"),
    "hil": ("account",),
}
"""Of the fields that not every driver has: those that it needs, and all that it may have."""


class SwitchPace(Value):
    """How fast the switch may be worked."""

    at_once: Annotated[int, Field(ge=1, le=16)] = 1
    """How many transactions may run side by side; what is wanted meanwhile is done together in the next one."""
    per_second: Annotated[int, Field(ge=1, le=1000)] = 20
    """How many transactions may begin in any second."""


class SwitchLogin(Value):
    """How to log in; ``credentials`` is a name, never a secret."""

    credentials: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9/._-]{0,127}$")]
    """The name under which user and password stand on the reconciler's machine; never the secret itself."""
    host_key: Annotated[
        str, Field(pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]{32,2048}={0,2}$")
    ]
    """The switch's public SSH host key; a switch that shows another one is not spoken to."""


class SwitchAccount(Value):
    """How to log in over HTTPS; ``credentials`` is a name, never a secret."""

    credentials: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9/._-]{0,127}$")]
    """The name under which user and password stand on the reconciler's machine; never the secret itself."""
    certificate: Digest | None = None
    """SHA-256 over the DER of the service's own certificate; without it, a public CA must vouch for the name."""


class SwitchSpec(Value):
    """How a switch is reached, and which of its ports are ours to move."""

    zone: Name
    """The zone whose VLANs the switch carries."""
    driver: Literal["openvswitch", "netconf", "cli", "hil"]
    """How the switch is spoken to."""
    address: Annotated[
        str, Field(pattern=r"^(tcp:[0-9a-fA-F.:\[\]]+|(ssh|https):[0-9A-Za-z.:\[\]-]{1,255}):[0-9]{1,5}$")
    ]
    """Where it listens: its OVSDB server (`tcp:…`), its NETCONF or command line over SSH (`ssh:…`), HIL (`https:…`)."""
    bridge: Name | None = None
    """The bridge on it that is ours; for `openvswitch`, and needed there."""
    login: SwitchLogin | None = None
    """How to log in; for `netconf` and `cli`, and needed there."""
    account: SwitchAccount | None = None
    """How to log in to HIL; for `hil`, and needed there."""
    platform: Literal["nxos", "eos", "os10", "junos", "nvue"] | None = None
    """Whose command line it is; for `cli`, and needed there."""
    model: Literal["openconfig", "nxos"] | None = None
    """The model that it speaks; for `netconf`, and `openconfig` there if it is not given."""
    ports: Annotated[tuple[PortName, ...], Field(min_length=1)]
    """The ports that may be moved; all others are left alone."""
    trunks: tuple[Trunk, ...] = ()
    """Ports that carry several VLANs on purpose, with these VLANs and no others; read, and never written."""
    pace: SwitchPace = SwitchPace()
    """How fast it may be worked."""
    drift: SwitchDrift = "heal"
    """What is done about a port of `ports` that no node uses and that is not parked."""

    @model_validator(mode="after")
    def _trunks_apart(self) -> SwitchSpec:
        names = [trunk.port for trunk in self.trunks]
        if len(set(names)) != len(names):
            raise ValueError("a trunk is declared twice")
        if set(names) & set(self.ports):
            raise ValueError(f"{min(set(names) & set(self.ports))} is a trunk and one of ports; those are never trunks")
        return self

    @model_validator(mode="after")
    def _fits_its_driver(self) -> SwitchSpec:
        scheme = _SCHEMES[self.driver]
        if not self.address.startswith(f"{scheme}:"):
            raise ValueError(f"the address of driver {self.driver} begins with {scheme}:")
        for name in ("bridge", "login", "account", "platform", "model"):
            value = getattr(self, name)
            if name in _NEEDED[self.driver] and value is None:
                raise ValueError(f"driver {self.driver} needs {name}")
            if name not in _ALLOWED[self.driver] and value is not None:
                raise ValueError(f"driver {self.driver} has no {name}")
        return self

    @property
    def credentials(self) -> str | None:
        """Return the name of the login, if the driver needs one."""
        known = self.login or self.account
        return known.credentials if known else None
