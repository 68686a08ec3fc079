"""What a BMC tells about itself and its machine: read by raw commands, nothing changed.

Rules: every part is optional (many BMCs lack some), what cannot be read is left out, and
texts are cut. Used by the worker only. Sources: IPMI 2.0, 20.1 (device ID), 22.14 (system
GUID), 23.2 (LAN parameters); Platform Management FRU Information 1.2.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

_APPLICATION, _TRANSPORT = 6, 0x0C
_DEVICE_ID, _SYSTEM_GUID, _DEVICE_GUID = 1, 0x37, 8
_LAN_PARAMETER, _THIS_CHANNEL, _MAC = 2, 0x0E, 5
_GUID_BYTES, _MAC_BYTES = 16, 6
_MAKER = slice(6, 9)
_TEXT_LIMIT = 64
_FRU_NAMES = {
    "product": ("Product name", "Board product name"),
    "serial": ("Serial Number", "Chassis serial number", "Board serial number"),
    "manufacturer": ("Manufacturer", "Board manufacturer"),
}


class BmcCommand(Protocol):
    """The part of pyghmi's Command that is used here."""

    def raw_command(self, netfn: int, command: int, *, data: Sequence[int] = ...) -> dict[str, Any]:
        """Return code and data."""
        ...


def identify(bmc: BmcCommand) -> dict[str, str]:
    """Return ``guid``, ``mac`` (the BMC's own), ``manufacturer``, ``product`` and ``serial``, as far as it tells."""
    found = {}
    guid = _ask(bmc, _APPLICATION, _SYSTEM_GUID) or _ask(bmc, _APPLICATION, _DEVICE_GUID)
    if len(guid) == _GUID_BYTES and any(guid):
        found["guid"] = guid.hex()
    mac = _ask(bmc, _TRANSPORT, _LAN_PARAMETER, (_THIS_CHANNEL, _MAC, 0, 0))[1:]
    if len(mac) == _MAC_BYTES and any(mac):
        found["mac"] = mac.hex(":")
    maker = _ask(bmc, _APPLICATION, _DEVICE_ID)[_MAKER]
    if any(maker):
        found["manufacturer"] = f"IANA {int.from_bytes(maker, 'little')}"
    return found | _fru(bmc)


def _ask(bmc: BmcCommand, netfn: int, command: int, data: Sequence[int] = ()) -> bytes:
    """Return the answer, or nothing where there is none."""
    from pyghmi.exceptions import PyghmiException

    try:
        response = bmc.raw_command(netfn=netfn, command=command, data=data)
    except PyghmiException:
        return b""
    return bytes(response.get("data", b"")) if response.get("code", 1) == 0 else b""


def _fru(bmc: BmcCommand) -> dict[str, str]:
    from pyghmi.exceptions import PyghmiException
    from pyghmi.ipmi.fru import FRU

    try:
        told: Mapping[str, object] = FRU(ipmicmd=bmc).info or {}
    except (PyghmiException, LookupError, ValueError, TypeError, AttributeError, struct.error):
        return {}  # Its parser believes what it reads, and much in the field is malformed.
    found = {}
    for name, fields in _FRU_NAMES.items():
        texts = (_text(told.get(field)) for field in fields)
        text = next((each for each in texts if each), "")
        if text:
            found[name] = text
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(character for character in value if character.isprintable()).strip()[:_TEXT_LIMIT]
