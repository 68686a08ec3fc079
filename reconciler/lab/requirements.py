"""What this machine must have before a lab can stand on it.

Every missing program is named at once, with the Debian package it comes from.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from reconciler.errors.taxonomy import DeviceError, InputError, TransientError
from reconciler.lab.process import environment, run

FIRMWARE_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
FIRMWARE_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
SWITCH_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")

PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "swtpm": "swtpm",
    "swtpm_ioctl": "swtpm-tools",
    "swtpm_setup": "swtpm-tools",
    "swtpm_localca": "swtpm-tools",
    "ovsdb-server": "openvswitch-switch",
    "ovsdb-tool": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovs-vsctl": "openvswitch-switch",
    "ipmi_sim": "openipmi",
    "ipmitool": "ipmitool",
    "busybox": "busybox-static",
    "dnsmasq": "dnsmasq-base",
    "ethtool": "ethtool",
    "ip": "iproute2",
    "sysctl": "procps",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
FILES = {FIRMWARE_CODE: "ovmf", FIRMWARE_VARIABLES: "ovmf", SWITCH_SCHEMA: "openvswitch-switch"}


def missing_packages() -> list[str]:
    """Return the Debian packages of everything that is not there, sorted."""
    path = environment()["PATH"]
    absent = {package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None}
    absent |= {package for file, package in FILES.items() if not file.is_file()}
    return sorted(absent)


def check() -> None:
    """Raise InputError for missing packages, DeviceError where namespaces are not permitted."""
    missing = missing_packages()
    if missing:
        raise InputError(
            "virtual metal",
            f"these Debian packages are missing: {', '.join(missing)}",
            reason="LabPackagesMissing",
            hint=f"run: sudo apt-get install --no-install-recommends {' '.join(missing)}",
        )
    try:
        run(["unshare", "-Urnmpf", "--mount-proc", "--kill-child", "mount", "-t", "tmpfs", "tmpfs", "/run"])
    except (DeviceError, TransientError) as error:
        raise DeviceError(
            "virtual metal",
            f"this machine permits no namespaces of our own ({error.message})",
            reason="LabNamespacesRefused",
            hint="allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1), or run as root",
        ) from error
    if not Path("/dev/net/tun").exists():
        raise DeviceError(
            "virtual metal", "/dev/net/tun is not there", reason="LabTunMissing", hint="load the kernel module tun"
        )
