"""What a node's newest evidence is to be held against, from the desired state and its record."""

from __future__ import annotations

from reconciler.attest.expectation import Attempt, Expectation, expect
from reconciler.model.desired import DatedImage, DesiredState
from reconciler.model.observed import NodeObservation
from reconciler.model.phase import Phase
from reconciler.model.record import Clock, Head
from reconciler.model.submission import BootClock, Evidence


def expectation_for(desired: DesiredState, seen: NodeObservation) -> Expectation | None:
    """Return what the newest evidence of ``seen`` is to be held against.

    None where there is nothing to appraise: no evidence in the attempt that is served, an enclave that is gone, a
    node that was assigned other PCRs than today's or an image that it cannot be held against (it starts over, and that
    is no fault of its own), or evidence that has not been judged yet and was made for an older commit (the node is
    asked again).
    A recorded appraisal is repeated under the policy of today, against the commit and the clock of its record.
    """
    evidence, served = _evidence(seen), seen.assignment
    if evidence is None or served is None or served.enclave not in desired.enclaves:
        return None
    enclave = desired.enclaves[served.enclave]
    assigned = assigned_image(desired, seen)
    if assigned is None or served.pcrs != desired.policies[enclave.spec.policy].spec.pcrs:
        return None
    head = seen.head if seen.head is not None and seen.head.attempt == served.attempt else None
    is_recorded = head is not None and head.nonce == evidence.nonce.hex()
    commit = head.proven_commit if head is not None and is_recorded else desired.commit
    if commit is None or evidence.commit != commit:
        return None
    previous, must_be_same_boot = _freshness(seen.head, attempt=served.attempt, is_recorded=is_recorded)
    attempt = Attempt(
        node=seen.node,
        enclave=served.enclave,
        commit=commit,
        attempt=served.attempt,
        previous=previous,
        must_be_same_boot=must_be_same_boot,
        judged_at=evidence.received_at,
    )
    measurements = assigned.image.spec.measurements
    return expect(desired, attempt=attempt, policy=enclave.spec.policy, measurements=measurements)


def assigned_image(desired: DesiredState, seen: NodeObservation) -> DatedImage | None:
    """Return the image that evidence of ``seen`` is held against: what its enclave boots today.

    A member that was assigned another one is held against that one for as long as it is a member, if a trusted commit
    still says what it measures. None if there is nothing to hold it against.
    """
    served, head = seen.assignment, seen.head
    enclave = desired.enclaves.get(served.enclave) if served else None
    if served is None or enclave is None:
        return None
    today = desired.images[enclave.spec.image]
    if served.image == today.spec.digest:
        return DatedImage(commit=desired.commit, name=enclave.spec.image, image=today)
    if head is None or head.phase is not Phase.ENCLAVE:
        return None
    is_its_own = (head.attempt, head.image) == (served.attempt, served.image)
    return desired.find_image(served.image) if is_its_own else None


def _evidence(seen: NodeObservation) -> Evidence | None:
    session, served = seen.session, seen.assignment
    if session is None or served is None or session.attempt != served.attempt:
        return None
    return session.evidence


def _freshness(head: Head | None, *, attempt: str, is_recorded: bool) -> tuple[BootClock | None, bool]:
    """Return the clock that the quote must be newer than, and whether it must be of the same boot."""
    if head is None or head.clock is None:
        return None, False
    if is_recorded:
        before = to_boot_clock(head.clock_before)
        return before, before is not None and before.is_same_boot_as(_boot_clock(head.clock))
    return _boot_clock(head.clock), head.attempt == attempt and head.nonce is not None


def to_boot_clock(clock: Clock | None) -> BootClock | None:
    """Return the recorded clock in the verifier's form."""
    return None if clock is None else _boot_clock(clock)


def _boot_clock(clock: Clock) -> BootClock:
    return BootClock(
        reset_count=clock.reset_count,
        restart_count=clock.restart_count,
        clock=clock.clock,
        firmware_version=clock.firmware_version,
    )
