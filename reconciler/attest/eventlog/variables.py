"""UEFI_VARIABLE_DATA: the variable that an event says was measured.

Source: TCG PC Client Platform Firmware Profile 1.06, 10.2.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from reconciler.attest.reader import MalformedError, Reader

GLOBAL = UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
"""The vendor of the variables that the UEFI specification itself defines."""

SHIM = UUID("605dab50-e046-4300-abb6-3dd810dd8b23")
"""The vendor of shim's variables: its own certificate, the machine owner's lists, the SBAT level."""

_WHAT = "variable"
_MAX_NAME = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A measured variable: its vendor, its name and its content."""

    vendor: UUID
    name: str
    content: bytes


def parse_variable(data: bytes) -> Variable:
    """Return the variable in ``data``, which it fills to the last byte; raise MalformedError if it is none."""
    variable, rest = split_variable(data)
    if rest:
        raise MalformedError(_WHAT, f"{len(rest)} bytes too many at the end")
    return variable


def split_variable(data: bytes) -> tuple[Variable, bytes]:
    """Return the variable at the start of ``data``, and the bytes after it; raise MalformedError if there is none."""
    reader = Reader(data, what=_WHAT, byteorder="little")
    vendor = UUID(bytes_le=reader.take(16))
    characters, size = reader.integer(8), reader.integer(8)
    if characters > _MAX_NAME:
        raise MalformedError(_WHAT, f"its name has {characters} characters, at most {_MAX_NAME} are allowed")
    try:
        name = reader.take(2 * characters).decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise MalformedError(_WHAT, "its name is not text") from error
    content = reader.take(size)
    return Variable(vendor=vendor, name=name, content=content), data[32 + 2 * characters + size :]
