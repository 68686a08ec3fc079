"""A replayed log as facts are read from it: by digests, not by types.

An event's type is not measured, so whoever writes the log chooses it. What stands in a PCR is therefore told by what
was measured: a separator is whatever has the digest of a separator, and an event is passed over only if its digest is
that of a short known text. Nothing is hidden by being called something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from reconciler.attest.eventlog.log import Event, Replay
from reconciler.attest.facts.labels import label_of
from reconciler.attest.facts.values import Fact, FactValue, Problem

_SEPARATOR = bytes(4)
_PRINTABLE = frozenset(range(0x20, 0x7F))
_MAX_TEXT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A replayed log of the quoted ``bank``, of which the ``quoted`` PCRs count."""

    replay: Replay
    bank: str
    quoted: Collection[int]

    def hash(self, data: bytes) -> bytes:
        """Return the bank's digest of ``data``."""
        return hashlib.new(self.bank, data).digest()

    def events(self, pcr: int) -> tuple[Event, ...]:
        """Return what was extended into ``pcr``, in order."""
        return self.replay.extended[pcr]

    def measured(self, pcr: int) -> list[Event]:
        """Return what was extended into ``pcr`` but its separators."""
        separator = self.hash(_SEPARATOR)
        return [event for event in self.events(pcr) if event.digest != separator]

    def halves(self, pcr: int) -> tuple[list[Event], list[Event]] | None:
        """Return what stands before and after the separator of ``pcr``; nothing unless there is exactly one."""
        separator = self.hash(_SEPARATOR)
        events = list(self.events(pcr))
        places = [place for place, event in enumerate(events) if event.digest == separator]
        if len(places) != 1:
            return None
        return events[: places[0]], events[places[0] + 1 :]

    def places_of(self, pcr: int, *, texts: Iterable[bytes]) -> list[tuple[Event, bytes]]:
        """Return the events of ``pcr`` that measured one of ``texts``, whatever they say of themselves."""
        known = {self.hash(text): text for text in texts}
        return [(event, known[event.digest]) for event in self.events(pcr) if event.digest in known]

    def start_of(self, pcr: int, *, starts: Iterable[int]) -> int | None:
        """Return which of ``starts``, each the first or the last byte of a value, leads to the replayed value.

        0xff stands for a register of ones. It is proven by the quote as far as the replayed value is.
        """
        size = len(self.replay.values[pcr])
        for start in starts:
            value = b"\xff" * size if start == 0xFF else bytes(size - 1) + bytes([start])  # noqa: PLR2004 - of ones
            for event in self.events(pcr):
                value = self.hash(value + event.digest)
            if value == self.replay.values[pcr]:
                return start
        return None

    def fact(
        self, name: str, *, value: FactValue, pcr: int, events: Iterable[Event] = (), verified: bool = True
    ) -> Fact:
        """Return the fact ``name`` as told by ``events``."""
        told = list(events)
        return Fact(
            name=name,
            value=value,
            pcr=pcr,
            bank=self.bank,
            events=tuple(event.index for event in told),
            verified=verified,
            labels=tuple(label_of(event) for event in told),
        )

    def digests(self, name: str, *, pcr: int, events: Iterable[Event]) -> Fact:
        """Return the list of the digests of ``events``, which need nothing else to prove them."""
        told = list(events)
        return self.fact(name, value=tuple(event.digest.hex() for event in told), pcr=pcr, events=told)


def is_text(event: Event) -> bool:
    """Return whether the event measured a short printable text, which no program and no table is."""
    return 0 < len(event.data) <= _MAX_TEXT and _PRINTABLE.issuperset(event.data) and event.is_verified


def problem(*facts: str, pcr: int, message: str, event: Event | None = None) -> Problem:
    """Return why ``facts`` are not proven."""
    return Problem(facts=facts, pcr=pcr, message=message, event=None if event is None else event.index)


Outcome = Iterator[Fact | Problem]
"""What a collector yields."""
