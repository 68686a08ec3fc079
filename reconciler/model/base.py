"""The base of everything that crosses a boundary, and the field types it is made of.

Values are frozen, strict (``"3"`` is no int) and refuse unknown fields. In YAML the
fields are camelCase; in Python snake_case.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""An RFC 1123 label: at most 63 of ``a-z``, ``0-9`` and inner ``-``."""

Principal = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@+-]{1,128}$")]
"""Who signs, as the allowed-signers file names them."""

Mac = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
"""An EUI-48 in lower case with colons."""

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""``sha256:`` and 64 hexadecimal digits."""

HexDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A bare SHA-256 value."""

Vlan = Annotated[int, Field(ge=1, le=4094)]
"""An IEEE 802.1Q VLAN id that may be used."""

Pcr = Annotated[int, Field(ge=0, le=23)]
"""The number of a platform configuration register."""

PathPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._*][A-Za-z0-9._*/-]{0,255}$")]
"""A repository path, with ``*`` within a segment and ``**`` across segments."""

_DURATION = re.compile(r"^([1-9][0-9]{0,5})(s|m|h|d)$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _parse_duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _DURATION.match(value)
    if match is None:
        raise ValueError("a duration is a whole number and one of s, m, h, d: 30s, 5m, 2h, 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def format_duration(value: timedelta) -> str:
    """Return ``value`` in the form that the repository uses, in the largest whole unit."""
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("a duration is longer than nothing")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_parse_duration, json_schema_input_type=Annotated[str, Field(pattern=_DURATION.pattern)]),
    AfterValidator(_positive),
    PlainSerializer(format_duration, return_type=str),
]
"""A length of time, written as ``30s``, ``5m``, ``2h`` or ``30d``."""


def _parse_decimal(value: object) -> object:
    return int(value) if isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]{0,19}", value) else value


Uint64 = Annotated[
    int,
    BeforeValidator(_parse_decimal, json_schema_input_type=Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,19})$")]),
    Field(ge=0, lt=1 << 64),
    PlainSerializer(str, return_type=str, when_used="json"),
]
"""A TPM's 64-bit count: in JSON a decimal string, since RFC 8785 numbers are exact only up to 2**53."""


class Value(BaseModel):
    """A frozen, strict value without unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )
