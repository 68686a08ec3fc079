"""The lease of the evidence branch (``writer.json``): which machine writes it, and until when nobody else may.

Rules:
1. a lease belongs to a machine, not to a process: the same one goes on with it after a restart;
2. one that has run out is taken over with the next epoch; ``MARGIN`` is left for clocks that differ;
3. the lease of another that has not run out is never taken over.
That only one can win a takeover is the work of the push that brings it, not of this file.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field, ValidationError

from reconciler.errors.taxonomy import TransientError, TrustError
from reconciler.evidence.canonical import canonical_value, is_canonical, to_json
from reconciler.model.base import Value

LASTS = timedelta(minutes=10)
"""For how long a lease is given each time."""
MARGIN = timedelta(minutes=1)
_RENEWED_BELOW = 2 / 3
_ALONE_BELOW = 1 / 3


class Lease(Value):
    """Who writes the branch: ``writer`` is the machine's own id, ``since`` when this epoch began."""

    writer: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,127}$")]
    epoch: Annotated[int, Field(ge=1, lt=1 << 53)]
    since: AwareDatetime
    until: AwareDatetime


def lease_bytes(lease: Lease) -> bytes:
    """Return ``lease`` as it stands on the branch."""
    return canonical_value(lease)


def parse_lease(content: bytes) -> Lease:
    """Return the lease in ``content``; TrustError if it is not one of ours, byte for byte."""
    try:
        lease = Lease.model_validate_json(content)
    except ValidationError:
        lease = None
    if lease is None or not is_canonical(content, to_json(lease)):
        message = "it is not a lease that ringfence writes"
        raise TrustError("evidence lease", message, reason="LeaseMalformed", hint="the evidence branch was altered")
    return lease


def next_lease(lease: Lease | None, *, writer: str, now: datetime) -> Lease | None:
    """Return the lease that ``writer`` has to write now, None if its own lasts long enough.

    TransientError (``EvidenceLeased``): another machine holds it.
    """
    until = now + LASTS
    if lease is None:
        return Lease(writer=writer, epoch=1, since=now, until=until)
    if lease.writer != writer:
        if now < lease.until + MARGIN:
            raise leased(lease)
        return Lease(writer=writer, epoch=lease.epoch + 1, since=now, until=until)
    return _renewed(lease, now=now) if lease.until - now < LASTS * _ALONE_BELOW else None


def renewed(lease: Lease, *, now: datetime) -> Lease | None:
    """Return the writer's own ``lease`` as it is to be written along with something else, None if that is too early."""
    return _renewed(lease, now=now) if lease.until - now < LASTS * _RENEWED_BELOW else None


def released(lease: Lease, *, now: datetime) -> Lease | None:
    """Return ``lease`` given up by its writer; None if it has run out already."""
    return lease.model_copy(update={"until": now - MARGIN}) if lease.until > now else None


def is_takeover(lease: Lease | None, *, writer: str) -> bool:
    """Return whether ``writer`` would take ``lease`` over from another."""
    return lease is not None and lease.writer != writer


def leased(lease: Lease) -> TransientError:
    """Return the refusal of whoever is not the writer that ``lease`` names."""
    hint = "run one reconciler; this one takes over once the lease has run out, if the other does not renew it"
    message = f"is written by {lease.writer} since {lease.since:%Y-%m-%d %H:%M:%S} UTC, until {lease.until:%H:%M:%S}"
    return TransientError("evidence branch", message, reason="EvidenceLeased", hint=hint)


def _renewed(lease: Lease, *, now: datetime) -> Lease:
    return lease.model_copy(update={"until": now + LASTS})
