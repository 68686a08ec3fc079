"""Event logs of either format: parsing one whole, and reading one of its banks.

A log is bounded by its own size: no count or length is used before it is compared with
what is left, and every byte is accounted for. Parsing knows no bank; ``EventLog.bank``
gives the events of one. A log is a claim: only its replay to quoted values makes it more.

The results of the last logs are kept, because the same evidence is judged in every pass:
at most 32 parsed and 32 replayed logs, of at most 128 KiB each. A log of the smallest
possible events takes 2.2 MB when parsed, so that is at most some 130 MB of memory; real
logs take a tenth of it.

Source: TCG PC Client Platform Firmware Profile 1.06, 10.2 to 10.4.5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from reconciler.attest.eventlog import crypto_agile, sha1
from reconciler.attest.eventlog.banks import HASHES, name_of_algorithm
from reconciler.attest.eventlog.crypto_agile import SpecId, parse_spec_id
from reconciler.attest.eventlog.events import NO_ACTION
from reconciler.attest.eventlog.record import MAX_EVENTS, MAX_LOG, PCR_COUNT, WHAT, Event, FormatError, Record
from reconciler.attest.eventlog.replay import Replay, initial_value, replay
from reconciler.attest.reader import MalformedError
from reconciler.model.policy import Workaround

__all__ = [
    "MAX_EVENTS",
    "MAX_LOG",
    "PCR_COUNT",
    "Event",
    "EventLog",
    "FormatError",
    "LogFormat",
    "Record",
    "Replay",
    "initial_value",
    "parse_event_log",
    "parse_log",
    "parse_uncached",
    "replay",
    "replay_log",
]

_CACHED_LOGS = 32
_CACHED_SIZE = 1 << 17
_LEAST_PADDING = 4
_FILLER = b"\xff"
_NO_WORKAROUNDS: frozenset[Workaround] = frozenset()


class LogFormat(StrEnum):
    """The two formats of event logs."""

    SHA1 = "sha1"
    CRYPTO_AGILE = "crypto-agile"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """A parsed log: its banks, all its records, its Spec ID if it has one, and the workarounds that it needed."""

    format: LogFormat
    algorithms: tuple[str, ...]
    records: tuple[Record, ...]
    spec_id: SpecId | None
    workarounds: tuple[Workaround, ...]

    def bank(self, name: str) -> tuple[Event, ...]:
        """Return the events with their digests in the bank ``name``; the Spec ID record is none of them.

        FormatError if the log has no such bank or it cannot be replayed; MalformedError if an event lacks a digest.
        """
        if name not in self.algorithms or name not in HASHES:
            raise FormatError(WHAT, f"holds no digests of the {name} bank, but of {', '.join(self.algorithms)}")
        records = self.records if self.spec_id is None else self.records[1:]
        try:
            return tuple(
                Event(
                    index=record.index,
                    pcr=record.pcr,
                    type=record.type,
                    digest=record.digests[name],
                    data=record.data,
                    bank=name,
                )
                for record in records
            )
        except KeyError as error:
            raise MalformedError(WHAT, f"an event has no digest of the {name} bank") from error


def parse_log(data: bytes, *, allowed: frozenset[Workaround] = _NO_WORKAROUNDS) -> EventLog:
    """Return the log in ``data``, of either format.

    ``allowed`` are the workarounds that may be used; those of parsing are PADDING_AT_THE_END and VENDOR_DATA_UNCOUNTED.
    Raises MalformedError if the bytes are not a whole log.
    """
    if len(data) > MAX_LOG:
        raise MalformedError(WHAT, f"{len(data)} bytes long, at most {MAX_LOG} are allowed")
    return _parse_cached(data, allowed) if len(data) <= _CACHED_SIZE else _parse(data, allowed)


def parse_uncached(data: bytes) -> EventLog:
    """Return what parse_log returns, without a look at logs that were parsed before."""
    return _parse(data, _NO_WORKAROUNDS)


def parse_event_log(data: bytes, *, bank: str, allowed: frozenset[Workaround] = _NO_WORKAROUNDS) -> tuple[Event, ...]:
    """Return the events of ``data`` with their digests in ``bank``, the Spec ID record left out.

    MalformedError if it cannot be parsed; FormatError if it lacks ``bank``.
    """
    return parse_log(data, allowed=allowed).bank(bank)


def replay_log(data: bytes, *, bank: str, allowed: frozenset[Workaround] = _NO_WORKAROUNDS) -> Replay:
    """Return the replay of ``bank`` of the log in ``data``; raises what parse_event_log raises."""
    if len(data) > MAX_LOG:
        raise MalformedError(WHAT, f"{len(data)} bytes long, at most {MAX_LOG} are allowed")
    return _replay_cached(data, bank, allowed) if len(data) <= _CACHED_SIZE else _replay(data, bank, allowed)


def _parse(data: bytes, allowed: frozenset[Workaround]) -> EventLog:
    last = len(data)
    if Workaround.PADDING_AT_THE_END in allowed:
        # No event starts within the filler: its size would be ffffffff.
        last = len(data.rstrip(_FILLER))
    first, at = sha1.parse_record(data, at=0, index=0)
    # The register's number is not looked at: logs of confidential guests count from 1, and it is not extended.
    if first.type == NO_ACTION and first.data.startswith(crypto_agile.SIGNATURE):
        return _parse_crypto_agile(data, first=first, at=at, last=last, allowed=allowed)
    records, at = sha1.parse_records(data, last=last)
    return EventLog(
        format=LogFormat.SHA1,
        algorithms=("sha1",),
        records=records,
        spec_id=None,
        workarounds=_padding(len(data) - at),
    )


def _parse_crypto_agile(data: bytes, *, first: Record, at: int, last: int, allowed: frozenset[Workaround]) -> EventLog:
    uncounted: tuple[Workaround, ...] = ()
    size = crypto_agile.uncounted_vendor_data(first.data)
    if size and Workaround.VENDOR_DATA_UNCOUNTED in allowed:
        first = replace(first, data=first.data + data[at : at + size])
        at += size
        uncounted = (Workaround.VENDOR_DATA_UNCOUNTED,)
    spec_id = parse_spec_id(first.data)
    records, at = crypto_agile.parse_records(data, at=at, last=last, algorithms=spec_id.algorithms)
    return EventLog(
        format=LogFormat.CRYPTO_AGILE,
        algorithms=tuple(name_of_algorithm(algorithm) for algorithm in spec_id.algorithms),
        records=(first, *records),
        spec_id=spec_id,
        workarounds=uncounted + _padding(len(data) - at),
    )


def _padding(size: int) -> tuple[Workaround, ...]:
    if 0 < size < _LEAST_PADDING:
        raise MalformedError(WHAT, f"{size} bytes too many at the end")
    return (Workaround.PADDING_AT_THE_END,) if size > 0 else ()


def _replay(data: bytes, bank: str, allowed: frozenset[Workaround]) -> Replay:
    return replay(parse_log(data, allowed=allowed).bank(bank))


_parse_cached = lru_cache(maxsize=_CACHED_LOGS)(_parse)
_replay_cached = lru_cache(maxsize=_CACHED_LOGS)(_replay)
