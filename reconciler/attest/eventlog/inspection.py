"""What an event log says, for anyone with a file: ``ringfence inspect eventlog FILE``.

It stands alone: no policy, no quote, no verdict. The report's JSON form (``as_json``) is
stable; fields are only ever added. It has

- ``format``: ``"sha1"`` or ``"crypto-agile"``;
- ``events``: every record in order, the Spec ID's too, each with ``index`` (from 0),
  ``pcr``, ``type`` (a number), ``type_name``, ``digests`` (hex, by the bank's name),
  ``data`` (hex), ``description`` (short printable text that nothing vouches for) and
  ``verified``: for each replayable bank that the event has a digest of, whether that is the
  digest of ``data``; null for EV_NO_ACTION and other types that are never extended;
- ``pcrs``: for each bank that can be replayed, hex values by PCR number: of every PCR that
  has events, and of PCR 0;
- ``startup_locality``: what PCR 0 starts at if the log says so, else null;
- ``workarounds``: the names of those that parsing needed.

A bank of which an event has no digest is left out of ``pcrs``. A malformed log raises
MalformedError. Whether the log is true is not checked: only a quote can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from reconciler.attest.eventlog.banks import HASHES, digest_of
from reconciler.attest.eventlog.describe import describe_event
from reconciler.attest.eventlog.events import UNEXTENDED
from reconciler.attest.eventlog.log import EventLog, parse_log
from reconciler.attest.eventlog.record import Record
from reconciler.attest.eventlog.replay import Replay, replay
from reconciler.attest.reader import MalformedError
from reconciler.model.policy import Workaround


class EventJson(TypedDict):
    """One record, in the report's JSON form."""

    index: int
    pcr: int
    type: int
    type_name: str
    digests: dict[str, str]
    data: str
    description: str
    verified: dict[str, bool] | None


class LogJson(TypedDict):
    """The report's JSON form."""

    format: str
    events: list[EventJson]
    pcrs: dict[str, dict[str, str]]
    startup_locality: int | None
    workarounds: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A parsed log, and the replay of each bank that can be replayed."""

    log: EventLog
    replays: dict[str, Replay]

    def as_json(self) -> LogJson:
        """Return the report in its stable form, ready for ``json.dumps``."""
        return LogJson(
            format=str(self.log.format),
            events=[_event(record) for record in self.log.records],
            pcrs={bank: _pcrs(replayed) for bank, replayed in self.replays.items()},
            startup_locality=next((replayed.locality for replayed in self.replays.values()), None),
            workarounds=[str(workaround) for workaround in self.log.workarounds],
        )


def inspect_log(data: bytes) -> Inspection:
    """Return what the log in ``data`` says; MalformedError if it is none, even with every workaround of parsing."""
    log = parse_log(data, allowed=frozenset(Workaround))
    replays = {}
    for bank in log.algorithms:
        if bank in HASHES:
            try:
                replays[bank] = replay(log.bank(bank))
            except MalformedError:
                continue
    return Inspection(log=log, replays=replays)


def _pcrs(replayed: Replay) -> dict[str, str]:
    return {str(pcr): value.hex() for pcr, value in replayed.values.items() if pcr == 0 or replayed.extended[pcr]}


def _event(record: Record) -> EventJson:
    replayable = [bank for bank in record.digests if bank in HASHES]
    verified = {bank: digest_of(record.data, bank=bank) == record.digests[bank] for bank in replayable}
    return EventJson(
        index=record.index,
        pcr=record.pcr,
        type=record.type,
        type_name=record.type_name,
        digests={bank: digest.hex() for bank, digest in record.digests.items()},
        data=record.data.hex(),
        description=describe_event(record),
        verified=None if record.type in UNEXTENDED else verified,
    )
