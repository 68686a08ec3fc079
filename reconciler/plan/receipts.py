"""What a node has said of the answer it was given: acknowledged, keyed, called from inside."""

from __future__ import annotations

from reconciler.model.observed import AnswerStatus
from reconciler.plan.scene import Scene


def is_answered(scene: Scene) -> bool:
    """Return whether the node was told that the verdict at hand is acceptance."""
    session = scene.seen.session
    return (
        session is not None
        and session.answered is not None
        and scene.verdict is not None
        and session.answered.status is AnswerStatus.ACCEPTED
        and session.answered.nonce == scene.verdict.nonce
    )


def has_acknowledged(scene: Scene) -> bool:
    """Return whether the node has acknowledged the answer to the verdict at hand."""
    session = scene.seen.session
    return (
        is_answered(scene)
        and session is not None
        and session.answered is not None
        and session.answered.receipts is not None
    )


def has_every_key(scene: Scene) -> bool:
    """Return whether the node has given a receipt for each of the enclave's keys and for no other."""
    session = scene.seen.session
    receipts = session.answered.receipts if session and session.answered else None
    return receipts is not None and set(receipts) == set(scene.enclave.spec.keys)


def is_present(scene: Scene) -> bool:
    """Return whether the node called from inside the wanted network after it was admitted."""
    session, head = scene.seen.session, scene.head
    if session is None or session.presence is None or head is None or head.admitted_at is None:
        return False
    network = scene.enclave.spec.networks[0]
    return session.presence.network == network and session.presence.seen_at >= head.admitted_at
