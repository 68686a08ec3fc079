"""What an auditor asks of a history: who was where at a moment, and between two.

Rules: an answer says what was on record up to the moment that it is about; what came after it, it tells apart. A
member's standing is as good as its last proof: how old that was is part of each answer. Nothing is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.errors.taxonomy import InputError
from reconciler.evidence.history.chronicle import Scope, arrival
from reconciler.evidence.history.values import HeldKey, History, PortsRead, Standing, Stay, UnderCommit
from reconciler.evidence.statement import Record
from reconciler.model.record import Event

_MANY = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where one node stood at a moment, as far as it was on record by then.

    ``proof`` is its last accepted appraisal up to the moment, in the attempt that it was in; ``proof_age_s`` is how
    long before the moment that evidence came. ``commit`` is the desired state that its newest record by then names.
    ``is_doubted`` says that evidence of it had been rejected by then, ``is_confirmed`` that it had called from inside.
    """

    stay: Stay
    moment: datetime
    commit: str
    proof: Record | None
    proof_age_s: float | None
    keys: tuple[HeldKey, ...]
    ports: PortsRead | None
    is_doubted: bool
    is_confirmed: bool


def situations(history: History, moment: datetime, *, scope: Scope) -> tuple[Situation, ...]:
    """Return where each node in ``scope`` stood at ``moment``, by name.

    ``history`` is one whose window is ``times.up_to(moment)``. Nodes without a record by then are left out.
    """
    found = (_situation(stay, moment) for stay in stays(history, scope=scope) if _covers(stay, moment))
    return tuple(one for one in found if one.commit.startswith(scope.commit or ""))


def stays(history: History, *, scope: Scope) -> tuple[Stay, ...]:
    """Return the stays in ``scope``, by node and time."""
    return tuple(
        stay
        for node, own in history.stays.items()
        if scope.node in {None, node}
        for stay in own
        if scope.enclave in {None, stay.enclave}
        and scope.window.meets(stay.since, stay.until)
        and any(one.commit.startswith(scope.commit or "") for one in stay.commits)
    )


def memberships(found: tuple[Stay, ...]) -> dict[str, tuple[Stay, ...]]:
    """Return the stays of members by enclave, the earliest first."""
    by_enclave: dict[str, list[Stay]] = {}
    for stay in found:
        if stay.standing is Standing.MEMBER:
            by_enclave.setdefault(stay.enclave or "", []).append(stay)
    ordered = {name: sorted(own, key=lambda stay: (stay.since, stay.node)) for name, own in by_enclave.items()}
    return {name: tuple(own) for name, own in sorted(ordered.items())}


def endings(stay: Stay, history: History) -> tuple[Event, ...]:
    """Return what ended ``stay``: an event, and if that was its parking, what came of the parking; none if it lasts.

    A member that lost trust is parked first and rejected then, one that leaves is parked first and returned then.
    """
    if stay.ended_by is None:
        return ()
    following = history.stays[stay.node][stay.number]
    later = following.ended_by if following.standing is Standing.PARKED else None
    return (stay.ended_by,) if later is None else (stay.ended_by, later)


def commits(history: History) -> tuple[UnderCommit, ...]:
    """Return what was recorded under each commit in the scope that ``history`` was made with."""
    return history.commits


def enclaves(history: History) -> tuple[str, ...]:
    """Return every enclave that a stay is for."""
    return tuple(sorted({stay.enclave for own in history.stays.values() for stay in own if stay.enclave}))


def check_known(history: History, *, scope: Scope) -> None:
    """Raise InputError if ``scope`` names a node, an enclave or a commit that no record in ``history`` names."""
    named = {one.commit for own in history.stays.values() for stay in own for one in stay.commits}
    _check("node", scope.node, tuple(history.stays))
    _check("enclave", scope.enclave, enclaves(history))
    if scope.commit is not None and not any(one.startswith(scope.commit) for one in named):
        hint = "give the beginning of a commit's id on the branch of the desired state: git log"
        raise InputError(f"commit {scope.commit}", "no record names it", reason="SubjectUnknown", hint=hint)


def _check(kind: str, name: str | None, known: tuple[str, ...]) -> None:
    if name is None or name in known:
        return
    shown = ", ".join(known[:_MANY]) + (", …" if len(known) > _MANY else "")
    hint = f"on record are: {shown}" if known else "there are no records yet"
    raise InputError(f"{kind} {name}", "no record names it", reason="SubjectUnknown", hint=hint)


def _covers(stay: Stay, moment: datetime) -> bool:
    return stay.since <= moment and (stay.until is None or moment < stay.until)


def _situation(stay: Stay, moment: datetime) -> Situation:
    proof = stay.proofs_within.last
    return Situation(
        stay=stay,
        moment=moment,
        commit=stay.commit_at(moment),
        proof=proof,
        proof_age_s=None if proof is None else (moment - arrival(proof)).total_seconds(),
        keys=stay.keys_at(moment),
        ports=stay.ports_at(moment),
        is_doubted=stay.doubts is not None and stay.doubts.recorded_at <= moment,
        is_confirmed=stay.confirmed_at is not None and stay.confirmed_at <= moment,
    )
