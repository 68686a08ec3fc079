"""The file around a bundle's parts: a plain, uncompressed tar archive (ustar) of which there is one form only.

1. ``manifest.json`` comes first, the other parts in the order of their names; each is a plain file without a date.
2. What is read is written again and compared: a byte that is not exactly what ``tar_blocks`` writes refuses the file.
3. Nothing is compressed, so that reading takes no more memory than the file has bytes; there are limits on both.

What the parts mean is not looked at here. Source: POSIX.1-1988 (ustar).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from tarfile import USTAR_FORMAT, TarInfo

from reconciler.errors.taxonomy import InputError, TrustError

MANIFEST = "manifest.json"
MAX_BUNDLE = 1 << 30
"""How many bytes a bundle may have."""
MAX_PARTS = 200_000

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,7}}", re.ASCII)
_SIZE = re.compile(rb"[0-7]{11}\0")


def tar_blocks(parts: Mapping[str, bytes]) -> Iterator[bytes]:
    """Yield the bytes of the archive that holds ``parts`` by name; InputError if they are too many or too large."""
    names = sorted(parts, key=_order)
    size = sum(_BLOCK + _padded(len(content)) for content in parts.values()) + len(_END)
    if len(names) > MAX_PARTS or size > MAX_BUNDLE:
        message = f"it would have {len(names)} parts and {size} bytes, and may have {MAX_PARTS} and {MAX_BUNDLE}"
        raise InputError("bundle", message, reason="BundleTooLarge", hint="ask for less: --from and --until")
    for name in names:
        yield _header(name, size=len(parts[name]))
        yield parts[name]
        yield bytes(_padded(len(parts[name])) - len(parts[name]))
    yield _END


def read_tar(data: bytes) -> dict[str, memoryview]:
    """Return the parts in ``data`` by name, in order; TrustError unless it is exactly what ``tar_blocks`` writes."""
    if len(data) > MAX_BUNDLE or len(data) % _BLOCK:
        raise _unreadable("it is too large, or was cut off")
    view, parts = memoryview(data), dict[str, memoryview]()
    at, last = 0, (-1, "")
    while data[at : at + _BLOCK] != _END[:_BLOCK]:
        name, size = _read_header(data[at : at + _BLOCK])
        start, at = at + _BLOCK, at + _BLOCK + _padded(size)
        if at > len(data) or any(view[start + size : at]):
            raise _unreadable(f"{name} was cut off, or something stands behind it")
        if len(parts) == MAX_PARTS or _order(name) <= last:
            raise _unreadable("its parts are too many, out of order or there twice")
        parts[name], last = view[start : start + size], _order(name)
    if data[at:] != _END:
        raise _unreadable("something stands behind its end")
    return parts


def _order(name: str) -> tuple[int, str]:
    return (name != MANIFEST, name)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _read_header(header: bytes) -> tuple[str, int]:
    """Return name and size in ``header``, once it is the one header of such a part."""
    name = b"/".join(part for part in (_text(header[345:500]), _text(header[:100])) if part).decode("ascii", "replace")
    digits = _SIZE.fullmatch(header[124:136])
    if digits is None or not _NAME.fullmatch(name):
        raise _unreadable("it holds something else than plain files")
    size = int(header[124:135], 8)
    if header != _header(name, size=size):
        raise _unreadable(f"the header of {name} is not the one that ringfence writes")
    return name, size


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _header(name: str, *, size: int) -> bytes:
    info = TarInfo(name)
    info.size = size
    try:
        return info.tobuf(format=USTAR_FORMAT, encoding="ascii", errors="strict")
    except ValueError:
        raise _unreadable("a part has a name that is too long") from None


def _unreadable(message: str) -> TrustError:
    hint = "it was altered, or is no bundle of this version; take another copy"
    return TrustError("bundle", message, reason="BundleMalformed", hint=hint)
