"""What a reason can speak against, and the rows that the tables of codes are made of.

Each code says which claims of the trustworthiness vector it speaks against (AR4SI, 2.3), what it means and what to do
next. The hints that several codes share stand here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Claim(StrEnum):
    """A part of the trustworthiness vector; the values are the names of its fields."""

    IDENTITY = "instance_identity"
    CONFIGURATION = "configuration"
    EXECUTABLES = "executables"
    HARDWARE = "hardware"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What one code means, the next step, and what it speaks against."""

    meaning: str
    hint: str
    claims: frozenset[Claim]


EVERYTHING = frozenset(Claim)
IDENTITY = frozenset({Claim.IDENTITY, Claim.HARDWARE})
CONFIGURATION = frozenset({Claim.CONFIGURATION})
EXECUTABLES = frozenset({Claim.EXECUTABLES})
BOOT = frozenset({Claim.CONFIGURATION, Claim.EXECUTABLES})

AGAIN = "nothing to do: the node is asked again with a new challenge"
RELAY = "look for who else speaks in this node's airlock; the evidence was made for something else"
VENDOR = "compare the machine's EK certificate with trust/ek-roots and the node's spec.tpm.endorsement"
AGENT = "the agent and the attestation service must be of the same release; rebuild the image"
BYTES = "the bytes were changed on the way, or not made by a TPM; read the recorded evidence"
FIRMWARE = "look into the machine's firmware before it is cleared; a known change belongs into the policy"
IMAGE = "compare with `ringfence image predict` of the assigned image; clear the node by a commit when it is explained"


def table(*rows: tuple[str, frozenset[Claim], str, str]) -> Mapping[str, Code]:
    """Return the codes in ``rows``, each of a name, the claims it speaks against, its meaning and its hint."""
    return MappingProxyType(
        {name: Code(meaning=meaning, hint=hint, claims=claims) for name, claims, meaning, hint in rows}
    )
