"""The appraisal: evidence and an expectation in, Accepted or Rejected out.

Only this module builds a verdict. It never raises on anything that a node can send:
what cannot be parsed is a reason like any other, and all reasons are given, not only
the first. It knows no clock: ``judged_at`` is part of the expectation.

Not checked here: manufacturer and model in EK certificates; physical presence; whether
the seed of the credential was encrypted to the certified EK (see ``credential``).
Firmware about which the policy asserts nothing is not judged, and the verdict's vector
says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from reconciler.attest.codes import CODES
from reconciler.attest.expectation import Expectation
from reconciler.attest.parts import Parts
from reconciler.attest.tpm.attestation import Quote
from reconciler.attest.tpm.clock import check_clock
from reconciler.attest.tpm.public import PublicKey
from reconciler.attest.tpm.quote import check_enrolled_quote
from reconciler.attest.verdict import Accepted, Reason, Rejected
from reconciler.model.binding import qualifying_data
from reconciler.model.submission import Evidence

CHALLENGE_LIFETIME = timedelta(minutes=10)
"""Evidence for a challenge older than this is not accepted any more."""

_NONCE_SIZE = 32
_FRESH = Parts()


def appraise(evidence: Evidence, *, expectation: Expectation, parts: Parts = _FRESH) -> Accepted | Rejected:
    """Judge ``evidence`` and return the verdict, with every reason that was found.

    1. The challenge: the evidence is of this node, enclave, commit and attempt, fresh, with a whole nonce.
    2. The endorsement: the EK certificate chains to a trusted root, and the EK is the one pinned for the node.
    3. The attestation key: attributes and algorithms keep it to what its TPM made.
    4. The activation: the TPM with that EK holds that key.
    5. The quote: signed by that key, over this challenge, the required PCRs and the claimed values.
    6. The clock: this boot, after all that was accepted before.
    7. The event log: it parses, and replays to every quoted value.
    8. The grammar: the firmware's PCRs hold what they may, where they may.
    9. The image: PCR 4, 9, 11 and 12 hold exactly its measurements, and no other PCR above the firmware's any.
    10. The firmware: reference values by profile and by node.
    11. The facts: all that the policy asserts is proven by events, and as it says.
    12. The kernel: all that IMA measured is allowed.

    A policy that lacks what it takes to judge, or asserts nothing, accepts nothing. ``parts`` are the checks whose
    input recurs; somebody who judges much gives parts that remember (``appraiser``), and the verdict is the same.
    """
    policy = expectation.policy
    reasons = list(parts.lacks(policy))
    # 1. The challenge.
    reasons += _check_challenge(evidence, expectation=expectation)
    # 2. The endorsement.
    endorsed = parts.endorsement(evidence, expectation=expectation)
    reasons += endorsed.reasons
    # 3. to 6. The attestation key, its activation, what it signed and when.
    found, quote = _check_key_and_quote(evidence, expectation=expectation, ek=endorsed.key, parts=parts)
    reasons += found
    # 7. to 12. The logs, and what they show of firmware, image and kernel.
    boot = parts.boot(evidence, expectation=expectation)
    reasons += boot.reasons
    common: dict[str, Any] = {
        "node": expectation.node,
        "enclave": expectation.enclave,
        "commit": expectation.commit,
        "attempt": expectation.attempt,
        "session": evidence.session,
        "nonce": evidence.nonce,
        "vector": parts.vector(reasons, policy=policy),
        "weakenings": parts.weakenings(policy),
        "workarounds": boot.workarounds,
        "endorsement": endorsed.endorsement,
    }
    # A quote that could not be parsed has given its reason; without one there is no boot to accept.
    if reasons or quote is None:
        return Rejected(**common, reasons=tuple(reasons))
    return Accepted(**common, ephemeral=evidence.ephemeral, clock=quote.clock)


def _check_challenge(evidence: Evidence, *, expectation: Expectation) -> Iterator[Reason]:
    for code, expected, found in (
        ("NodeMismatch", expectation.node, evidence.node),
        ("EnclaveMismatch", expectation.enclave, evidence.enclave),
        ("CommitMismatch", expectation.commit, evidence.commit),
        ("AttemptMismatch", expectation.attempt, evidence.attempt),
    ):
        if expected != found:
            yield Reason(code=code, message=CODES[code].meaning, expected=expected, found=found)
    if len(evidence.nonce) != _NONCE_SIZE:
        found_size = f"{len(evidence.nonce)} bytes"
        yield Reason(
            code="NonceMalformed",
            message="the nonce is not whole",
            expected=f"{_NONCE_SIZE} bytes",
            found=found_size,
        )
    age = expectation.judged_at - evidence.challenged_at
    if not timedelta(0) <= age <= CHALLENGE_LIFETIME:
        yield Reason(
            code="ChallengeExpired",
            message="the challenge was issued too long ago, or not yet",
            expected=f"0 to {CHALLENGE_LIFETIME.total_seconds():.0f} s",
            found=f"{age.total_seconds():.0f} s",
        )


def _check_key_and_quote(
    evidence: Evidence, *, expectation: Expectation, ek: PublicKey | None, parts: Parts
) -> tuple[list[Reason], Quote | None]:
    # 3. The attestation key. If there is none, all that can be judged without it is judged all the same.
    ak = parts.attestation_key(evidence, ek=ek)
    reasons = list(ak.reasons)
    # 4. The activation.
    reasons += parts.activation(evidence, ak_name=ak.name)
    # 5. The quote.
    found, quote = check_enrolled_quote(
        evidence.quote,
        signature=evidence.signature,
        key=ak.enrolled,
        extra_data=qualifying_data(
            nonce=evidence.nonce,
            node=evidence.node,
            enclave=evidence.enclave,
            commit=evidence.commit,
            ephemeral=evidence.ephemeral,
        ),
        requirement=parts.requirement(expectation.policy),
        values={expectation.policy.bank: evidence.pcrs},
    )
    reasons += found
    # 6. The clock.
    if quote is not None:
        reasons += check_clock(quote, previous=expectation.previous, must_be_same_boot=expectation.must_be_same_boot)
    return reasons, quote
