"""Where the node is: leases from DHCP, or fixed addresses for light nodes and tests.

Rules: the service's address is the DHCP server's own (or the router it names): only
the pinned certificate makes it trusted. Every subprocess has a deadline. A missing
answer is a TransientError; retrying is the caller's business.
"""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reconciler.errors.taxonomy import DeviceError, TransientError, cut

TRIES = 4
_DHCP_DEADLINE_S = 20.0
_COMMAND_DEADLINE_S = 10.0
_LEASE_SCRIPT = """#!{busybox} sh
# Called by udhcpc: writes what the server offered, changes nothing.
case "$1" in
bound|renew)
    for field in "ip=$ip" "subnet=$subnet" "router=$router" "serverid=$serverid"; do echo "$field"; done >'{lease}.new'
    {busybox} mv '{lease}.new' '{lease}'
    ;;
esac
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The node's place in a network, and who serves it there."""

    address: ipaddress.IPv4Interface
    service: str

    @property
    def network(self) -> str:
        """The network that the lease is in, ``10.77.1.0/24``."""
        return str(self.address.network)


class Network(Protocol):
    """The node's one cable."""

    def obtain(self, *, tries: int = TRIES) -> Lease:
        """Ask where the node is now and take its place there; TransientError where nobody answers.

        Each message of the exchange is sent up to ``tries`` times, a second apart. An exchange that the node is moved
        away from is only given up after all of them: while a move is expected, one try is best.
        """
        ...


class DhcpNetwork:
    """One interface, configured by busybox's udhcpc."""

    def __init__(self, *, busybox: str, run: Path, interface: str = "") -> None:
        """Use ``interface``, or the first one with hardware behind it; ``run`` is where lease files go."""
        self._busybox = busybox
        self._interface = interface or _first_interface()
        self._lease = run / "lease"
        self._script = run / "dhcp-script"
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._script.write_text(_LEASE_SCRIPT.format(busybox=busybox, lease=self._lease), encoding="ascii")
        self._script.chmod(0o700)
        self._run("ip", "link", "set", self._interface, "up")

    def obtain(self, *, tries: int = TRIES) -> Lease:
        """Do one DHCP exchange (see ``Network``)."""
        self._lease.unlink(missing_ok=True)
        arguments = ("-n", "-q", "-f", "-t", str(tries), "-T", "1", "-i", self._interface, "-s", str(self._script))
        self._run("udhcpc", *arguments, deadline_s=_DHCP_DEADLINE_S)
        if not self._lease.exists():
            raise TransientError("network", "no DHCP answer", reason="NoLease")
        lease = parse_lease(self._lease.read_text(encoding="ascii", errors="replace"))
        self._run("ip", "addr", "flush", "dev", self._interface)
        self._run("ip", "addr", "add", str(lease.address), "dev", self._interface)
        return lease

    def _run(self, *command: str, deadline_s: float = _COMMAND_DEADLINE_S) -> None:
        try:
            done = subprocess.run(
                [self._busybox, *command],
                capture_output=True,
                check=False,
                timeout=deadline_s,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as error:
            raise TransientError("network", f"{command[0]} hangs", reason="NetworkCommandHangs") from error
        except OSError as error:
            raise DeviceError("network", f"cannot run {command[0]}", reason="NetworkCommandMissing") from error
        if done.returncode:
            text = cut(done.stderr.decode("utf-8", "replace"))
            raise TransientError("network", f"{command[0]} failed: {text}", reason="NetworkCommandFailed")


class FixedNetwork:
    """A light node's network: told, not asked. Each call moves on to the next place, the last one stays."""

    def __init__(self, places: Sequence[str]) -> None:
        """Take ``address/prefix`` of the service in each place, in order."""
        self._places = [ipaddress.IPv4Interface(place) for place in places]

    def obtain(self, *, tries: int = TRIES) -> Lease:  # noqa: ARG002 - there is nothing to ask
        """Return the next place (see ``Network``)."""
        place = self._places.pop(0) if len(self._places) > 1 else self._places[0]
        return Lease(address=place, service=str(place.ip))


def parse_lease(text: str) -> Lease:
    """Read what the lease script wrote; TransientError where an address is missing or malformed."""
    fields: Mapping[str, str] = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    service = fields.get("serverid") or fields.get("router", "").split(" ")[0]
    try:
        address = ipaddress.IPv4Interface(f"{fields.get('ip', '')}/{fields.get('subnet', '')}")
        return Lease(address=address, service=str(ipaddress.IPv4Address(service)))
    except ValueError as error:
        raise TransientError(
            "network", f"the lease is malformed: {cut(str(error))}", reason="LeaseMalformed"
        ) from error


def _first_interface() -> str:
    for entry in sorted(Path("/sys/class/net").iterdir()):
        if (entry / "device").exists():
            return entry.name
    raise DeviceError("network", "no interface found", reason="NoInterface", hint="is the NIC's driver in the image?")
