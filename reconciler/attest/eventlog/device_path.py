"""Device paths as text: where a booted file came from, as far as its event says.

For people to read. Nothing measures these bytes, so nothing may be decided by them. What
cannot be read ends the text with "…"; no bytes raise an error, and the number of nodes
is bounded.

Source: UEFI Specification 2.10, 10.3 (device path nodes).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from types import MappingProxyType
from uuid import UUID

_NODE = struct.Struct("<BBH")
_MAX_NODES = 32
_END = 0x7F
_MORE = "…"


def describe_device_path(data: bytes) -> str:
    """Return the nodes of the device path in ``data``, with slashes between them; the text may hold any character."""
    nodes: list[str] = []
    at = 0
    for _ in range(_MAX_NODES):
        if len(data) - at < _NODE.size:
            return "/".join([*nodes, _MORE])
        kind, subtype, size = _NODE.unpack_from(data, at)
        if kind == _END:
            return "/".join(nodes)
        if not _NODE.size <= size <= len(data) - at:
            return "/".join([*nodes, _MORE])
        nodes.append(_describe_node(kind, subtype, data[at + _NODE.size : at + size]))
        at += size
    return "/".join([*nodes, _MORE])


def _describe_node(kind: int, subtype: int, body: bytes) -> str:
    form = _NODES.get((kind, subtype))
    try:
        return f"node({kind}.{subtype})" if form is None else form(body)
    except struct.error:
        return f"node({kind}.{subtype}, too short)"


def _numbers(name: str, layout: str) -> Callable[[bytes], str]:
    def describe(body: bytes) -> str:
        return f"{name}({', '.join(f'{number:x}' for number in struct.unpack_from(layout, body))})"

    return describe


def _pci(body: bytes) -> str:
    function, device = struct.unpack_from("<BB", body)
    return f"Pci({device:x}.{function:x})"


def _acpi(body: bytes) -> str:
    hid, uid = struct.unpack_from("<II", body)
    return f"{'PciRoot' if hid in _PCI_ROOTS else f'Acpi({hid:08x})'}({uid:x})"


def _hard_drive(body: bytes) -> str:
    number, _, _, signature, _, kind = struct.unpack_from("<IQQ16sBB", body)
    name = str(UUID(bytes_le=signature)) if kind == _GUID_SIGNATURE else signature[:4].hex()
    return f"HD({number}, {name})"


def _mac(body: bytes) -> str:
    return f"MAC({struct.unpack_from('6s', body)[0].hex(':')})"


def _ipv4(body: bytes) -> str:
    local, remote = struct.unpack_from("4s4s", body)
    return f"IPv4({IPv4Address(remote)}, local {IPv4Address(local)})"


def _guid(name: str) -> Callable[[bytes], str]:
    def describe(body: bytes) -> str:
        return f"{name}({UUID(bytes_le=struct.unpack_from('16s', body)[0])})"

    return describe


def _text(name: str, encoding: str) -> Callable[[bytes], str]:
    def describe(body: bytes) -> str:
        text = body.decode(encoding, "replace").split("\0", 1)[0]
        return f"{name}({text})" if name else text

    return describe


_PCI_ROOTS = frozenset({0x0A0341D0, 0x0A0841D0})
_GUID_SIGNATURE = 2
_NODES: Mapping[tuple[int, int], Callable[[bytes], str]] = MappingProxyType(
    {
        (1, 1): _pci,
        (1, 3): _numbers("MemoryMapped", "<IQQ"),
        (1, 4): _guid("Vendor"),
        (2, 1): _acpi,
        (3, 2): _numbers("Scsi", "<HH"),
        (3, 5): _numbers("Usb", "<BB"),
        (3, 10): _guid("VendorMessaging"),
        (3, 11): _mac,
        (3, 12): _ipv4,
        (3, 13): lambda _: "IPv6",
        (3, 18): _numbers("Sata", "<HHH"),
        (3, 23): _numbers("NVMe", "<IQ"),
        (3, 24): _text("Uri", "ascii"),
        (4, 1): _hard_drive,
        (4, 2): _numbers("CdRom", "<I"),
        (4, 4): _text("", "utf-16-le"),
        (4, 6): _guid("FvFile"),
        (4, 7): _guid("Fv"),
        (4, 8): _numbers("Offset", "<IQQ"),
        (5, 1): lambda body: _text("Bbs", "ascii")(body[4:]),
    }
)
