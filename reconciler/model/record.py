"""What the evidence branch says of a node: the events that are recorded, and their sum.

A head is the fold of a node's statements; it is a cache of them and is checked
against them by the audit.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from reconciler.model.base import Digest, Name, Uint64, Value
from reconciler.model.phase import Phase


class Event(StrEnum):
    """What can happen to a node that is worth a record."""

    PARKED = "parked"
    """Its ports lead nowhere, and were read back."""
    ASSIGNED = "assigned"
    """It is in its airlock and will boot an image for an enclave."""
    ENROLLED = "enrolled"
    """A TPM in its airlock showed its endorsement and proved that an attestation key is its own."""
    APPRAISED = "appraised"
    """Its evidence was judged; accepted or rejected."""
    RELEASED = "released"
    """These key versions are about to be handed to it; from here on it counts as knowing them."""
    ADMITTED = "admitted"
    """Its ports were moved to the enclave's network, and read back."""
    CONFIRMED = "confirmed"
    """It called from inside the enclave's network."""
    REJECTED = "rejected"
    """It lost trust; its ports are parked."""
    RETURNED = "returned"
    """It is powered off, parked and back in the pool."""


class Clock(Value):
    """The TPM's clock at the last accepted quote; see ``BootClock``."""

    reset_count: Uint64
    restart_count: Uint64
    clock: Uint64
    firmware_version: Uint64


class ImaTip(Value):
    """The end of a recorded IMA log: its newest link (``evidence.segments``), its size in bytes and its digest."""

    link: Digest
    size: Annotated[int, Field(ge=1)]
    digest: Digest


class Head(Value):
    """The sum of a node's statements.

    ``sequence`` and ``digest`` are those of its newest statement, ``commit`` the desired state it was made under.
    ``nonce`` (hexadecimal), ``proven_commit`` and ``clock`` belong to the last accepted appraisal of ``attempt``;
    ``clock_before`` is the clock that appraisal was held against, so that it can be repeated. ``contacted_at`` is
    when the node enrolled in this attempt. ``keys`` are the versions it knows, by name. ``rejection`` is the
    sequence number of the statement that rejected it, until it returns to the pool. ``enrolment`` is the blob that its
    newest session began with. ``ima`` is where its recorded IMA log ends. ``is_parked`` says what is on record of its
    ports: None if nothing is. ``ports`` are their states as they were read back and recorded last, by interface.
    """

    node: Name
    sequence: Annotated[int, Field(ge=1)]
    digest: Digest
    phase: Phase
    enclave: Name | None = None
    attempt: str | None = None
    image: Digest | None = None
    commit: str
    nonce: str | None = None
    proven_commit: str | None = None
    clock: Clock | None = None
    clock_before: Clock | None = None
    assigned_at: datetime | None = None
    contacted_at: datetime | None = None
    accepted_at: datetime | None = None
    admitted_at: datetime | None = None
    confirmed_at: datetime | None = None
    keys: dict[Name, int] = Field(default_factory=dict)
    rejection: int | None = None
    enrolment: Digest | None = None
    ima: ImaTip | None = None
    is_parked: bool | None = None
    ports: dict[str, str] | None = None
