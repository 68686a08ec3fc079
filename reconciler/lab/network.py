"""The lab's wires and its switch, as the commands that make them.

Pure: texts and argument lists only. Rules: every port of the switch is an access port
from the transaction that creates it; a node's port is born parked, and kept from others that
are; nothing forwards between the networks that the services stand in; and nothing but OVS puts a
frame on a wire (no IPv6 autoconfiguration anywhere).

A node's cable is a second tiny bridge: {the machine's tap, a probe, a patch to the
switch}. So a probe sees exactly what the node could see, from its side of the port. A light
node has a veth pair in the tap's place, whose far end stays down until it is powered on.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.lab import topology
from reconciler.lab.topology import VirtualNode

_QUIET = (
    "net.ipv4.ip_forward=0",
    "net.ipv4.conf.all.forwarding=0",
    "net.ipv4.conf.all.arp_ignore=1",
    "net.ipv4.conf.all.arp_announce=2",
    "net.ipv4.conf.all.rp_filter=1",
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
)


def namespaces(nodes: Sequence[VirtualNode]) -> list[str]:
    """Return the inner network namespaces."""
    inner = [topology.SERVICE_NAMESPACE, topology.TENANT_NAMESPACE, *(node.probe_namespace for node in nodes)]
    return inner + [node.namespace for node in nodes if node.is_light]


def sysctl_argv(namespace: str | None) -> list[str]:
    """Return the command that makes one namespace (None: the management one) keep quiet and not forward."""
    prefix = ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []
    return [*prefix, "sysctl", "-q", "-w", *_QUIET]


def wires(nodes: Sequence[VirtualNode]) -> list[tuple[str, str, str]]:
    """Return every veth pair: the end on a bridge, the far end's name, the far end's namespace."""
    services = [(node.airlock_interface, topology.SERVICE_NAMESPACE) for node in nodes]
    services += [
        (topology.ENCLAVE_INTERFACE, topology.SERVICE_NAMESPACE),
        (topology.TENANT_INTERFACE, topology.TENANT_NAMESPACE),
    ]
    found = [(f"tor-{name}", name, namespace) for name, namespace in services]
    found += [(port, far, topology.SERVICE_NAMESPACE) for port, far in topology.TEST_PORTS.items()]
    found += [(f"pr-{node.name}", topology.PROBE_INTERFACE, node.probe_namespace) for node in nodes]
    return found + [(node.tap, topology.LIGHT_INTERFACE, node.namespace) for node in nodes if node.is_light]


def links_batch(nodes: Sequence[VirtualNode]) -> str:
    """Return the ``ip -batch`` text that makes taps and veth pairs in the management namespace."""
    lines = ["link set lo up"]
    machines = [node for node in nodes if not node.is_light]
    lines += [f"tuntap add dev {node.tap} mode tap" for node in machines]
    lines += [f"link set {node.tap} up" for node in machines]
    for near, far, namespace in wires(nodes):
        lines.append(f"link add name {near} type veth peer name {far} netns {namespace}")
        lines.append(f"link set {near} up")
    return "\n".join(lines) + "\n"


def addresses_batch(namespace: str, nodes: Sequence[VirtualNode]) -> str:
    """Return the ``ip -batch`` text that runs inside one inner namespace."""
    lines = ["link set lo up"]
    if namespace == topology.SERVICE_NAMESPACE:
        lines += [f"address add {node.airlock_address}/24 dev {node.airlock_interface}" for node in nodes]
        lines.append(f"address add {topology.ENCLAVE_SERVICE}/24 dev {topology.ENCLAVE_INTERFACE}")
    if namespace == topology.TENANT_NAMESPACE:
        lines.append(f"address add {topology.TENANT_ADDRESS}/24 dev {topology.TENANT_INTERFACE}")
    of_light = {node.namespace: node for node in nodes if node.is_light}
    if namespace in of_light:
        return f"link set lo up\nlink set {topology.LIGHT_INTERFACE} address {of_light[namespace].mac}\n"
    lines += [f"link set {far} up" for _, far, home in wires(nodes) if home == namespace]
    return "\n".join(lines) + "\n"


def offload_argvs(nodes: Sequence[VirtualNode]) -> list[list[str]]:
    """Return the commands that switch checksum offload off; with it, OVS drops TCP and UDP while ping works."""
    commands = []
    for near, far, namespace in wires(nodes):
        commands.append(["ethtool", "-K", near, "tx", "off"])
        commands.append(["nsenter", f"--net=/run/netns/{namespace}", "ethtool", "-K", far, "tx", "off"])
    return commands


def _access(bridge: str, port: str, vlan: int) -> list[str]:
    return ["--", "add-port", bridge, port, "vlan_mode=access", f"tag={vlan}"]


def _patch(port: str, peer: str) -> list[str]:
    return ["--", "set", "Interface", port, "type=patch", f"options:peer={peer}"]


def _bridge(name: str) -> list[str]:
    return ["--", "add-br", name, "--", "set", "Bridge", name, "datapath_type=netdev"]


def switch_argv(nodes: Sequence[VirtualNode], *, database: str) -> list[str]:
    """Return the one ovs-vsctl transaction that makes the switch, the cables and every port's VLAN."""
    argv = ["ovs-vsctl", f"--db={database}", "--timeout=20", *_bridge(topology.SWITCH)]
    for node in nodes:
        inward = f"to-{node.port}"
        argv += _bridge(node.cable)
        argv += ["--", "add-port", node.cable, node.tap]
        argv += ["--", "add-port", node.cable, f"pr-{node.name}"]
        argv += ["--", "add-port", node.cable, inward, *_patch(inward, node.port)]
        argv += [*_access(topology.SWITCH, node.port, topology.PARKING_VLAN), "protected=true"]
        argv += _patch(node.port, inward)
        argv += _access(topology.SWITCH, f"tor-{node.airlock_interface}", node.airlock_vlan)
    for interface in (topology.ENCLAVE_INTERFACE, topology.TENANT_INTERFACE):
        argv += _access(topology.SWITCH, f"tor-{interface}", topology.ENCLAVE_VLAN)
    for port in topology.TEST_PORTS:
        argv += [*_access(topology.SWITCH, port, topology.PARKING_VLAN), "protected=true"]
    return argv
