"""What one node's evidence is held against, all of it from the trusted commit and the record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.model.kinds import Measurements
from reconciler.model.policy import AppraisalPolicySpec
from reconciler.model.submission import BootClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The reference values, endorsements and freshness for one appraisal.

    ``endorsement`` is ``sha256:`` over the EK's SubjectPublicKeyInfo, ``ek_roots`` are PEM certificates (one or
    more a value), ``ek_intermediates`` the same, ``ek_crls`` revocation lists (PEM or DER). ``profile`` is the node's
    firmware profile. ``previous`` is the clock of the node's last accepted
    quote, if there ever was one. ``must_be_same_boot`` is set for a member: a reset means that a full join is due.
    ``judged_at`` is the time against which certificate dates and the challenge's age are judged.
    """

    node: str
    enclave: str
    commit: str
    attempt: str
    endorsement: str
    ek_roots: tuple[bytes, ...]
    ek_intermediates: tuple[bytes, ...]
    ek_crls: tuple[bytes, ...]
    policy: AppraisalPolicySpec
    measurements: Measurements
    profile: str
    previous: BootClock | None
    must_be_same_boot: bool
    judged_at: datetime
