"""What a node sent us in one attempt: raw, unjudged bytes and when they came.

Nothing here has been checked; only ``attest.appraise`` turns it into a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """What was issued for credential activation, and what came back.

    ``seed`` (32 bytes for a SHA-256 name algorithm) and ``secret`` were drawn by the service; ``credential_blob``
    is the TPMS_ID_OBJECT that was sent, ``returned`` what the node answered. With these the activation can be
    computed again later (TPM 2.0 Part 1, 24).
    """

    seed: bytes
    secret: bytes
    credential_blob: bytes
    encrypted_secret: bytes
    returned: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """RATS evidence of one node for one challenge (RFC 9334).

    ``node`` is the one whose airlock (or whose session) the request came by; ``enclave`` and ``commit`` are those
    of the challenge. ``ephemeral`` is an age recipient. ``ak_public`` is a TPMT_PUBLIC, ``quote`` a TPMS_ATTEST,
    ``signature`` a TPMT_SIGNATURE, all as received. ``pcrs`` are the claimed values by PCR number. ``ima_log``
    is what the kernel says it measured, empty where the challenge did not ask for PCR 10.
    """

    node: str
    enclave: str
    commit: str
    attempt: str
    session: str
    nonce: bytes
    ephemeral: str
    ek_certificate: bytes
    ak_public: bytes
    activation: Activation
    quote: bytes
    signature: bytes
    pcrs: Mapping[int, bytes]
    event_log: bytes
    challenged_at: datetime
    received_at: datetime
    ima_log: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BootClock:
    """The TPM's clock information from a verified quote (TPMS_CLOCK_INFO); ``clock`` is in milliseconds."""

    reset_count: int
    restart_count: int
    clock: int
    firmware_version: int

    def is_same_boot_as(self, other: BootClock) -> bool:
        """Return whether no reset and no resume lies between the two."""
        return (self.reset_count, self.restart_count) == (other.reset_count, other.restart_count)
