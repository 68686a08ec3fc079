"""What the lab is made of: names, addresses and VLANs, all of them functions of a node's number.

Pure: nothing here looks at a machine. Node ``i`` counts from 1; light nodes are counted on
behind the machines, and have names of their own. The numbers are chosen so that airlocks
(101 to 190), the enclave network (200) and parking (999) never meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_NODES = 90
SWITCH = "tor"
OVSDB_ADDRESS = "tcp:127.0.0.1:6640"
OVSDB_PORT = 6640
PARKING_VLAN = 999
AIRLOCK_VLANS = (101, 199)

ENCLAVE_NETWORK = "blue-net"
ENCLAVE_VLAN = 200
ENCLAVE_INTERFACE = "en200"
ENCLAVE_SUBNET = "10.20.0"
ENCLAVE_SERVICE = "10.20.0.1"
TENANT_ADDRESS = "10.20.0.10"
TENANT_INTERFACE = "tn200"

PROBE_VLAN = 990
TEST_PORTS = {"tp1": "test1", "tp2": "test2"}
"""Ports of the switch for ``ringfence probe``, and the far ends of their cables, in the services' namespace."""

SERVICE_NAMESPACE = "svc"
TENANT_NAMESPACE = "tenant"
MANAGEMENT_NAMESPACE = "mgmt"
PROBE_INTERFACE = "probe"
LIGHT_INTERFACE = "eth0"

ROGUE_PORT = 8080
BMC_USER = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualNode:
    """One node of the lab, and everything that is named after it.

    ``light`` is a light node's number among those, counted from 1, and 0 for a machine.
    """

    index: int
    light: int = 0

    @property
    def is_light(self) -> bool:
        """Say whether the node is a process that relives a boot, not a machine that boots."""
        return self.light > 0

    @property
    def name(self) -> str:
        """Return the node's name, ``n1``, or ``l1`` for a light node."""
        return f"l{self.light}" if self.is_light else f"n{self.index}"

    @property
    def mac(self) -> str:
        """Return the MAC address of the only network card."""
        return f"52:54:00:77:00:{self.index:02x}"

    @property
    def port(self) -> str:
        """Return the switch port that the node's cable ends in."""
        return f"swp{self.index}"

    @property
    def airlock_vlan(self) -> int:
        """Return the VLAN of this node's airlock."""
        return 100 + self.index

    @property
    def airlock_interface(self) -> str:
        """Return the service namespace's interface in this node's airlock."""
        return f"al{self.index}"

    @property
    def airlock_subnet(self) -> str:
        """Return the first three bytes of the airlock's /24."""
        return f"10.77.{self.index}"

    @property
    def airlock_address(self) -> str:
        """Return the address of the services in this node's airlock."""
        return f"{self.airlock_subnet}.1"

    @property
    def boot_url(self) -> str:
        """Return where the image service offers this node its image."""
        return f"http://{self.airlock_address}/boot.efi"

    @property
    def rogue_url(self) -> str:
        """Return where a tampered image is offered to this node."""
        return f"http://{self.airlock_address}:{ROGUE_PORT}/boot.efi"

    @property
    def bmc_port(self) -> int:
        """Return the UDP port of this node's BMC on 127.0.0.1."""
        return 9000 + self.index

    @property
    def credentials(self) -> str:
        """Return the name under which the BMC's credentials are found."""
        return f"bmc/{self.name}"

    @property
    def cable(self) -> str:
        """Return the bridge that stands for the node's cable."""
        return f"cable-{self.name}"

    @property
    def tap(self) -> str:
        """Return the machine's end of the cable: a tap, or the near end of a light node's veth pair."""
        return f"tap-{self.name}"

    @property
    def namespace(self) -> str:
        """Return the network namespace that a light node lives in."""
        return f"node-{self.name}"

    @property
    def probe_namespace(self) -> str:
        """Return the namespace from which the cable can be probed."""
        return f"probe-{self.name}"


def of(lab: Mapping[str, Any]) -> tuple[VirtualNode, ...]:
    """Return the nodes of a lab by its ``lab.json``."""
    return nodes(int(lab["nodes"]), light=int(lab.get("light", 0)))


def nodes(count: int, *, light: int = 0) -> tuple[VirtualNode, ...]:
    """Return the nodes of a lab of ``count`` machines and ``light`` light nodes."""
    machines = tuple(VirtualNode(index=index) for index in range(1, count + 1))
    return machines + tuple(VirtualNode(index=count + number, light=number) for number in range(1, light + 1))
