"""What one node's evidence is held against, all of it from the trusted commit and the record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.model.desired import DesiredState
from reconciler.model.families import Family, Overlay
from reconciler.model.kinds import Measurements
from reconciler.model.policy import AppraisalPolicySpec
from reconciler.model.submission import BootClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Which attempt an appraisal is about, and how fresh its evidence must be.

    ``commit`` is the desired state that the challenge was for. ``previous`` is the clock of the node's last accepted
    quote, if there ever was one. ``must_be_same_boot`` is set for a member: a reset means that a full join is due.
    ``judged_at`` is the time against which certificate dates and the challenge's age are judged.
    """

    node: str
    enclave: str
    commit: str
    attempt: str
    previous: BootClock | None
    must_be_same_boot: bool
    judged_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation(Attempt):
    """The reference values and endorsements for one appraisal.

    ``endorsement`` is ``sha256:`` over the EK's SubjectPublicKeyInfo, ``ek_roots`` are PEM certificates (one or
    more a value), ``ek_intermediates`` the same, ``ek_crls`` revocation lists (PEM or DER). ``policy`` is whole, with
    what it includes. ``profile``, ``family`` and ``overlays`` are the node's firmware.
    """

    endorsement: str
    ek_roots: tuple[bytes, ...]
    ek_intermediates: tuple[bytes, ...]
    ek_crls: tuple[bytes, ...]
    policy: AppraisalPolicySpec
    measurements: Measurements
    profile: str
    family: Family = Family.UEFI
    overlays: tuple[Overlay, ...] = ()


def expect(desired: DesiredState, *, attempt: Attempt, policy: str, measurements: Measurements) -> Expectation:
    """Return what ``desired`` holds the evidence of ``attempt`` against; all names are of documents in it.

    ``measurements`` are those of the image that the node was assigned, which an older commit may hold.
    """
    node = desired.nodes[attempt.node].spec
    return Expectation(
        node=attempt.node,
        enclave=attempt.enclave,
        commit=attempt.commit,
        attempt=attempt.attempt,
        previous=attempt.previous,
        must_be_same_boot=attempt.must_be_same_boot,
        judged_at=attempt.judged_at,
        endorsement=node.tpm.endorsement,
        ek_roots=desired.ek_roots,
        ek_intermediates=desired.ek_intermediates,
        ek_crls=desired.ek_crls,
        policy=desired.policies[policy].spec,
        measurements=measurements,
        profile=node.firmware.profile,
        family=node.firmware.family,
        overlays=node.firmware.overlays,
    )
