"""The gates, checked once more right before a key or a network is given.

The plan has asked the same questions; here they are asked of the world as it is at
this instant. Each gate passes by returning and stays shut by raising TrustError.

1. The verdict is acceptance, of this node, for this enclave.
2. It is recorded, and it is about the attempt that is served right now: this boot.
3. For a network: the node is known to be on, and its ports are known to be in its own airlock.
4. For a network: the node has shown that it holds every key of the enclave in its current version.
5. For an airlock: the node is known to be off, and no other port of the zone may carry the airlock's VLAN.
6. For power: the node's ports are known to be in its airlock, and what is served is recorded.
7. For an assignment, and for the way back to the pool: the node's ports are where the record is about to say they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reconciler.attest.verdict import Accepted
from reconciler.errors.taxonomy import TrustError
from reconciler.model.observed import Assignment, PortMode, PortState, PowerState, Session
from reconciler.model.record import Head
from reconciler.plan.actions import Port


def check_verdict(accepted: Accepted | None, *, node: str, enclave: str) -> Accepted:
    """Gate 1: return the verdict if it accepts ``node`` for ``enclave``."""
    if accepted is None:
        raise _shut(node, "nothing proves it", reason="GateNoVerdict")
    if (accepted.node, accepted.enclave) != (node, enclave):
        raise _shut(node, "the verdict is about another node or enclave", reason="GateOtherVerdict")
    return accepted


def check_this_boot(accepted: Accepted, *, head: Head | None, served: Assignment | None) -> Head:
    """Gate 2: return the head if the verdict is recorded in it and is about the attempt served now."""
    if head is None or head.nonce != accepted.nonce.hex() or head.enclave != accepted.enclave:
        raise _shut(accepted.node, "its verdict is not recorded", reason="GateNotRecorded")
    if served is None or not accepted.attempt == served.attempt == head.attempt:
        raise _shut(accepted.node, "its verdict is about another boot", reason="GateOtherBoot")
    return head


def check_in_airlock(
    node: str,
    *,
    power: PowerState,
    seen: Mapping[str, PortState],
    airlock: tuple[Port, ...],
    target: tuple[Port, ...],
) -> None:
    """Gate 3: the node is on, and its ports are in its airlock, or already where they are to go."""
    if power is not PowerState.ON:
        raise _shut(node, f"its power is {power.value.lower()}, not known to be on", reason="GatePower")
    if not (is_at(seen, airlock) or is_at(seen, target)):
        raise _shut(node, "its ports are not known to be in its airlock", reason="GateNotInAirlock")


def check_released(node: str, *, keys: Collection[str], head: Head) -> Mapping[str, int]:
    """Gate 4: return the versions of ``keys`` that are on record as handed to the node; none may be missing."""
    missing = [key for key in keys if key not in head.keys]
    if missing:
        raise _shut(node, f"key {missing[0]} was never released to it", reason="GateReceipts")
    return {key: head.keys[key] for key in keys}


def check_receipts(node: str, *, session: Session | None, expected: Mapping[str, str], nonce: bytes) -> None:
    """Gate 4: the node's receipts for ``nonce`` are those that only a holder of the keys can make."""
    answered = session.answered if session else None
    if answered is None or answered.nonce != nonce or answered.receipts is None:
        raise _shut(node, "it has not acknowledged its keys", reason="GateNotAcknowledged")
    if dict(answered.receipts) != dict(expected):
        raise _shut(node, "its receipts are not those of the current keys", reason="GateReceipts")


def check_airlock_is_own(node: str, *, power: PowerState, others: Mapping[str, PortState], vlan: int) -> None:
    """Gate 5: the node is off, and nobody else is on ``vlan``; a trunk or an unknown port may carry it."""
    if power is not PowerState.OFF:
        raise _shut(node, f"its power is {power.value.lower()}, not known to be off", reason="GatePower")
    shared = sorted(port for port, state in others.items() if state.vlan == vlan or state.mode is not PortMode.ACCESS)
    if shared:
        raise _shut(
            node, f"port {shared[0]} is not known to be outside its airlock's VLAN {vlan}", reason="GateAirlockShared"
        )


def check_may_boot(
    node: str,
    *,
    seen: Mapping[str, PortState],
    airlock: tuple[Port, ...],
    served: Assignment | None,
    head: Head | None,
) -> None:
    """Gate 6: the node's ports are in its airlock, and the attempt that is served is recorded."""
    if not is_at(seen, airlock):
        raise _shut(node, "its ports are not known to be in its airlock", reason="GateNotInAirlock")
    if served is None or head is None or head.attempt != served.attempt:
        raise _shut(node, "no recorded attempt is served to it", reason="GateNotAssigned")


def check_is_in_airlock(node: str, *, seen: Mapping[str, PortState], airlock: tuple[Port, ...]) -> None:
    """Gate 7: the node's ports are in its airlock."""
    if not is_at(seen, airlock):
        raise _shut(node, "its ports are not known to be in its airlock", reason="GateNotInAirlock")


def check_parked(node: str, *, seen: Mapping[str, PortState], parked: tuple[Port, ...]) -> None:
    """Gate 7: the node's ports lead nowhere."""
    if not is_at(seen, parked):
        raise _shut(node, "its ports are not known to be parked", reason="GateNotParked")


def is_at(seen: Mapping[str, PortState], ports: tuple[Port, ...]) -> bool:
    """Return whether each of ``ports`` is known to be a plain access port of its VLAN; ``seen`` is by interface."""
    return bool(ports) and all(p.interface in seen and seen[p.interface].is_access(p.vlan) for p in ports)


def _shut(node: str, message: str, *, reason: str) -> TrustError:
    return TrustError(f"node {node}", message, reason=reason, hint=f"run: ringfence explain node/{node}")
