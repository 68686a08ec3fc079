"""TPM quotes: the numbered checks of a TPMS_ATTEST, its signature and its PCR values.

What the PCR values mean is judged elsewhere; here it is whether this TPM signed them, now,
for this challenge. There is exactly one encoding, but for its clock, of the quote that is
asked for: it is built and compared first, and only a quote that is another is taken apart,
to say what speaks against it. Whatever passes the comparison passes every single check; the
reverse need not be, so both ways end in the same answer.

Source: TPM 2.0 Part 2, 10.12 (TPMS_ATTEST), 11.3 (TPMT_SIGNATURE); Part 3, 18.4 (TPM2_Quote).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.attest.algorithms import DIGEST_SIZES, HASHERS, SHA256, digest
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.attestation import ATTEST_QUOTE, MAX_DATA, MAX_NAME, TPM_GENERATED, Quote, parse_quote
from reconciler.attest.tpm.clock import CLOCK_SIZE, check_clock, is_later, is_wellformed
from reconciler.attest.tpm.hashed import ClaimedDigest
from reconciler.attest.tpm.public import PublicArea
from reconciler.attest.tpm.selection import Requirement, Values, check_selection, check_values, covered, require
from reconciler.attest.tpm.signature import (
    Signature,
    Verifier,
    describe_scheme,
    parse_signature,
    verifier_of,
)
from reconciler.attest.verdict import Reason
from reconciler.model.submission import BootClock

_MAX_HEAD = 8 + MAX_NAME + 2 + MAX_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledKey:
    """An attestation key made ready, once, for all its quotes.

    Without a verifier, or without a qualified signer, the checks that need it are left out. ``head`` and ``tail`` are
    what stands before the challenge and between selection and digest in each of its quotes.
    """

    verifier: Verifier | None
    qualified_signer: bytes | None
    head: bytes
    tail: bytes
    claimed: ClaimedDigest


def enrol(ak: PublicArea | None, *, qualified_signer: bytes | None) -> EnrolledKey:
    """Return the key of ``ak``, whose name under the certified EK is ``qualified_signer``, ready to judge quotes by."""
    verifier = None if ak is None else verifier_of(ak)
    return EnrolledKey(
        verifier=verifier,
        qualified_signer=qualified_signer,
        head=struct.pack(">IH", TPM_GENERATED, ATTEST_QUOTE) + _sized(qualified_signer or b""),
        tail=struct.pack(">H", 0 if ak is None else DIGEST_SIZES.get(ak.scheme_hash, 0)),
        claimed=ClaimedDigest(verifier.hasher if verifier else HASHERS[SHA256]),
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
    """Judge a quote over ``pcrs`` of one ``bank`` as ``judge_quote`` does; return the quote too, if it parses.

    Where ``ak`` or ``qualified_signer`` is None the checks that need it are left out: the caller has a reason against
    the node already. The clock, check 9, is judged by ``check_clock``, which knows what went before.
    """
    return check_enrolled_quote(
        message,
        signature=signature,
        key=enrol(ak, qualified_signer=qualified_signer),
        extra_data=extra_data,
        requirement=require([(bank, pcrs)]),
        values={bank: values},
    )


def check_enrolled_quote(  # noqa: PLR0913 - each is one thing that a quote is held against
    message: bytes,
    *,
    signature: bytes,
    key: EnrolledKey,
    extra_data: bytes,
    requirement: Requirement,
    values: Values,
) -> tuple[list[Reason], Quote | None]:
    """Judge a quote by a key that is ready, as ``check_quote`` does; return the quote too, if it parses."""
    reasons = judge_quote(
        message, signature=signature, key=key, extra_data=extra_data, requirement=requirement, values=values
    )
    is_malformed = any(reason.code == "QuoteMalformed" for reason in reasons)
    return reasons, None if is_malformed else parse_quote(message)


def judge_quote(  # noqa: PLR0913 - each is one thing that a quote is held against
    message: bytes,
    *,
    signature: bytes,
    key: EnrolledKey,
    extra_data: bytes,
    requirement: Requirement,
    values: Values,
    after: BootClock | None = None,
) -> list[Reason]:
    """Return what speaks against a quote; nothing does if the list is empty.

    ``extra_data`` is the challenge; ``values`` are the claimed PCR values by bank and number; ``after`` is the clock of
    the last accepted quote of the same boot. Without it check 9 is left to the caller (``check_clock``).

    1. Quote and signature parse, with bounds and without trailing bytes. 2. The TPM made it itself. 3. It is a quote.
    4. Scheme and hash are the enrolled key's, and count. 5. The signature holds over the bytes as received. 6. It
    answers this challenge. 7. The signed selection is the required one. 8. The values are those that were hashed.
    9. It is of the same boot, and later. 10. The signer lives under the certified EK.
    """
    if _passes(message, signature, key, extra_data, requirement, values, after):
        return []
    # 1. Both parse.
    try:
        quote, signed = parse_quote(message), parse_signature(signature)
    except MalformedError as error:
        return [Reason(code="QuoteMalformed", message=str(error))]
    reasons = [
        *check_origin(quote),
        *check_signature(message, signed, verifier=key.verifier),
        *check_challenge(quote, extra_data=extra_data),
        *_check_pcrs(quote, requirement=requirement, values=values, verifier=key.verifier),
    ]
    # 9. It is of the same boot, and later.
    if after is not None:
        reasons += check_clock(quote, previous=after, must_be_same_boot=True)
    return [*reasons, *_check_signer(quote, qualified_signer=key.qualified_signer)]


def _passes(  # noqa: PLR0913, PLR0917 - as above; by position, because names cost time here
    message: bytes,
    signature: bytes,
    key: EnrolledKey,
    extra_data: bytes,
    requirement: Requirement,
    values: Values,
    after: BootClock | None,
) -> bool:
    """Return whether the quote is, byte for byte, the one that is asked for, and signed."""
    verifier = key.verifier
    if not extra_data or verifier is None or not verifier.counts or not key.qualified_signer:
        return False
    hashed = key.claimed.over(values, requirement)
    if hashed is None:
        return False
    # 2., 3., 10., 6. as they stand at the beginning; 7. and 8. as they stand at the end. 1. Nothing is before or after.
    head = key.head + len(extra_data).to_bytes(2) + extra_data
    at = len(head)
    expected = head + message[at : at + CLOCK_SIZE] + requirement.encoded + key.tail + hashed
    if message != expected or at > _MAX_HEAD:
        return False
    # 9. The same boot, and later; where that is left to the caller, the clock is at least a well-formed one (1.).
    if not (is_wellformed(message, at) if after is None else is_later(message, at, after)):
        return False
    # 4. and 5. It is signed, as this key signs.
    return verifier.accepts(message, signature)


def check_origin(quote: Quote) -> Iterator[Reason]:
    """Yield what speaks against the quote's being one, and by a TPM (checks 2 and 3)."""
    # 2. The TPM made it itself: no outside data begins with this magic.
    if quote.magic != TPM_GENERATED:
        message = "the quote was not made inside a TPM"
        yield Reason(code="QuoteNotByTpm", message=message, expected=f"{TPM_GENERATED:08x}", found=f"{quote.magic:08x}")
    # 3. It is a quote, not an attestation of something else.
    if quote.kind != ATTEST_QUOTE:
        found = f"{quote.kind:04x}"
        yield Reason(code="NotAQuote", message="not a quote", expected=f"{ATTEST_QUOTE:04x}", found=found)


def check_challenge(quote: Quote, *, extra_data: bytes) -> Iterator[Reason]:
    """Yield a reason unless the quote answers the challenge ``extra_data``, which must not be empty (check 6)."""
    # 6. It answers this challenge, and there is one.
    if not extra_data or quote.extra_data != extra_data:
        yield Reason(
            code="QualifyingDataMismatch",
            message="the quote was not made for this challenge",
            expected=extra_data.hex(),
            found=quote.extra_data.hex(),
        )


def _check_pcrs(
    quote: Quote, *, requirement: Requirement, values: Values, verifier: Verifier | None
) -> Iterator[Reason]:
    if quote.kind != ATTEST_QUOTE:
        return
    # 7. The signed selection is the required one; each PCR in it has one value, and no other PCR has any.
    yield from check_selection(quote.selection, requirement=requirement)
    yield from check_values(values, requirement=requirement)
    # 8. The values are the ones that were hashed.
    if verifier is not None:
        yield from check_digest(quote, values=values, hash_algorithm=verifier.hash)


def _check_signer(quote: Quote, *, qualified_signer: bytes | None) -> Iterator[Reason]:
    # 10. The signer lives under the certified EK.
    if qualified_signer is not None and quote.qualified_signer != qualified_signer:
        yield Reason(
            code="QualifiedSignerMismatch",
            message="the signer is not a key under the certified EK",
            expected=qualified_signer.hex(),
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


def check_signature(message: bytes, signature: Signature, *, verifier: Verifier | None) -> Iterator[Reason]:
    """Yield what speaks against the signature (checks 4 and 5); nothing can be said without a ``verifier``."""
    if verifier is None:
        return
    # 4. Scheme and hash are the enrolled key's, never those that the signature names, and they prove something.
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
    # 5. The signature holds over the bytes as received.
    if not verifier.holds(message, signature.parts):
        yield Reason(code="QuoteSignatureInvalid", message="the quote is not signed by the enrolled attestation key")


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data
