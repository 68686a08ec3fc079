"""What an event says of itself in its data, for people to read.

Nothing here was measured, or at least nobody has checked that it was: a label is never compared with anything. An
event that cannot be read has the name of its type as its label.

Source: TCG PC Client Platform Firmware Profile 1.06, 10.2.3 (UEFI_IMAGE_LOAD_EVENT), 10.2.5
(UEFI_PLATFORM_FIRMWARE_BLOB and BLOB2); UEFI 2.10, 10.3 (device paths).
"""

from __future__ import annotations

from reconciler.attest.eventlog.log import Event
from reconciler.attest.reader import MalformedError, Reader

_IMAGES = frozenset({0x80000003, 0x80000004, 0x80000005})
_BLOB = 0x80000008
_BLOB2 = 0x8000000A
_TAG = 0x00000006
_MEDIA_FILE = (4, 4)
_HEADER = 4
_MAX_LABEL = 160


def label_of(event: Event) -> str:
    """Return what ``event`` says that it is about, at most 160 printable characters."""
    try:
        if event.type in _IMAGES:
            text = image_path(event.data)
        elif event.type in {_BLOB, _BLOB2}:
            text = _blob(event.data, has_name=event.type == _BLOB2)
        else:
            text = text_in(event.data[8:] if event.type == _TAG else event.data)
    except MalformedError:
        text = ""
    return text[:_MAX_LABEL] or event.type_name


def text_in(data: bytes) -> str:
    """Return ``data`` as the text that it is, in UTF-16 or ASCII, without NULs at its end; nothing if it is none."""
    for encoding in ("utf-16-le", "ascii"):
        try:
            text = data.decode(encoding).rstrip("\0")
        except UnicodeDecodeError:
            continue
        if text and text.isascii() and text.isprintable():
            return text
    return ""


def image_path(data: bytes) -> str:
    """Return the file that a UEFI_IMAGE_LOAD_EVENT names, or nothing; raise MalformedError if it is none."""
    reader = Reader(data, what="image load event", byteorder="little")
    reader.take(24)  # Where it was loaded to, how long it is, and where it was linked to.
    path = Reader(reader.take(reader.integer(8)), what="device path", byteorder="little")
    reader.finish()
    files: list[str] = []
    while True:
        kind, size = (path.integer(1), path.integer(1)), path.integer(2)
        if size < _HEADER:
            raise MalformedError("device path", f"has a node of {size} bytes")
        content = path.take(size - _HEADER)
        if kind[0] == 0x7F:  # noqa: PLR2004 - the end of a device path
            return "".join(files)
        if kind == _MEDIA_FILE:
            files.append(text_in(content))


def _blob(data: bytes, *, has_name: bool) -> str:
    reader = Reader(data, what="firmware blob", byteorder="little")
    name = text_in(reader.take(reader.integer(1))) if has_name else ""
    base, size = reader.integer(8), reader.integer(8)
    reader.finish()
    return f"{name} {size:#x} bytes at {base:#x}".lstrip()
