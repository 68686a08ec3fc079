"""Every reason that a verdict can give: its code, what it means and what to do next.

The codes are stable; the documentation's pages are made from this table. Those of a part of the verifier stand with it,
in its own ``codes.py``; here are those of the challenge and of the policy, and the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.attest.claims import AGAIN, AGENT, CONFIGURATION, EVERYTHING, FIRMWARE, RELAY, Code, table
from reconciler.attest.endorsement.codes import CODES as ENDORSEMENT
from reconciler.attest.eventlog.codes import CODES as EVENT_LOG
from reconciler.attest.facts.codes import CODES as FACTS
from reconciler.attest.ima.codes import CODES as IMA
from reconciler.attest.tpm.codes import CODES as TPM

CHALLENGE = table(
    # The challenge that the evidence says it answers.
    ("NodeMismatch", EVERYTHING, "the evidence is of another node", RELAY),
    ("EnclaveMismatch", EVERYTHING, "the evidence was made for another enclave", RELAY),
    ("CommitMismatch", EVERYTHING, "the evidence was made for another desired-state commit", AGAIN),
    ("AttemptMismatch", EVERYTHING, "the evidence belongs to another boot attempt", AGAIN),
    ("NonceMalformed", EVERYTHING, "the challenge's nonce is not 32 bytes", AGENT),
    ("ChallengeExpired", EVERYTHING, "the challenge was issued too long ago, or not yet", AGAIN),
)

POLICY = table(
    # What the policy asserts of the firmware, and whether it can be judged by at all.
    ("PolicyIncomplete", EVERYTHING, "the policy lacks what it takes to judge by it", "mend the policy by a commit"),
    ("FirmwareMismatch", CONFIGURATION, "a firmware PCR has none of its profile's values", FIRMWARE),
    ("FirmwareProfileUnknown", CONFIGURATION, "the policy does not name the node's profile", FIRMWARE),
    ("NodeReferenceMissing", CONFIGURATION, "the policy has values of nodes, and none of this one", "add the node"),
)

CODES: Mapping[str, Code] = MappingProxyType({**CHALLENGE, **POLICY, **ENDORSEMENT, **TPM, **EVENT_LOG, **FACTS, **IMA})
"""All codes, in the order in which the verifier looks for them."""
