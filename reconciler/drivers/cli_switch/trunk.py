"""What a port carries that is no plain access port, by the words of a platform; None where the words do not tell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.model.trunks import LAST_VLAN, Carried, carried_by, parse_spans


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkMeaning:
    """What lines about a trunk mean.

    ``mode`` is the line that makes a port a trunk, None where every port could be one. ``vlans`` has a list of VLANs as
    its group, and adds to what other lines say; without any, a trunk carries all VLANs if it ``is_open``, else none.
    ``native`` has the VLAN that goes untagged as its group, ``usual_native`` is it where no line says. That VLAN passes
    if a list has it, or anyhow if it ``is_native_own``. After a line like ``strange``, nothing can be told.
    """

    mode: re.Pattern[str] | None
    vlans: re.Pattern[str]
    native: re.Pattern[str]
    usual_native: int | None = None
    is_open: bool = False
    is_native_own: bool = False
    strange: re.Pattern[str] | None = None


def carried_of(meaning: TrunkMeaning, lines: Iterable[str]) -> Carried | None:
    """Return what a port of which ``lines`` are said carries; None if it is no trunk, or if that cannot be told."""
    told = list(lines)
    if meaning.mode and not any(map(meaning.mode.fullmatch, told)):
        return None
    if meaning.strange and any(map(meaning.strange.fullmatch, told)):
        return None
    lists = [parse_spans(match[1]) for line in told if (match := meaning.vlans.fullmatch(line))]
    natives = [int(match[1]) for line in told if (match := meaning.native.fullmatch(line))]
    if len(natives) > 1 or any(found is None for found in lists):
        return None
    every = frozenset(range(1, LAST_VLAN + 1))
    allowed = frozenset[int]().union(*(found for found in lists if found)) if lists or not meaning.is_open else every
    native = natives[0] if natives else meaning.usual_native
    return carried_by(allowed | {native} if native is not None and meaning.is_native_own else allowed, native=native)
