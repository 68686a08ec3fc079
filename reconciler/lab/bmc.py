"""BMCs: OpenIPMI's ipmi_sim, one process a node, as its configuration texts.

Pure. ``chassis_control`` is a program that ipmi_sim calls with ``get|set power …``; ours
starts and kills a real QEMU, so that power is power.
"""

from __future__ import annotations

from reconciler.lab import topology
from reconciler.lab.topology import VirtualNode

EMULATION = (
    "mc_setbmc 0x20\n"
    "mc_add 0x20 0 has-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n"
    "sel_enable 0x20 1000 0x0a\n"
    "mc_enable 0x20\n"
)


def lan_configuration(node: VirtualNode, *, password: str, chassis: str) -> str:
    """Return ipmi_sim's lan.conf; it holds the password, so only its owner may read it."""
    return (
        f'name "{node.name}"\n'
        "set_working_mc 0x20\n"
        "  startlan 1\n"
        f"    addr 127.0.0.1 {node.bmc_port}\n"
        "    priv_limit admin\n"
        "    allowed_auths_callback none md2 md5 straight\n"
        "    allowed_auths_user none md2 md5 straight\n"
        "    allowed_auths_operator none md2 md5 straight\n"
        "    allowed_auths_admin none md2 md5 straight\n"
        f"    guid {node.index:032x}\n"
        "  endlan\n"
        f'  chassis_control "{chassis} {node.name}"\n'
        f'  user 2 true "{topology.BMC_USER}" "{password}" admin 10 none md2 md5 straight\n'
    )


def argv(*, lan: str, emulation: str, state: str) -> list[str]:
    """Return the command of one BMC."""
    return ["ipmi_sim", "-c", lan, "-f", emulation, "-s", state, "-n"]
