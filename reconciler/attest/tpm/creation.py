"""Where an attestation key comes from: its creation data, and the TPM's word that they belong together.

A TPM2_CertifyCreation signs the name of a key and the hash of its creation data. By the key
itself it shows that the key's TPM made it, under which parent, and in which state. Whether
that parent is the right one, and what the PCRs meant, is the caller's question.

Source: TPM 2.0 Part 2, 10.12.7 (TPMS_CREATION_INFO), 15.1 (TPMS_CREATION_DATA); Part 3, 18.3 (TPM2_CertifyCreation).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.attest.algorithms import digest
from reconciler.attest.reader import MalformedError, Reader
from reconciler.attest.tpm.attestation import (
    ATTEST_CREATION,
    MAX_DATA,
    MAX_NAME,
    TPM_GENERATED,
    CreationAttestation,
    parse_creation_attestation,
)
from reconciler.attest.tpm.public import PublicArea, name_of
from reconciler.attest.tpm.selection import Selection, parse_selection
from reconciler.attest.tpm.signature import describe_scheme, parse_signature, verifier_of
from reconciler.attest.verdict import Reason

_WHAT = "creation data"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreationData:
    """A TPMS_CREATION_DATA: the PCRs at creation, the locality, the parent, and what the creator wished to add."""

    selection: Selection
    pcr_digest: bytes
    locality: int
    parent_name_algorithm: int
    parent_name: bytes
    parent_qualified_name: bytes
    outside_info: bytes


def parse_creation_data(raw: bytes) -> CreationData:
    """Return the TPMS_CREATION_DATA in ``raw``; raise MalformedError if it is none."""
    reader = Reader(raw, what=_WHAT)
    found = CreationData(
        selection=parse_selection(reader, what=_WHAT),
        pcr_digest=reader.sized(limit=MAX_DATA),
        locality=reader.integer(1),
        parent_name_algorithm=reader.integer(2),
        parent_name=reader.sized(limit=MAX_NAME),
        parent_qualified_name=reader.sized(limit=MAX_NAME),
        outside_info=reader.sized(limit=MAX_DATA),
    )
    reader.finish()
    return found


def check_creation(
    attestation: bytes,
    *,
    signature: bytes,
    ak: PublicArea,
    creation_data: bytes,
    parent_name: bytes | None,
) -> list[Reason]:
    """Return what speaks against the claim that the TPM made ``ak``, as ``creation_data`` says.

    ``attestation`` is the TPMS_ATTEST that the key itself signed. Where ``parent_name`` is None the parent is not
    judged, because the caller does not know it.

    1. All parse. 2. The TPM made the attestation. 3. It is one of a creation. 4. Scheme and hash are the key's, and
    count. 5. The signature holds. 6. The name is the key's. 7. The hash is that of the creation data, by the key's name
    algorithm. 8. The parent is the expected one.
    """
    # 1. All parse.
    try:
        attested = parse_creation_attestation(attestation)
        data = parse_creation_data(creation_data)
        reasons = [*_check_signature(attestation, signature, ak=ak)]
    except MalformedError as error:
        return [Reason(code="CreationMalformed", message=str(error))]
    origin = [*_check_origin(attested)]
    if not origin:
        reasons += _check_body(attested, ak=ak, creation_data=creation_data)
    # 8. The parent is the expected one.
    if parent_name is not None and data.parent_name != parent_name:
        reasons.append(
            Reason(
                code="CreationParentMismatch",
                message="the key was made under another parent",
                expected=parent_name.hex(),
                found=data.parent_name.hex(),
            )
        )
    return [*origin, *reasons]


def _check_origin(attested: CreationAttestation) -> Iterator[Reason]:
    # 2. The TPM made the attestation, and 3. it is one of a creation.
    expected, found = (TPM_GENERATED, ATTEST_CREATION), (attested.magic, attested.kind)
    if found != expected:
        yield Reason(
            code="NotACreation",
            message="not a TPM's attestation of a creation",
            expected="{:08x}/{:04x}".format(*expected),
            found="{:08x}/{:04x}".format(*found),
        )


def _check_signature(attestation: bytes, signature: bytes, *, ak: PublicArea) -> Iterator[Reason]:
    signed, verifier = parse_signature(signature), verifier_of(ak)
    # 4. Scheme and hash are the key's, and count.
    is_its_own = (signed.scheme, signed.hash) == (verifier.scheme, verifier.hash)
    if not is_its_own or not verifier.counts:
        message = "a signature by this hash proves nothing" if is_its_own else "the signature's scheme is not the key's"
        yield Reason(
            code="CreationSignatureScheme",
            message=message,
            expected=describe_scheme(verifier.scheme, verifier.hash),
            found=describe_scheme(signed.scheme, signed.hash),
        )
    # 5. The signature holds over the bytes as received.
    if is_its_own and not verifier.holds(attestation, signed.parts):
        yield Reason(code="CreationSignatureInvalid", message="the creation is not signed by the key itself")


def _check_body(attested: CreationAttestation, *, ak: PublicArea, creation_data: bytes) -> Iterator[Reason]:
    # 6. The name is the key's.
    if attested.object_name != name_of(ak):
        yield Reason(
            code="CreationNameMismatch",
            message="the creation of another key was attested",
            expected=name_of(ak).hex(),
            found=attested.object_name.hex(),
        )
    # 7. The hash is that of the creation data.
    computed = digest(ak.name_algorithm, creation_data)
    if attested.creation_hash != computed:
        yield Reason(
            code="CreationHashMismatch",
            message="the creation data are not those that were attested",
            expected=attested.creation_hash.hex(),
            found=computed.hex(),
        )
