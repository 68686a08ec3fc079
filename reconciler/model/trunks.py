"""Trunks that are meant to be: uplinks, as a document declares them and as a switch shows them.

A trunk is read and never written: whoever writes one wrong cuts off a switch, and everything behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from reconciler.model.base import Value, Vlan

LAST_VLAN = 4094

PORT_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9._/:-]{0,61}[A-Za-z0-9])?$"

PortName = Annotated[str, StringConstraints(pattern=PORT_PATTERN)]
"""A port as its switch calls it: swp7, Ethernet1/7, xe-0/0/7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a port carries: ``vlans`` with a tag, and ``native`` without one, None if nothing."""

    vlans: frozenset[int]
    native: int | None = None

    @property
    def words(self) -> str:
        """Return it in words: ``VLANs 101-199, 200, and 1 untagged``."""
        tagged = f"VLANs {spans(self.vlans)}" if self.vlans else "no VLAN"
        return f"{tagged}, and {self.native} untagged" if self.native is not None else tagged


def carried_by(allowed: frozenset[int], *, native: int | None) -> Carried:
    """Return what a trunk carries that lets ``allowed`` pass, and untagged what is of ``native``, if that may pass."""
    own = native if native in allowed else None
    return Carried(vlans=allowed - {own}, native=own)


def spans(vlans: Iterable[int]) -> str:
    """Return numbers as ranges, in order: ``101-199, 200``."""
    found: list[list[int]] = []
    for vlan in sorted(set(vlans)):
        if found and vlan == found[-1][1] + 1:
            found[-1][1] = vlan
        else:
            found.append([vlan, vlan])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def parse_spans(text: str, *, between: str = "-", apart: str = ",") -> frozenset[int] | None:
    """Return the numbers in a switch's list of VLANs, None if it is none: ``1-10,200``, ``all``, ``none``."""
    words = text.strip().lower()
    if words in {"all", "none"}:
        return frozenset(range(1, LAST_VLAN + 1)) if words == "all" else frozenset()
    found: set[int] = set()
    for part in words.split(apart):
        first, is_range, last = part.strip().partition(between)
        ends = (first, last if is_range else first)
        if not all(end.isascii() and end.isdigit() and 1 <= int(end) <= LAST_VLAN for end in ends):
            return None
        found.update(range(int(ends[0]), int(ends[1]) + 1))
    return frozenset(found)


class VlanSpan(Value):
    """VLANs next to each other, ends included."""

    first: Vlan
    """The first VLAN."""
    last: Vlan
    """The last VLAN."""

    @model_validator(mode="after")
    def _ordered(self) -> VlanSpan:
        if self.last < self.first:
            raise ValueError("last is smaller than first")
        return self


class Trunk(Value):
    """A port that carries several VLANs on purpose: an uplink. It is read, and never written."""

    port: PortName
    """The port; not one of `ports`."""
    vlans: Annotated[tuple[Vlan | VlanSpan, ...], Field(min_length=1)]
    """The VLANs that it carries with a tag, all of them: numbers, and ranges such as `{first: 101, last: 199}`."""
    native: Vlan | None = None
    """The VLAN that it carries without a tag; without this, none."""

    def carried(self) -> Carried:
        """Return what it is to carry."""
        found: set[int] = set()
        for each in self.vlans:
            found.update(range(each.first, each.last + 1) if isinstance(each, VlanSpan) else (each,))
        return Carried(vlans=frozenset(found - {self.native}), native=self.native)
