"""What a TPM attests: parsing a TPMS_ATTEST with the body of a quote or of a creation.

Bounded, with no byte left over. Of another kind of attestation only the head is parsed: it
is enough to know that it is none of these. Nothing is judged here.

Source: TPM 2.0 Part 2, 10.12 (TPMS_ATTEST and its bodies); Part 1, 36.3 (clock).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from reconciler.attest.reader import MalformedError, Reader
from reconciler.attest.tpm.selection import Selection, parse_selection
from reconciler.model.submission import BootClock

TPM_GENERATED = 0xFF544347
ATTEST_QUOTE = 0x8018
ATTEST_CREATION = 0x801A

MAX_NAME = 66
MAX_DATA = 64

_QUOTE = "quote"
_CREATION = "creation attestation"


class Quote(NamedTuple):
    """What a TPMS_ATTEST says; ``selection`` and ``pcr_digest`` are empty for another kind than a quote.

    A named tuple and not a dataclass, because one is made for every quote and it costs a quarter.
    """

    magic: int
    kind: int
    qualified_signer: bytes
    extra_data: bytes
    clock: BootClock
    is_safe: bool
    selection: Selection = ()
    pcr_digest: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreationAttestation:
    """What TPM2_CertifyCreation signed; name and hash are empty for another kind of attestation."""

    magic: int
    kind: int
    extra_data: bytes
    object_name: bytes = b""
    creation_hash: bytes = b""


def parse_quote(message: bytes) -> Quote:
    """Return the attestation in ``message``, of whatever kind; raise MalformedError if it cannot be parsed."""
    reader = Reader(message, what=_QUOTE)
    head = _parse_head(reader, what=_QUOTE)
    if head.kind != ATTEST_QUOTE:
        return head
    selection = parse_selection(reader, what=_QUOTE)
    pcr_digest = reader.sized(limit=MAX_DATA)
    reader.finish()
    return head._replace(selection=selection, pcr_digest=pcr_digest)


def parse_creation_attestation(message: bytes) -> CreationAttestation:
    """Return the attestation in ``message``, of whatever kind; raise MalformedError if it cannot be parsed."""
    reader = Reader(message, what=_CREATION)
    head = _parse_head(reader, what=_CREATION)
    if head.kind != ATTEST_CREATION:
        return CreationAttestation(magic=head.magic, kind=head.kind, extra_data=head.extra_data)
    name, creation_hash = reader.sized(limit=MAX_NAME), reader.sized(limit=MAX_DATA)
    reader.finish()
    return CreationAttestation(
        magic=head.magic, kind=head.kind, extra_data=head.extra_data, object_name=name, creation_hash=creation_hash
    )


def _parse_head(reader: Reader, *, what: str) -> Quote:
    magic, kind = reader.integer(4), reader.integer(2)
    signer, extra_data = reader.sized(limit=MAX_NAME), reader.sized(limit=MAX_DATA)
    clock, reset_count, restart_count = reader.integer(8), reader.integer(4), reader.integer(4)
    safe = reader.integer(1)
    if safe > 1:
        raise MalformedError(what, f"its clock is safe by {safe}, which is neither yes nor no")
    boot = BootClock(
        reset_count=reset_count, restart_count=restart_count, clock=clock, firmware_version=reader.integer(8)
    )
    return Quote(magic, kind, signer, extra_data, boot, safe == 1)
