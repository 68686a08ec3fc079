"""TPM quotes: the numbered checks of a TPMS_ATTEST, its signature and its PCR values.

Parsed by hand, bounded, with no byte left over. What the PCR values mean is judged
elsewhere; here it is whether this TPM signed them, now, for this challenge.

Source: TPM 2.0 Part 2, 10.12 (TPMS_ATTEST), 11.3 (TPMT_SIGNATURE); Part 1, 36.3 (clock).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from reconciler.attest.algorithms import BANKS, ECDSA, RSAPSS, RSASSA, SIGNING_HASHES, digest
from reconciler.attest.reader import MalformedError, Reader
from reconciler.attest.tpm.public import PublicArea
from reconciler.attest.verdict import Reason
from reconciler.model.submission import BootClock

TPM_GENERATED = 0xFF544347
ATTEST_QUOTE = 0x8018

_WHAT = "quote"
_MAX_NAME = 66
_MAX_DATA = 64
_MAX_SIGNATURE = 512
_MAX_SELECTIONS = 16
_MAX_BITMAP = 4
_DIGEST_SIZE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a TPMS_ATTEST says; ``selection`` is (bank, PCRs) in signed order, empty for another kind than a quote."""

    magic: int
    kind: int
    qualified_signer: bytes
    extra_data: bytes
    clock: BootClock
    is_safe: bool
    selection: tuple[tuple[int, tuple[int, ...]], ...] = ()
    pcr_digest: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A TPMT_SIGNATURE; ``value`` is in the form that the key's verification takes."""

    scheme: int
    hash: int
    value: bytes


def parse_quote(message: bytes) -> Quote:
    """Return the attestation in ``message``, of whatever kind; raise MalformedError if it cannot be parsed.

    Only a quote's body is parsed: of another kind it is enough to know that it is none.
    """
    reader = Reader(message, what=_WHAT)
    magic, kind = reader.integer(4), reader.integer(2)
    signer, extra_data = reader.sized(limit=_MAX_NAME), reader.sized(limit=_MAX_DATA)
    clock, reset_count, restart_count = reader.integer(8), reader.integer(4), reader.integer(4)
    is_safe = reader.integer(1) == 1
    boot = BootClock(
        reset_count=reset_count, restart_count=restart_count, clock=clock, firmware_version=reader.integer(8)
    )
    quote = Quote(magic=magic, kind=kind, qualified_signer=signer, extra_data=extra_data, clock=boot, is_safe=is_safe)
    if kind != ATTEST_QUOTE:
        return quote
    count = reader.integer(4)
    if count > _MAX_SELECTIONS:
        raise MalformedError(_WHAT, f"selects PCRs of {count} banks, at most {_MAX_SELECTIONS} are allowed")
    selection = tuple(_parse_selection(reader) for _ in range(count))
    pcr_digest = reader.sized(limit=_MAX_DATA)
    reader.finish()
    return Quote(
        magic=magic,
        kind=kind,
        qualified_signer=signer,
        extra_data=extra_data,
        clock=boot,
        is_safe=is_safe,
        selection=selection,
        pcr_digest=pcr_digest,
    )


def _parse_selection(reader: Reader) -> tuple[int, tuple[int, ...]]:
    bank, size = reader.integer(2), reader.integer(1)
    if size > _MAX_BITMAP:
        raise MalformedError(_WHAT, f"a PCR bitmap of {size} bytes, at most {_MAX_BITMAP} are allowed")
    bitmap = int.from_bytes(reader.take(size), "little")
    return bank, tuple(pcr for pcr in range(8 * size) if bitmap >> pcr & 1)


def parse_signature(raw: bytes) -> Signature:
    """Return the RSA or ECDSA signature in ``raw``; raise MalformedError if it is none."""
    reader = Reader(raw, what="signature")
    scheme, hash_algorithm = reader.integer(2), reader.integer(2)
    if scheme == ECDSA:
        r, s = (int.from_bytes(reader.sized(limit=_MAX_SIGNATURE)) for _ in range(2))
        value = encode_dss_signature(r, s)
    elif scheme in {RSASSA, RSAPSS}:
        value = reader.sized(limit=_MAX_SIGNATURE)
    else:
        raise MalformedError("signature", f"its scheme 0x{scheme:04x} is not known")
    reader.finish()
    return Signature(scheme=scheme, hash=hash_algorithm, value=value)


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
    """Judge a quote by checks 1 to 8 and 10 of ten; return what speaks against it, and the quote if it parses.

    ``values`` are the claimed PCR values by number; ``qualified_signer`` is the name that the AK has under the
    certified EK. Where ``ak`` or ``qualified_signer`` is None the checks that need it are left out: the caller has
    a reason against the node already. The clock, check 9, is judged by ``check_clock``, which knows what went before.
    """
    # 1. Both parse, with bounds and without trailing bytes.
    try:
        quote = parse_quote(message)
        signed = parse_signature(signature)
    except MalformedError as error:
        return [Reason(code="QuoteMalformed", message=str(error))], None
    reasons = []
    # 2. The TPM made it itself: no outside data begins with this magic.
    if quote.magic != TPM_GENERATED:
        message_2 = "the quote was not made inside a TPM"
        reasons.append(
            Reason(code="QuoteNotByTpm", message=message_2, expected=f"{TPM_GENERATED:08x}", found=f"{quote.magic:08x}")
        )
    # 3. It is a quote, not an attestation of something else.
    is_quote = quote.kind == ATTEST_QUOTE
    if not is_quote:
        found = f"{quote.kind:04x}"
        reasons.append(Reason(code="NotAQuote", message="not a quote", expected=f"{ATTEST_QUOTE:04x}", found=found))
    # 4. Scheme and hash are the enrolled key's, never those that the signature names.
    # 5. The signature holds over the bytes as received.
    if ak is not None:
        reasons += _check_signature(message, signed, ak=ak)
    # 6. It answers this challenge, and there is one.
    if not extra_data or not hmac.compare_digest(quote.extra_data, extra_data):
        reasons.append(
            Reason(
                code="QualifyingDataMismatch",
                message="the quote was not made for this challenge",
                expected=extra_data.hex(),
                found=quote.extra_data.hex(),
            )
        )
    # 7. The signed selection is the required one, and 8. the values are the ones that were hashed.
    if is_quote:
        hash_algorithm = None if ak is None else ak.scheme_hash
        reasons += _check_pcrs(quote, hash_algorithm=hash_algorithm, bank=bank, pcrs=pcrs, values=values)
    # 10. The signer lives under the certified EK.
    if qualified_signer is not None and not hmac.compare_digest(quote.qualified_signer, qualified_signer):
        reasons.append(
            Reason(
                code="QualifiedSignerMismatch",
                message="the signer is not a key under the certified EK",
                expected=qualified_signer.hex(),
                found=quote.qualified_signer.hex(),
            )
        )
    return reasons, quote


def _check_signature(message: bytes, signature: Signature, *, ak: PublicArea) -> Iterator[Reason]:
    if (signature.scheme, signature.hash) != (ak.scheme, ak.scheme_hash):
        yield Reason(
            code="QuoteSignatureScheme",
            message="the signature's scheme is not the enrolled key's",
            expected=f"{ak.scheme:04x}/{ak.scheme_hash:04x}",
            found=f"{signature.scheme:04x}/{signature.hash:04x}",
        )
        return
    algorithm = SIGNING_HASHES.get(ak.scheme_hash)
    try:
        if algorithm is None:
            raise InvalidSignature  # noqa: TRY301 - a hash that does not count cannot make a signature hold
        if isinstance(ak.key, ec.EllipticCurvePublicKey):
            ak.key.verify(signature.value, message, ec.ECDSA(algorithm))
        else:
            scheme = (
                padding.PKCS1v15() if ak.scheme == RSASSA else padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO)
            )
            ak.key.verify(signature.value, message, scheme, algorithm)
    except (InvalidSignature, ValueError):  # ValueError: a signature that no key of this kind and size makes.
        yield Reason(code="QuoteSignatureInvalid", message="the quote is not signed by the enrolled attestation key")


def _check_pcrs(
    quote: Quote, *, hash_algorithm: int | None, bank: str, pcrs: Sequence[int], values: Mapping[int, bytes]
) -> Iterator[Reason]:
    required = ((BANKS[bank], tuple(sorted(pcrs))),)
    if quote.selection != required:
        yield Reason(
            code="PcrSelectionMismatch",
            message="the quote does not cover exactly the PCRs that are required",
            bank=bank,
            expected=_describe(required),
            found=_describe(quote.selection),
        )
    yield from check_values(pcrs=pcrs, values=values, bank=bank)
    covered = [values.get(pcr, b"") for _, selected in quote.selection for pcr in selected]
    if hash_algorithm is None or hash_algorithm not in SIGNING_HASHES:
        return  # The key was already refused; there is nothing to compute the digest with.
    computed = digest(hash_algorithm, b"".join(covered))
    if not hmac.compare_digest(computed, quote.pcr_digest):
        yield Reason(
            code="PcrDigestMismatch",
            message="the claimed PCR values are not those that the TPM signed",
            bank=bank,
            expected=quote.pcr_digest.hex(),
            found=computed.hex(),
        )


def check_values(*, pcrs: Sequence[int], values: Mapping[int, bytes], bank: str) -> Iterator[Reason]:
    """Yield a reason for every PCR whose claimed value is missing, no digest, or not asked for."""
    for pcr in sorted({*pcrs, *values}):
        expected = f"{_DIGEST_SIZE} bytes" if pcr in pcrs else "no value"
        found = f"{len(values[pcr])} bytes" if pcr in values else "no value"
        if found != expected:
            message = f"PCR {pcr} has not the value that it must have"
            yield Reason(code="PcrValueMalformed", message=message, pcr=pcr, bank=bank, expected=expected, found=found)


def _describe(selection: tuple[tuple[int, tuple[int, ...]], ...]) -> str:
    names = {number: name for name, number in BANKS.items()}
    return "+".join(f"{names.get(bank, hex(bank))}:{','.join(map(str, pcrs))}" for bank, pcrs in selection) or "nothing"
