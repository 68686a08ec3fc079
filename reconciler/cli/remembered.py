"""What a clone knows of the site without seeing it: the evidence branch's heads, records and recorded observation.

The branch's newest commit must be signed by an evidence signer; then all of it is, as far as that signer goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.cli.archive import evidence_tip, open_archive, read_heads, records_on
from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.evidence.audit import Archive
from reconciler.evidence.statement import Record
from reconciler.model.desired import DesiredState
from reconciler.model.record import Head
from reconciler.model.recorded import RecordedObservation
from reconciler.plan.recorded import parse_recorded
from reconciler.repo.git import Git
from reconciler.repo.reader import EvidenceReader
from reconciler.repo.signers import AllowedSigners

OLD = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The evidence branch as it was found; without one, nothing was ever seen."""

    heads: Mapping[str, Head]
    observation: RecordedObservation | None
    records: tuple[Record, ...]
    archive: Archive | None


def remember(git: Git, *, desired: DesiredState, signers: AllowedSigners, with_records: bool) -> Memory:
    """Return what the evidence branch that ``desired`` names says; TrustError if nobody who may signed its tip."""
    spec = desired.repository.spec.evidence
    tip = evidence_tip(git, spec.branch)
    if tip is None:
        return Memory(heads={}, observation=None, records=(), archive=None)
    if git.verify_commit(tip, allowed=signers.only(spec.signers)) is None:
        hint = "run ringfence audit; fetch the branch from where the reconciler writes it"
        message = f"its tip {tip[:12]} is not signed by an evidence signer"
        raise TrustError(f"branch {spec.branch}", message, reason="EvidenceForeign", hint=hint)
    reader = EvidenceReader(git, commit=tip)
    content = reader.observation()
    return Memory(
        heads=read_heads(reader),
        observation=parse_recorded(content) if content else None,
        records=tuple(records_on(git, reader, desired=desired)) if with_records else (),
        archive=open_archive(git, blob=reader.blob, trusted=desired.commit),
    )


def required(memory: Memory) -> RecordedObservation:
    """Return the recorded observation; raise InputError if there is none."""
    if memory.observation is None:
        hint = "fetch the evidence branch, let the reconciler make a pass, or give --settings to look now"
        raise InputError("observation", "none is recorded in this clone", reason="NoObservation", hint=hint)
    return memory.observation


def nothing_seen(desired: DesiredState, *, now: datetime) -> RecordedObservation:
    """Return the record of somebody who has seen nothing."""
    return RecordedObservation(
        commit=desired.commit,
        observed_at=now,
        fingerprint="0" * 64,
        power={},
        ports={},
        assignments={},
        key_versions={},
    )


def as_seen(observed_at: datetime, *, now: datetime) -> str:
    """Return when something was seen, as people say it: ``as seen 4 minutes ago (2026-11-24T12:00:00Z)``."""
    return f"as seen {_ago(now - observed_at)} ({observed_at:%Y-%m-%dT%H:%M:%SZ})"


def _ago(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    for unit, size, limit in (("second", 1, 120), ("minute", 60, 120 * 60), ("hour", 3600, 48 * 3600)):
        if seconds < limit:
            return _count(seconds // size, unit)
    return _count(seconds // 86400, "day")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" + ("" if number == 1 else "s") + " ago"


def warning_of(observed_at: datetime, *, now: datetime) -> str:
    """Return what to say of a record that is very old; empty if it is not."""
    if now - observed_at < OLD:
        return ""
    return "the record is old: is the reconciler running, and is the evidence branch fetched?"
