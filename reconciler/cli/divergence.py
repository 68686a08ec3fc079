"""Where a rejected boot went another way than a good one: both are read from the record, and compared.

Which boot is the good one: 1. the newest accepted one of the same node under the same image; 2. that of another node
of the same firmware profile; 3. that of any other node, of which only what the image measures is comparable. An image
is the same if its digest is; profiles are those of today's inventory. PCR 1 differs from machine to machine, so it is
compared with the node's own boots only.

It explains and decides nothing, and what cannot be read is said, never raised. A rejected boot's events may be made up:
where its log does not lead to the values sent with it, or the verdict speaks against its identity, the note says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.attest.eventlog.describe import describe_event
from reconciler.attest.eventlog.divergence import Divergence, divergences, first_divergence
from reconciler.attest.eventlog.log import replay_log
from reconciler.attest.eventlog.record import Event as LogEvent
from reconciler.attest.eventlog.replay import Replay
from reconciler.attest.verdict import Trustworthiness
from reconciler.errors.taxonomy import RingfenceError, cut
from reconciler.evidence.raw import RawReader
from reconciler.evidence.statement import Appraisal, Record
from reconciler.model.policy import Workaround

Blob = Callable[[str], bytes | None]
"""Gives a recorded blob by its bare SHA-256, None if it is not there; ``evidence.audit.Archive`` has one."""

BANK = "sha256"
_MACHINES_OWN = frozenset({1})
_IMAGES = frozenset({4, *range(8, 24)})
_ALL = frozenset(range(24))
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Boot:
    """A recorded boot that could be read: its replayed log, and the values that were quoted with it, by PCR."""

    record: Record
    verdict: Mapping[str, Any]
    log: Replay
    values: Mapping[int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A good boot that may be compared in ``pcrs``; ``why`` says which one it is."""

    record: Record
    pcrs: frozenset[int]
    why: str


def compare(records: Sequence[Record], *, node: str, blob: Blob, profiles: Mapping[str, str]) -> dict[str, Any] | None:
    """Return where the newest boot of ``node`` went another way than a good one; None if it was not rejected.

    ``records`` are those whose signatures hold, by node in chain order; ``profiles`` the firmware profiles by node.
    ``first`` is None if there is no difference, or nothing to compare with: ``note`` then says which.
    """
    judged = [record for record in records if record.node == node and record.verdict]
    if not judged or judged[-1].verdict != "rejected":
        return None
    try:
        found = _read(judged[-1], blob=blob)
    except RingfenceError as error:
        return _nothing(f"the rejected boot cannot be read: {cut(str(error))}")
    troubles: list[str] = []
    for candidate in list(_candidates(records, rejected=judged[-1], profiles=profiles))[:_TRIES]:
        try:
            good = _read(candidate.record, blob=blob)
        except RingfenceError as error:
            troubles.append(f"a good boot cannot be read: {cut(str(error))}")
            continue
        return _compared(good, found, candidate=candidate)
    return _nothing(troubles[0] if troubles else "no good boot of the same image is on record to compare with")


def _nothing(note: str) -> dict[str, Any]:
    return {"compared": None, "pcrs": [], "first": None, "others": [], "note": note}


def _candidates(records: Sequence[Record], *, rejected: Record, profiles: Mapping[str, str]) -> Iterator[_Candidate]:
    """Yield the good boots to compare with, best first, the newest of a kind before older ones."""
    images = {(record.node, record.attempt): record.image for record in records if record.image is not None}
    image = images.get((rejected.node, rejected.attempt))
    accepted = [
        record
        for record in sorted(records, key=lambda record: record.recorded_at, reverse=True)
        if image is not None and record.verdict == "accepted" and images.get((record.node, record.attempt)) == image
    ]
    profile = profiles.get(rejected.node)
    others = [record for record in accepted if record.node != rejected.node]
    for record in accepted:
        if record.node == rejected.node:
            yield _Candidate(
                record=record, pcrs=_ALL, why="its own newest good boot that can be read, of the same image"
            )
    for record in others:
        if profile is not None and profiles.get(record.node) == profile:
            why = f"of the same image and firmware profile {profile}; PCR 1 is left out, each machine has its own"
            yield _Candidate(record=record, pcrs=_ALL - _MACHINES_OWN, why=why)
    for record in others:
        if profile is None or profiles.get(record.node) != profile:
            why = "of the same image on other firmware; only PCR 4 and those from 8 on are compared"
            yield _Candidate(record=record, pcrs=_IMAGES, why=why)


def _read(record: Record, *, blob: Blob) -> _Boot:
    appraisal = record.appraisal
    assert isinstance(appraisal, Appraisal)  # noqa: S101 - whoever has a verdict has an appraisal
    evidence = RawReader(blob).read(appraisal.evidence)
    # What the policy put up with does not matter here: a log that can be read at all is worth comparing.
    log = replay_log(evidence.event_log, bank=BANK, allowed=frozenset(Workaround))
    return _Boot(record=record, verdict=appraisal.verdict or {}, log=log, values=evidence.pcrs)


def _compared(good: _Boot, found: _Boot, *, candidate: _Candidate) -> dict[str, Any]:
    pcrs: Collection[int] = sorted(candidate.pcrs & good.values.keys() & found.values.keys())
    first = first_divergence(good.log, found.log, quoted=pcrs)
    others = [parted for parted in divergences(good.log, found.log, quoted=pcrs) if parted != first]
    return {
        "compared": {
            "node": good.record.node,
            "sequence": good.record.sequence,
            "at": good.record.recorded_at.isoformat(),
            "why": candidate.why,
        },
        "pcrs": pcrs,
        "first": None if first is None else _difference(first, found=found),
        "others": [parted.describe() for parted in others],
        "note": "the two boots measured the same" if first is None else _doubt(first, found=found),
    }


def _difference(first: Divergence, *, found: _Boot) -> dict[str, Any]:
    return {
        "text": first.describe(),
        "kind": first.kind.value,
        "pcr": first.pcr,
        "position": first.position,
        "expected": _event(first.expected),
        "found": _event(first.found),
        "replays": found.log.values[first.pcr] == found.values[first.pcr],
    }


def _doubt(first: Divergence, *, found: _Boot) -> str | None:
    if found.log.values[first.pcr] != found.values[first.pcr]:
        return f"the log of the rejected boot does not lead to the value of PCR {first.pcr}: its events may be made up"
    vector = found.verdict.get("ear.trustworthiness-vector", {})
    if vector.get("instance-identity") == Trustworthiness.CONTRAINDICATED:
        return "the verdict speaks against who sent this log as well: its events may be made up"
    return None


def _event(event: LogEvent | None) -> dict[str, Any] | None:
    if event is None:
        return None
    told = {"event": event.index, "type": event.type_name, "description": describe_event(event)}
    return told | {"digest": event.digest.hex()}


def text(found: Mapping[str, Any]) -> list[str]:
    """Return what ``compare`` found as lines for a terminal."""
    lines = ["against a good boot"]
    compared, first = found["compared"], found["first"]
    if compared:
        lines.append(f"  node {compared['node']}, record {compared['sequence']} of {compared['at'][:19]}")
        lines.append(f"  ({compared['why']})")
    if first:
        lines.append(f"  first difference: {first['text']}")
        lines += [f"    {name + ':':<9} {_shown(first[name])}" for name in ("expected", "found")]
        lines += [f"  also: {other}" for other in found["others"]]
    if found["note"]:
        lines.append(f"  {found['note']}")
    return lines


def _shown(event: Mapping[str, Any] | None) -> str:
    if event is None:
        return "nothing"
    return f"{event['digest']} event {event['event']} {event['type']}"
