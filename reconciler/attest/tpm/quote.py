"""TPM quotes: the numbered checks of a TPMS_ATTEST, its signature and its PCR values.

What the PCR values mean is judged elsewhere; here it is whether this TPM signed them, now,
for this challenge. There is exactly one TPMS_ATTEST, but for its clock, that passes: it is
built and compared first, and only where the quote is another are its fields taken apart to
say which of them speak against it. Both ways give the same answer.

Source: TPM 2.0 Part 2, 10.12 (TPMS_ATTEST), 11.3 (TPMT_SIGNATURE); Part 3, 18.4 (TPM2_Quote).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.attest.algorithms import DIGEST_SIZES, digest
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.attestation import ATTEST_QUOTE, MAX_DATA, TPM_GENERATED, Quote, parse_quote
from reconciler.attest.tpm.public import PublicArea
from reconciler.attest.tpm.selection import Requirement, Values, check_selection, check_values, covered, require
from reconciler.attest.tpm.signature import (
    Hasher,
    Signature,
    Verifier,
    describe_scheme,
    hasher_of,
    parse_signature,
    verifier_of,
)
from reconciler.attest.verdict import Reason
from reconciler.model.submission import BootClock

_CLOCK = struct.Struct(">QIIBQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledKey:
    """An attestation key made ready, once, for all its quotes: its verifier, and what each quote of it begins with.

    Without a verifier, or without a qualified signer, the checks that need it are left out.
    """

    verifier: Verifier | None
    qualified_signer: bytes | None
    head: bytes
    tail: bytes
    hasher: Hasher | None


def enrol(ak: PublicArea | None, *, qualified_signer: bytes | None) -> EnrolledKey:
    """Return the key of ``ak``, whose name under the certified EK is ``qualified_signer``, ready to judge quotes by."""
    verifier = None if ak is None else verifier_of(ak)
    signer = qualified_signer or b""
    size = DIGEST_SIZES.get(verifier.hash, 0) if verifier else 0
    return EnrolledKey(
        verifier=verifier,
        qualified_signer=qualified_signer,
        head=struct.pack(">IHH", TPM_GENERATED, ATTEST_QUOTE, len(signer)) + signer,
        tail=struct.pack(">H", size),
        hasher=hasher_of(verifier.hash) if verifier and size else None,
    )


def check_quote(  # noqa: PLR0913 - each is one thing that a quote is held against
    message: bytes,
    *,
    signature: bytes,
    ak: PublicArea | None,
    extra_data: bytes,
    bank: str,
    pcrs: Sequence[int],
    values: Mapping[int, bytes],
    qualified_signer: bytes | None,
) -> tuple[list[Reason], Quote | None]:
    """Judge a quote over ``pcrs`` of one ``bank``, as ``judge_quote`` does.

    Where ``ak`` or ``qualified_signer`` is None the checks that need it are left out: the caller has a reason against
    the node already.
    """
    return judge_quote(
        message,
        signature=signature,
        key=enrol(ak, qualified_signer=qualified_signer),
        extra_data=extra_data,
        requirement=require([(bank, pcrs)]),
        values={bank: values},
    )


def judge_quote(  # noqa: PLR0913 - each is one thing that a quote is held against
    message: bytes,
    *,
    signature: bytes,
    key: EnrolledKey,
    extra_data: bytes,
    requirement: Requirement,
    values: Values,
) -> tuple[list[Reason], Quote | None]:
    """Judge a quote by checks 1 to 8 and 10 of ten; return what speaks against it, and the quote if it parses.

    ``extra_data`` is the challenge; ``values`` are the claimed PCR values by bank and number. The clock, check 9, is
    judged by ``check_clock``, which knows what went before.

    1. Both parse, with bounds and without trailing bytes. 2. The TPM made it itself. 3. It is a quote. 4. Scheme and
    hash are the enrolled key's, and count. 5. The signature holds over the bytes as received. 6. It answers this
    challenge. 7. The signed selection is the required one. 8. The values are the ones that were hashed. 10. The signer
    lives under the certified EK.
    """
    # 1. Both parse.
    try:
        signed = parse_signature(signature)
        # 2., 3., 6., 7., 8., 10. It is the one quote that passes, at whatever time.
        quote = _match(message, key=key, extra_data=extra_data, requirement=requirement, values=values)
        reasons: list[Reason] = []
        if quote is None:
            quote = parse_quote(message)
            reasons += _differences(quote, key=key, extra_data=extra_data, requirement=requirement, values=values)
    except MalformedError as error:
        return [Reason(code="QuoteMalformed", message=str(error))], None
    # 4., 5. It is signed.
    if key.verifier is not None:
        reasons += _check_signature(message, signed, verifier=key.verifier)
    return reasons, quote


def _match(
    message: bytes, *, key: EnrolledKey, extra_data: bytes, requirement: Requirement, values: Values
) -> Quote | None:
    """Return the quote if it is, byte for byte, the one that passes but for its clock."""
    joined = requirement.join(values)
    if joined is None or key.hasher is None or not key.qualified_signer or not 0 < len(extra_data) <= MAX_DATA:
        return None
    pcr_digest = key.hasher(joined).digest()
    head = key.head + len(extra_data).to_bytes(2) + extra_data
    at, end = len(head), len(head) + _CLOCK.size
    if not joined or message != head + message[at:end] + requirement.encoded + key.tail + pcr_digest:
        return None
    clock, reset_count, restart_count, safe, firmware = _CLOCK.unpack_from(message, at)
    if safe > 1:
        return None
    boot = BootClock(reset_count=reset_count, restart_count=restart_count, clock=clock, firmware_version=firmware)
    return Quote(
        TPM_GENERATED,
        ATTEST_QUOTE,
        key.qualified_signer,
        extra_data,
        boot,
        safe == 1,
        requirement.selection,
        pcr_digest,
    )


def _differences(
    quote: Quote, *, key: EnrolledKey, extra_data: bytes, requirement: Requirement, values: Values
) -> Iterator[Reason]:
    # 2. The TPM made it itself: no outside data begins with this magic.
    if quote.magic != TPM_GENERATED:
        message = "the quote was not made inside a TPM"
        yield Reason(
            code="QuoteNotByTpm", message=message, expected=f"{TPM_GENERATED:08x}", found=f"{quote.magic:08x}"
        )
    # 3. It is a quote, not an attestation of something else.
    if quote.kind != ATTEST_QUOTE:
        found = f"{quote.kind:04x}"
        yield Reason(code="NotAQuote", message="not a quote", expected=f"{ATTEST_QUOTE:04x}", found=found)
    # 6. It answers this challenge, and there is one.
    if not extra_data or quote.extra_data != extra_data:
        yield Reason(
            code="QualifyingDataMismatch",
            message="the quote was not made for this challenge",
            expected=extra_data.hex(),
            found=quote.extra_data.hex(),
        )
    # 7. The signed selection is the required one, and 8. the values are the ones that were hashed.
    if quote.kind == ATTEST_QUOTE:
        yield from check_selection(quote.selection, requirement=requirement)
        yield from check_values(values, requirement=requirement)
        if key.verifier is not None:
            yield from check_digest(quote, values=values, hash_algorithm=key.verifier.hash)
    # 10. The signer lives under the certified EK.
    if key.qualified_signer is not None and quote.qualified_signer != key.qualified_signer:
        yield Reason(
            code="QualifiedSignerMismatch",
            message="the signer is not a key under the certified EK",
            expected=key.qualified_signer.hex(),
            found=quote.qualified_signer.hex(),
        )


def check_digest(quote: Quote, *, values: Values, hash_algorithm: int) -> Iterator[Reason]:
    """Yield a reason unless the signed digest is that of ``values``, by the signing scheme's hash."""
    if hash_algorithm not in DIGEST_SIZES:
        return  # The key was already refused; there is nothing to compute the digest with.
    computed = digest(hash_algorithm, covered(quote.selection, values=values))
    if computed != quote.pcr_digest:
        yield Reason(
            code="PcrDigestMismatch",
            message="the claimed PCR values are not those that the TPM signed",
            expected=quote.pcr_digest.hex(),
            found=computed.hex(),
        )


def _check_signature(message: bytes, signature: Signature, *, verifier: Verifier) -> Iterator[Reason]:
    if (signature.scheme, signature.hash) != (verifier.scheme, verifier.hash):
        yield Reason(
            code="QuoteSignatureScheme",
            message="the signature's scheme is not the enrolled key's",
            expected=describe_scheme(verifier.scheme, verifier.hash),
            found=describe_scheme(signature.scheme, signature.hash),
        )
        return
    if not verifier.counts:
        yield Reason(
            code="QuoteSignatureScheme",
            message="a signature by this hash proves nothing",
            expected="sha256, sha384 or sha512",
            found=describe_scheme(verifier.scheme, verifier.hash),
        )
    if not verifier.holds(message, signature.parts):
        yield Reason(code="QuoteSignatureInvalid", message="the quote is not signed by the enrolled attestation key")
