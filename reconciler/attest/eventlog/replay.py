"""Replaying the events of one bank: the values that they bring PCR 0 to 23 to.

1. EV_NO_ACTION and the marks of dynamic launches are never extended: an event that was
passed off as one is missed in its PCR's value. 2. A "StartupLocality" of 0, 3 or 4 before anything else
in PCR 0 starts it at that number; an H-CRTM event first in PCR 0 starts it at 4. 3. PCR 17
to 22 start at f…f; a dynamic launch resets all of them to 0. A log that names any event in
them claims such a launch, and the claim holds or falls with the quoted values.

A replay proves nothing by itself: compare it with quoted values (``measured``).

Source: TCG PC Client Platform Firmware Profile 1.06, 10.4.1 (EV_NO_ACTION, StartupLocality),
10.4.5; TCG PC Client Platform TPM Profile 1.05, 4.6.2 (initial values, H-CRTM, D-RTM).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.attest.eventlog.banks import HASHES, SIZES
from reconciler.attest.eventlog.events import EFI_HCRTM_EVENT, NO_ACTION, UNEXTENDED
from reconciler.attest.eventlog.record import PCR_COUNT, Event

DRTM_PCRS = range(17, 23)

_LOCALITY = b"StartupLocality\0"
_LOCALITIES = frozenset({0, 3, 4})
_HCRTM_LOCALITY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A replayed log: PCR values, the events that were extended into each PCR, and what was odd at the start.

    ``locality`` is where PCR 0 starts, if the log says so; ``is_launched`` whether PCR 17 to 22 started at 0.
    """

    values: Mapping[int, bytes]
    extended: Mapping[int, tuple[Event, ...]]
    misplaced_localities: tuple[Event, ...]
    bank: str = "sha256"
    locality: int | None = None
    is_launched: bool = False


def initial_value(pcr: int, *, bank: str = "sha256", is_launched: bool = False) -> bytes:
    """Return the value of ``pcr`` after a reset at locality 0, ``is_launched`` or not by a dynamic launch since."""
    return (b"\xff" if pcr in DRTM_PCRS and not is_launched else b"\0") * SIZES[bank]


def extend(value: bytes, digest: bytes, *, bank: str) -> bytes:
    """Return what a PCR that holds ``value`` holds after it was extended by ``digest``."""
    return HASHES[bank](value + digest).digest()


def parse_locality(data: bytes) -> int | None:
    """Return the locality in the ``data`` of an EV_NO_ACTION event, -1 if it is none that may be; None if no such."""
    if not data.startswith(_LOCALITY):
        return None
    locality = data[len(_LOCALITY) :]
    return locality[0] if len(locality) == 1 and locality[0] in _LOCALITIES else -1


def replay(events: Iterable[Event], *, is_launched: bool | None = None) -> Replay:
    """Return the values that ``events``, all of one bank, bring PCR 0 to 23 to.

    ``is_launched`` says whether there was a dynamic launch; None decides it by whether there are events for it.
    """
    listed: list[list[Event]] = [[] for _ in range(PCR_COUNT)]
    misplaced: list[Event] = []
    locality: int | None = None
    bank = "sha256"
    for event in events:
        bank = event.bank
        if event.type not in UNEXTENDED:
            listed[event.pcr].append(event)
            continue
        found = parse_locality(event.data) if event.type == NO_ACTION else None
        if found is None:
            continue
        if event.pcr or listed[0] or locality is not None or found < 0 or misplaced:
            misplaced.append(event)
        else:
            locality = found
    if listed[0] and listed[0][0].type == EFI_HCRTM_EVENT:
        # A TPM that saw H-CRTM starts PCR 0 at 4, whatever locality started it up.
        locality = _HCRTM_LOCALITY
    if is_launched is None:
        is_launched = any(listed[pcr] for pcr in DRTM_PCRS)
    values = {pcr: initial_value(pcr, bank=bank, is_launched=is_launched) for pcr in range(PCR_COUNT)}
    values[0] = bytes([*values[0][1:], locality or 0])
    algorithm = HASHES[bank]
    for pcr, extended in enumerate(listed):
        value = values[pcr]
        for event in extended:
            value = algorithm(value + event.digest).digest()
        values[pcr] = value
    return Replay(
        values=MappingProxyType(values),
        extended=MappingProxyType({pcr: tuple(extended) for pcr, extended in enumerate(listed)}),
        misplaced_localities=tuple(misplaced),
        bank=bank,
        locality=locality,
        is_launched=is_launched,
    )
