"""What an event log is made of: records with the digests of every bank, and events of one bank.

The values are what a log says, and a log is a claim; they are bounded by the parsers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.attest.eventlog.banks import digest_of
from reconciler.attest.eventlog.events import name_of_type
from reconciler.attest.reader import MalformedError

WHAT = "event log"
"""What errors call a log."""

MAX_LOG = 1 << 20
"""Longer logs are refused unread."""

MAX_EVENTS = 1 << 14
"""A log of more events is refused; real ones have some hundreds."""

PCR_COUNT = 24


class FormatError(MalformedError):
    """The log does not hold the bank in question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a log; ``index`` counts all of them from 0, ``digests`` are by the bank's name."""

    index: int
    pcr: int
    type: int
    digests: Mapping[str, bytes]
    data: bytes

    @property
    def type_name(self) -> str:
        """Return the specification's name of the record's type."""
        return name_of_type(self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: ``index`` is its record's; ``digest`` is that of ``bank``, a replayable one."""

    index: int
    pcr: int
    type: int
    digest: bytes
    data: bytes
    bank: str = "sha256"

    @property
    def type_name(self) -> str:
        """Return the specification's name of the event's type."""
        return name_of_type(self.type)

    @property
    def is_verified(self) -> bool:
        """Return whether the digest is that of the data, so that the data says what was measured."""
        return digest_of(self.data, bank=self.bank) == self.digest
