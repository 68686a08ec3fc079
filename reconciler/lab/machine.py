"""One machine: QEMU and its TPM, as command lines.

Pure. The memory size is part of the firmware profile: OVMF's PCR 0 depends on it. KVM
is never asked for: where /dev/kvm exists and cannot run a guest, QEMU hangs on it.
Paths are short and absolute, because swtpm and QEMU resolve them in different places.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.lab.topology import VirtualNode

_NO_OFFLOAD = "csum=off,gso=off,host_tso4=off,host_tso6=off,guest_csum=off,guest_tso4=off,guest_tso6=off"


def swtpm_argv(*, tpm_state: str, socket: str, pid_file: str) -> list[str]:
    """Return the command of a TPM that lives for one power-on; what it knows persists in ``tpm_state``."""
    return [
        "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={tpm_state}",
        "--ctrl", f"type=unixio,path={socket}", "--pid", f"file={pid_file}", "--terminate", "--daemon",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files that one power-on of a machine uses."""

    firmware: str
    variables: str
    tpm_socket: str
    console: str
    pid_file: str


def qemu_argv(node: VirtualNode, *, memory_mib: int, files: Files) -> list[str]:
    """Return QEMU's command: UEFI, a CRB TPM, one network card that boots over HTTP, a serial console."""
    firmware_options = [
        argument
        for name in ("IPv4PXESupport", "IPv6PXESupport", "IPv6Support")
        for argument in ("-fw_cfg", f"name=opt/org.tianocore/{name},string=no")
    ]
    return [
        "qemu-system-x86_64", "-name", node.name, "-nodefaults", "-no-user-config",
        "-machine", "q35,accel=tcg,smm=off", "-smp", "1", "-m", str(memory_mib),
        "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={files.firmware}",
        "-drive", f"if=pflash,unit=1,format=raw,file={files.variables}",
        *firmware_options,
        "-netdev", f"tap,id=net0,ifname={node.tap},script=no,downscript=no,vhost=off,vnet_hdr=off",
        "-device", f"virtio-net-pci,netdev=net0,mac={node.mac},romfile=,bootindex=1,{_NO_OFFLOAD}",
        "-chardev", f"socket,id=tpm0,path={files.tpm_socket}",
        "-tpmdev", "emulator,id=tpm0,chardev=tpm0", "-device", "tpm-crb,tpmdev=tpm0",
        "-display", "none", "-monitor", "none", "-serial", f"file:{files.console}",
        "-pidfile", files.pid_file, "-daemonize",
    ]  # fmt: skip
