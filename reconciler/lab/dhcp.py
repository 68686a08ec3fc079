"""DHCP for the airlocks and the enclave network: one dnsmasq, as its configuration texts.

Pure. There is no DNS. UEFI HTTP boot clients (client architecture 16, RFC 5970) are
given the boot URL of the airlock they ask in. The URLs stand in a file of their own,
which dnsmasq reads again on SIGHUP, so that ``lab tamper`` can point one airlock elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reconciler.lab import topology
from reconciler.lab.topology import VirtualNode

_LEASE = "2m"


def configuration(nodes: Sequence[VirtualNode], *, options_file: str, lease_file: str) -> str:
    """Return dnsmasq's configuration file."""
    lines = [
        "port=0",
        "no-resolv",
        "no-hosts",
        "bind-interfaces",
        "except-interface=lo",
        "dhcp-authoritative",
        "no-ping",
        "log-dhcp",
        "log-facility=-",
        f"dhcp-leasefile={lease_file}",
        f"dhcp-optsfile={options_file}",
        "dhcp-match=set:http,option:client-arch,16",
        "dhcp-option-force=tag:http,60,HTTPClient",
    ]
    networks = [(node.airlock_interface, node.airlock_subnet) for node in nodes]
    networks.append((topology.ENCLAVE_INTERFACE, topology.ENCLAVE_SUBNET))
    for interface, subnet in networks:
        lines.append(f"interface={interface}")
        lines.append(f"dhcp-range=set:{interface},{subnet}.100,{subnet}.200,255.255.255.0,{_LEASE}")
    return "\n".join(lines) + "\n"


def boot_options(nodes: Sequence[VirtualNode], *, tampered: Collection[str] = ()) -> str:
    """Return the options file: each airlock's boot URL, the rogue one for the nodes named in ``tampered``."""
    return "".join(
        f"tag:{node.airlock_interface},tag:http,option:bootfile-name,"
        f"{node.rogue_url if node.name in tampered else node.boot_url}\n"
        for node in nodes
    )
