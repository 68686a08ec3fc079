"""What one node's evidence is held against, all of it from the trusted commit and the record."""

from __future__ import annotations

from dataclasses import dataclass, fields
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
class Rules:
    """The reference values and endorsements that a node is held against, whatever the attempt.

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

    def hold(self, attempt: Attempt) -> Expectation:
        """Return the expectation that holds ``attempt`` against these rules."""
        own = {name: getattr(attempt, name) for name in Attempt.__slots__}
        return Expectation(**own, **{name: getattr(self, name) for name in Rules.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation(Attempt):
    """One attempt, and the rules that it is held against; the fields are those of ``Attempt`` and ``Rules``."""

    endorsement: str
    ek_roots: tuple[bytes, ...]
    ek_intermediates: tuple[bytes, ...]
    ek_crls: tuple[bytes, ...]
    policy: AppraisalPolicySpec
    measurements: Measurements
    profile: str
    family: Family = Family.UEFI
    overlays: tuple[Overlay, ...] = ()

    def rules(self) -> Rules:
        """Return the rules alone."""
        return Rules(**{f.name: getattr(self, f.name) for f in fields(Rules)})


def rules_for(desired: DesiredState, *, node: str, policy: str, measurements: Measurements) -> Rules:
    """Return the rules of ``desired`` for ``node``; all names are of documents in it.

    ``measurements`` are those of the image that the node was assigned, which an older commit may hold.
    """
    spec = desired.nodes[node].spec
    return Rules(
        endorsement=spec.tpm.endorsement,
        ek_roots=desired.ek_roots,
        ek_intermediates=desired.ek_intermediates,
        ek_crls=desired.ek_crls,
        policy=desired.policies[policy].spec,
        measurements=measurements,
        profile=spec.firmware.profile,
        family=spec.firmware.family,
        overlays=spec.firmware.overlays,
    )


def expect(desired: DesiredState, *, attempt: Attempt, policy: str, measurements: Measurements) -> Expectation:
    """Return what ``desired`` holds the evidence of ``attempt`` against, by ``rules_for``."""
    return rules_for(desired, node=attempt.node, policy=policy, measurements=measurements).hold(attempt)
