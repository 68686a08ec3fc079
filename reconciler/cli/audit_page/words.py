"""The report's words: events, standings and the glossary, plain enough for who has never seen a TPM."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.evidence.history.values import Standing, Stay
from reconciler.model.record import Event

EVENTS: Mapping[Event, str] = MappingProxyType(
    {
        Event.PARKED: "its ports were parked",
        Event.ASSIGNED: "it was assigned to an enclave and put into its airlock",
        Event.ENROLLED: "its TPM enrolled",
        Event.APPRAISED: "its evidence was judged",
        Event.RELEASED: "keys were released to it",
        Event.ADMITTED: "it was admitted",
        Event.CONFIRMED: "it called from inside",
        Event.REJECTED: "it lost trust",
        Event.RETURNED: "it was returned to the pool",
    }
)

TIERS: Mapping[int, str] = MappingProxyType({2: "affirming", 32: "warning", 96: "contraindicated"})

ASPECTS: Mapping[str, str] = MappingProxyType(
    {
        "instance-identity": "identity: it is the machine that was enrolled",
        "configuration": "configuration: firmware and boot settings",
        "executables": "executables: the software that started",
        "hardware": "hardware: the TPM and its maker's certificate",
    }
)

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("Node", "One physical server. It has a name, a TPM, and cables to ports of network switches."),
    (
        "Enclave",
        (
            "A group of nodes that belong together, on a network of their own that nobody else is connected to. "
            "To be a member is to be connected to that network."
        ),
    ),
    (
        "TPM",
        (
            "A security chip in the node. It records what the machine starts, cannot be made to forget it until "
            "the machine is started again, and signs what it recorded with a key that never leaves it."
        ),
    ),
    (
        "Measurement, PCR",
        (
            "Before a part of the software is started, its fingerprint is sent to the TPM, which adds it to a "
            "numbered register, a PCR. The value of a PCR stands for everything that was added to it, in its "
            "order. What is changed in the software changes the value."
        ),
    ),
    (
        "Quote",
        (
            "A statement of PCR values signed by the TPM, with a number in it that was chosen at random for "
            "this one occasion. So an old statement cannot be presented again."
        ),
    ),
    (
        "Event log",
        ("The machine's own list of what it measured. It is checked against the PCR values and explains them."),
    ),
    (
        "Evidence",
        ("What a node hands in to prove itself: a quote, the PCR values, the event log, the TPM's certificate."),
    ),
    (
        "Verdict",
        (
            "What the verifier made of the evidence: accepted or rejected. It is computed from the evidence and "
            "the rules alone, so anybody can compute it again. This audit did."
        ),
    ),
    (
        "Proof",
        (
            "Evidence that was accepted. A member has to prove itself again and again. Between two proofs "
            "nothing is known of it; that is why this report says when it was last proven."
        ),
    ),
    (
        "Affirming, warning, contraindicated",
        (
            "How well an aspect of a node is established: it is as it has to be; it is accepted, though less "
            "was checked than could be; it is not as it has to be. A node with a contraindicated aspect is "
            "rejected."
        ),
    ),
    (
        "Weakening, workaround",
        (
            "Something that the policy expressly allows to be checked less strictly, or a known peculiarity of "
            "firmware that it expressly tolerates."
        ),
    ),
    ("Policy", "The written rules by which evidence is judged. It is part of the desired state."),
    (
        "Image",
        ("The software that a node starts, named by its fingerprint. What it will measure is known beforehand."),
    ),
    (
        "Airlock",
        ("A network on which a node is alone. There it starts, and proves itself, before it is admitted anywhere."),
    ),
    ("Parked", "The node's network ports lead nowhere. The switch was asked afterwards whether that is so."),
    (
        "Free",
        ("The node is switched off, parked, belongs to no enclave, and every key that it knew has been replaced."),
    ),
    (
        "Rejected",
        (
            "The node lost trust: its evidence was rejected, or it fell silent. It is parked until somebody "
            "clears it by a signed commit. It may still know the keys that are listed for it, until they are "
            "replaced."
        ),
    ),
    (
        "Key",
        (
            "A secret of an enclave, for example for its disks. Keys are counted by versions. This report names "
            "keys and never contains one. A node counts as knowing a key from the moment before it was handed "
            "over."
        ),
    ),
    (
        "Desired state, commit",
        (
            "What the operators asked for, in a history of signed changes. Each change is a commit, and its "
            "long number is computed from its content and from all that came before it. So no earlier change "
            "can be altered afterwards without all later numbers becoming others."
        ),
    ),
    (
        "Record",
        (
            "One signed entry of the evidence. The records of a node are numbered without a gap, and each "
            "contains the fingerprint of the one before it."
        ),
    ),
    (
        "Fingerprint, digest",
        ("A number computed from data (here with SHA-256). Nobody knows how to find other data with the same number."),
    ),
    (
        "Tree head, witness",
        (
            "One fingerprint over all records so far, signed. A witness is an independent party that keeps it "
            "and confirms that later ones only ever add to it. So the whole evidence cannot be exchanged for "
            "another unseen."
        ),
    ),
    (
        "Endorsement",
        (
            "The fingerprint of the TPM's identity key, written down when the node was taken into use. The "
            "certificate of the TPM's maker says that such a key is in a genuine TPM."
        ),
    ),
)


def standing_text(stay: Stay) -> str:
    """Return where a node stood, as the beginning of a sentence."""
    match stay.standing:
        case Standing.MEMBER:
            return f"Member of enclave {stay.enclave}"
        case Standing.AIRLOCK:
            return f"In its airlock, for enclave {stay.enclave}"
        case Standing.PARKED:
            return f"Parked, last for enclave {stay.enclave}"
        case Standing.REJECTED:
            return f"Rejected, last for enclave {stay.enclave}" if stay.enclave else "Rejected"
        case Standing.FREE:
            return "Free"
