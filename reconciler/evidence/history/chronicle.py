"""From records to a history, one record after the other.

Rules: each node's records come in the order of its chain; how those of several nodes are mixed does not matter. Memory
is for nodes and stays: of the proofs of one stay the first and the last are kept. A record that is dated before the
one ahead of it counts as of the same instant, so that a node's time never runs backwards; finding that is the audit's.
Nothing is judged here: what the records say is taken as said.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from reconciler.evidence.history.times import Window
from reconciler.evidence.history.values import (
    CommitSince,
    HeldKey,
    History,
    PortsRead,
    Proofs,
    Standing,
    Stay,
    UnderCommit,
)
from reconciler.evidence.statement import Record
from reconciler.model.record import Event

_STANDINGS = {
    Event.ASSIGNED: Standing.AIRLOCK,
    Event.ADMITTED: Standing.MEMBER,
    Event.REJECTED: Standing.REJECTED,
    Event.RETURNED: Standing.FREE,
}
_ALWAYS = Window()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an auditor asks about; None asks about everything. ``commit`` may be the beginning of an id."""

    window: Window = _ALWAYS
    node: str | None = None
    enclave: str | None = None
    commit: str | None = None

    def has(self, record: Record, *, moment: datetime) -> bool:
        """Return whether ``record``, of that ``moment``, is asked about."""
        return (
            self.window.has(moment)
            and self.node in {None, record.node}
            and self.enclave in {None, record.enclave}
            and record.commit.startswith(self.commit or "")
        )


@dataclass(slots=True, kw_only=True)
class _Tally:
    tree: str
    first: datetime
    last: datetime
    events: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    nodes: set[str] = field(default_factory=set)


class Chronicle:
    """Takes records and adds them up."""

    def __init__(self, scope: Scope | None = None) -> None:
        """Count ``Stay.proofs_within`` and what happened under commits in ``scope``, by default in all records."""
        self._scope = scope or Scope()
        self._over: dict[str, list[Stay]] = {}
        self._open: dict[str, Stay] = {}
        self._now: dict[str, datetime] = {}
        self._tallies: dict[str, _Tally] = {}
        self._records = 0

    def add(self, record: Record) -> None:
        """Take the next record of its node."""
        node = record.node
        moment = max(self._now.get(node, record.recorded_at), record.recorded_at)
        self._now[node] = moment
        self._records += 1
        before = self._open.get(node)
        stay = _follow(before, record, moment=moment, is_within=self._scope.window.has(moment))
        if before is not None and stay.number != before.number:
            self._over.setdefault(node, []).append(replace(before, until=moment, ended_by=record.event))
        self._open[node] = stay
        if self._scope.has(record, moment=moment):
            self._count(record, moment=moment)

    def history(self) -> History:
        """Return what the records so far add up to."""
        stays = {node: (*self._over.get(node, ()), now) for node, now in sorted(self._open.items())}
        return History(
            stays=stays,
            commits=tuple(
                UnderCommit(
                    commit=commit,
                    tree=tally.tree,
                    first=tally.first,
                    last=tally.last,
                    events=dict(sorted(tally.events.items())),
                    accepted=tally.accepted,
                    nodes=tuple(sorted(tally.nodes)),
                )
                for commit, tally in sorted(self._tallies.items(), key=lambda item: (item[1].first, item[0]))
            ),
            records=self._records,
            first=min((own[0].since for own in stays.values()), default=None),
            last=max(self._now.values(), default=None),
        )

    def _count(self, record: Record, *, moment: datetime) -> None:
        tally = self._tallies.get(record.commit)
        if tally is None:
            tally = self._tallies[record.commit] = _Tally(tree=record.tree, first=moment, last=moment)
        tally.first, tally.last = min(tally.first, moment), max(tally.last, moment)
        tally.events[record.event.value] += 1
        tally.accepted += record.verdict == "accepted"
        tally.nodes.add(record.node)


def _follow(stay: Stay | None, record: Record, *, moment: datetime, is_within: bool) -> Stay:
    """Return the stay that a node is in after ``record``: ``stay`` with what is new, or the next one.

    ``is_within`` says that ``moment`` lies in the window that is asked about.
    """
    standing = _standing_after(stay, record)
    if stay is None or standing is not None:
        stay = _begin(stay, record, standing=standing or Standing.FREE, moment=moment)
    changes = _changes(stay, record, moment=moment)
    if stay.commits[-1].commit != record.commit:
        changes["commits"] = (*stay.commits, CommitSince(commit=record.commit, since=moment))
    if is_within and record.verdict == "accepted":
        changes["proofs_within"] = _with_proof(stay.proofs_within, record)
    return replace(stay, last_sequence=record.sequence, **changes)


def _standing_after(stay: Stay | None, record: Record) -> Standing | None:
    """Return the standing that begins with ``record``, None where the one before goes on."""
    now = stay.standing if stay else None
    if record.event is Event.PARKED:
        return Standing.PARKED if now in {Standing.AIRLOCK, Standing.MEMBER} else None
    new = _STANDINGS.get(record.event)
    goes_on = new is now and new in {Standing.MEMBER, Standing.REJECTED, Standing.FREE}
    return None if goes_on else new


def _begin(before: Stay | None, record: Record, *, standing: Standing, moment: datetime) -> Stay:
    stay = Stay(
        node=record.node,
        number=before.number + 1 if before else 1,
        standing=standing,
        since=moment,
        until=None,
        began_by=record.event,
        ended_by=None,
        sequence=record.sequence,
        last_sequence=record.sequence,
        commits=(CommitSince(commit=record.commit, since=moment),),
    )
    if standing is Standing.FREE:
        return stay
    if standing is Standing.AIRLOCK or before is None:
        keys = before.keys if before else ()
        return replace(stay, enclave=record.enclave, attempt=record.attempt, image=record.image, keys=keys)
    return replace(
        stay,
        enclave=before.enclave,
        attempt=before.attempt,
        image=before.image,
        image_name=before.image_name,
        keys=before.keys,
        enrolled_at=before.enrolled_at,
        # The proof that a member was admitted on is the first that it stays on.
        proofs=_carried(before.proofs),
        proofs_within=_carried(before.proofs_within),
        doubts=None if standing is Standing.MEMBER else before.doubts,
    )


def _carried(proofs: Proofs) -> Proofs:
    return Proofs(number=1, first=proofs.last, last=proofs.last) if proofs.last else Proofs()


def _changes(stay: Stay, record: Record, *, moment: datetime) -> dict[str, Any]:
    """Return what ``record`` changes in the stay that it belongs to."""
    changes: dict[str, Any] = {}
    if record.ports and (not stay.ports or stay.ports[-1].ports != record.ports):
        changes["ports"] = (*stay.ports, PortsRead(since=moment, ports=record.ports))
    if record.causes:
        changes["causes"] = tuple(dict.fromkeys((*stay.causes, *record.causes)))
    match record.event:
        case Event.APPRAISED if record.verdict == "accepted":
            name = record.appraisal.image if record.appraisal else None
            changes |= {"proofs": _with_proof(stay.proofs, record), "image_name": name}
        case Event.APPRAISED:
            changes["doubts"] = stay.doubts or record
        case Event.RELEASED:
            changes["keys"] = _with_keys(stay.keys, record, moment=moment)
        case Event.ENROLLED:
            changes["enrolled_at"] = moment
        case Event.CONFIRMED:
            changes["confirmed_at"] = stay.confirmed_at or moment
        case _:
            pass
    return changes


def _with_proof(proofs: Proofs, record: Record) -> Proofs:
    before = proofs.last
    gap = (arrival(record) - arrival(before)).total_seconds() if before else 0.0
    return Proofs(
        number=proofs.number + 1,
        first=proofs.first or record,
        last=record,
        longest_gap_s=max(proofs.longest_gap_s, gap),
    )


def arrival(proof: Record) -> datetime:
    """Return when the evidence of an appraisal came; when it was recorded, if that is not said."""
    if proof.appraisal is not None:
        return proof.appraisal.evidence.received_at
    return proof.recorded_at


def _with_keys(keys: tuple[HeldKey, ...], record: Record, *, moment: datetime) -> tuple[HeldKey, ...]:
    known = {(key.name, key.version) for key in keys}
    new = [
        HeldKey(name=name, version=version, since=moment, sequence=record.sequence)
        for name, version in sorted(record.keys.items())
        if (name, version) not in known
    ]
    return (*keys, *new)
