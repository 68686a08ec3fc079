"""The lab as a provider's inventory: the documents that a state repository would hold about it.

Pure. Where the lab's facts come from (TPM certificates) is not this module's business;
nothing is written or committed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.lab import topology
from reconciler.lab.topology import VirtualNode
from reconciler.repo.layout import locate
from reconciler.repo.schema import schema_line

ZONE = "lab"
FIRMWARE_PROFILE = "ovmf-4m-256"
NODE_CLASS = "virtual"
LIGHT_CLASS = "light"
ROOTS_PATH = "trust/ek-roots/lab.pem"

_HEAD = "apiVersion: ringfence/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n"


def zone() -> str:
    """Return the zone's document."""
    first, last = topology.AIRLOCK_VLANS
    return (
        _HEAD.format(kind="Zone", name=ZONE)
        + f"spec:\n  parkingVlan: {topology.PARKING_VLAN}\n  airlockVlans: {{first: {first}, last: {last}}}\n"
        + f"  probe:\n    vlan: {topology.PROBE_VLAN}\n    ports:\n"
        + "".join(f"      - {{switch: {topology.SWITCH}, port: {port}}}\n" for port in topology.TEST_PORTS)
    )


def switch(nodes: Sequence[VirtualNode]) -> str:
    """Return the switch's document."""
    ports = ", ".join([*(node.port for node in nodes), *topology.TEST_PORTS])
    return (
        _HEAD.format(kind="Switch", name=topology.SWITCH)
        + f"spec:\n  zone: {ZONE}\n  driver: openvswitch\n  address: {topology.OVSDB_ADDRESS}\n"
        + f"  bridge: {topology.SWITCH}\n  ports: [{ports}]\n"
    )


def network() -> str:
    """Return the enclave network's document."""
    return (
        _HEAD.format(kind="Network", name=topology.ENCLAVE_NETWORK)
        + f"spec:\n  zone: {ZONE}\n  vlan: {topology.ENCLAVE_VLAN}\n"
    )


def node(node: VirtualNode, *, endorsement: str, profile: str = FIRMWARE_PROFILE) -> str:
    """Return one node's document; ``endorsement`` is the digest of its TPM's EK."""
    return (
        _HEAD.format(kind="Node", name=node.name)
        + f"  labels: {{class: {LIGHT_CLASS if node.is_light else NODE_CLASS}, arch: x86_64}}\n"
        + f"spec:\n  zone: {ZONE}\n"
        + f"  bmc: {{driver: ipmi, address: 127.0.0.1, port: {node.bmc_port}, credentials: {node.credentials}}}\n"
        + "  interfaces:\n"
        + f'    - {{name: eth0, mac: "{node.mac}", switch: {topology.SWITCH}, port: {node.port}}}\n'
        + f'  tpm: {{endorsement: "{endorsement}"}}\n'
        + f"  firmware: {{family: uefi, profile: {profile}}}\n"
        + f"  airlock: {{vlan: {node.airlock_vlan}}}\n"
    )


def documents(
    nodes: Sequence[VirtualNode], *, endorsements: Mapping[str, str], roots: str, profile: str = FIRMWARE_PROFILE
) -> dict[str, str]:
    """Return every file of the inventory, by its path in the repository."""
    files = {
        f"site/zones/{ZONE}.yaml": zone(),
        f"site/switches/{topology.SWITCH}.yaml": switch(nodes),
        f"site/networks/{topology.ENCLAVE_NETWORK}.yaml": network(),
        ROOTS_PATH: roots,
    }
    for one in nodes:
        # A light node relives firmware that was recorded on a machine of one size, whatever the others have.
        its = FIRMWARE_PROFILE if one.is_light else profile
        files[f"site/nodes/{one.name}.yaml"] = node(one, endorsement=endorsements[one.name], profile=its)
    return {path: f"{schema_line(path)}\n{text}" if locate(path) else text for path, text in files.items()}


def profile_name(memory_mib: int) -> str:
    """Return the firmware profile of machines with this much memory, on which OVMF's PCR 0 depends."""
    return f"ovmf-4m-{memory_mib}"
