"""An event as one line of text for people: a variable's name, a boot application's path, an action.

The line is printable and short, whatever the event holds. It is never trusted: nothing
ties most of these texts to what was measured, so no check may read them.

Source: TCG PC Client Platform Firmware Profile 1.06, 10.2 (the structures) and 10.4.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from uuid import UUID

from reconciler.attest.eventlog import crypto_agile, events
from reconciler.attest.eventlog.banks import name_of_algorithm
from reconciler.attest.eventlog.crypto_agile import parse_spec_id
from reconciler.attest.eventlog.device_path import describe_device_path
from reconciler.attest.eventlog.record import Event, Record
from reconciler.attest.eventlog.variables import split_variable
from reconciler.attest.reader import MalformedError

MAX_DESCRIPTION = 160
"""The longest description, in characters."""

_MORE = "…"
_LOCALITY = b"StartupLocality\0"
_LOAD_OPTION = 6
_IMAGE_LOAD = struct.Struct("<QQQQ")
_GPT_HEADER = 92
_GPT_ENTRY = struct.Struct("<16s16sQQQ72s")
_MAX_PARTITIONS = 128
_MIN_TEXT = 3


def describe_event(event: Event | Record) -> str:
    """Return what ``event`` says of itself, in at most MAX_DESCRIPTION printable characters; it may be empty."""
    form = _FORMS.get(event.type, _text)
    try:
        text = form(event.data).strip()
    except (MalformedError, struct.error):
        text = _bytes(event.data)
    return _printable(text)


def _printable(text: str) -> str:
    # Whatever would move a cursor, hide or reorder text is shown as a code point.
    if len(text) > MAX_DESCRIPTION:
        text = text[: MAX_DESCRIPTION - 1] + _MORE
    shown = "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)
    return shown if len(shown) <= MAX_DESCRIPTION else shown[: MAX_DESCRIPTION - 1] + _MORE


def _bytes(data: bytes) -> str:
    shown = data[:16].hex()
    return f"{len(data)} bytes: {shown}{_MORE if len(data) > len(shown) // 2 else ''}" if data else ""


def _text(data: bytes) -> str:
    """Return ``data`` as ASCII or UTF-16 text if it looks like one, else its first bytes."""
    window = data[: 2 * MAX_DESCRIPTION + 2].rstrip(b"\0")
    if len(window) >= _MIN_TEXT and window.isascii() and _is_line(window.decode("ascii")):
        return window.decode("ascii")
    wide = data[: 2 * MAX_DESCRIPTION + 2]
    text = wide[: len(wide) // 2 * 2].decode("utf-16-le", "replace").rstrip("\0")
    return text if len(text) >= _MIN_TEXT and text.isascii() and _is_line(text) else _bytes(data)


def _is_line(text: str) -> bool:
    return all(character.isprintable() or character in "\n\r\t" for character in text)


def _no_action(data: bytes) -> str:
    if data.startswith(crypto_agile.SIGNATURE):
        names = [name_of_algorithm(algorithm) for algorithm in parse_spec_id(data).algorithms]
        return f"Spec ID Event03: {', '.join(names)}"
    if data.startswith(_LOCALITY):
        return f"StartupLocality {data[len(_LOCALITY) :][:1].hex() or 'missing'}"
    signature = data[:16].rstrip(b"\0")
    return signature.decode("ascii") if signature.isascii() and len(signature) >= _MIN_TEXT else _bytes(data)


def _separator(data: bytes) -> str:
    known = {bytes(4): "separator", b"\xff" * 4: "separator: the firmware reports an error"}
    return known.get(data) or f"separator: {_text(data)}"


def _variable(data: bytes) -> str:
    variable, _ = split_variable(data)
    return f"{variable.name} ({variable.vendor}), {len(variable.content)} bytes"


def _driver_config(data: bytes) -> str:
    variable, _ = split_variable(data)
    if variable.name == "SecureBoot" and len(variable.content) == 1:
        return f"SecureBoot = {variable.content[0]}"
    return _variable(data)


def _boot_variable(data: bytes) -> str:
    variable, _ = split_variable(data)
    content = variable.content
    if variable.name == "BootOrder":
        order = [
            f"{number:04X}"
            for (number,) in struct.iter_unpack("<H", content[: min(len(content), MAX_DESCRIPTION) // 2 * 2])
        ]
        return f"BootOrder = {', '.join(order)}"
    if len(content) < _LOAD_OPTION:
        return f"{variable.name}: {_bytes(content)}"
    (size,) = struct.unpack_from("<H", content, 4)
    wide = content[_LOAD_OPTION : len(content) // 2 * 2].decode("utf-16-le", "replace")
    title, _, _ = wide.partition("\0")
    start = _LOAD_OPTION + len(title.encode("utf-16-le")) + 2
    return f"{variable.name}: {title}, {describe_device_path(content[start : start + size])}"


def _image(data: bytes) -> str:
    _, length, _, size = _IMAGE_LOAD.unpack_from(data)
    path = describe_device_path(data[_IMAGE_LOAD.size : _IMAGE_LOAD.size + size]) if size else "no path"
    return f"{path}, {length} bytes"


def _gpt(data: bytes) -> str:
    if not data.startswith(b"EFI PART") or len(data) < _GPT_HEADER + 8:
        return _bytes(data)
    disk = UUID(bytes_le=data[56:72])
    (count,) = struct.unpack_from("<Q", data, _GPT_HEADER)
    names = []
    for index in range(min(count, _MAX_PARTITIONS)):
        fields = _GPT_ENTRY.unpack_from(data, _GPT_HEADER + 8 + index * _GPT_ENTRY.size)
        names.append(fields[5].decode("utf-16-le", "replace").split("\0", 1)[0] or str(UUID(bytes_le=fields[1])))
    return f"GPT {disk}, {count} partitions: {', '.join(names)}"


def _blob(data: bytes) -> str:
    base, length = struct.unpack("<QQ", data)
    return f"{length} bytes at {base:#x}"


def _blob2(data: bytes) -> str:
    size = data[0] if data else 0
    base, length = struct.unpack_from("<QQ", data, 1 + size)
    return f"{data[1 : 1 + size].rstrip(bytes(1)).decode('ascii', 'replace')}, {length} bytes at {base:#x}"


def _tables(data: bytes) -> str:
    (count,) = struct.unpack_from("<Q", data)
    return f"{count} tables"


def _tables2(data: bytes) -> str:
    size = data[0] if data else 0
    (count,) = struct.unpack_from("<Q", data, 1 + size)
    return f"{data[1 : 1 + size].rstrip(bytes(1)).decode('ascii', 'replace')}, {count} tables"


def _tagged(data: bytes) -> str:
    tag, size = struct.unpack_from("<II", data)
    return f"tag {tag:#010x}: {_text(data[8 : 8 + size])}"


_FORMS: Mapping[int, Callable[[bytes], str]] = MappingProxyType(
    {
        events.NO_ACTION: _no_action,
        events.SEPARATOR: _separator,
        events.EVENT_TAG: _tagged,
        events.EFI_VARIABLE_DRIVER_CONFIG: _driver_config,
        events.EFI_VARIABLE_AUTHORITY: _variable,
        events.EFI_SPDM_DEVICE_POLICY: _variable,
        events.EFI_SPDM_DEVICE_AUTHORITY: _variable,
        events.EFI_VARIABLE_BOOT: _boot_variable,
        events.EFI_VARIABLE_BOOT2: _boot_variable,
        events.EFI_BOOT_SERVICES_APPLICATION: _image,
        events.EFI_BOOT_SERVICES_DRIVER: _image,
        events.EFI_RUNTIME_SERVICES_DRIVER: _image,
        events.EFI_GPT_EVENT: _gpt,
        events.EFI_GPT_EVENT2: _gpt,
        events.EFI_PLATFORM_FIRMWARE_BLOB: _blob,
        events.EFI_PLATFORM_FIRMWARE_BLOB2: _blob2,
        events.EFI_HANDOFF_TABLES: _tables,
        events.EFI_HANDOFF_TABLES2: _tables2,
    }
)
