"""A quote on its own: what it says, and as much of it as can be checked with what is at hand.

For anyone with files and no state repository. What was not checked is named as such, never
called good. The clock needs an earlier quote, and the qualified signer the EK; neither is
here, so both are always among what was not checked.

Source: as in ``quote``; RFC 7468 (PEM); TPM 2.0 Part 2, 12.2.5 (TPM2B_PUBLIC).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from reconciler.attest.algorithms import BANK_NAMES, DIGEST_SIZES, ECDSA, PCR_BANKS, RSAPSS, RSASSA
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.attestation import ATTEST_QUOTE, Quote, parse_quote
from reconciler.attest.tpm.attestation_key import check_attestation_key
from reconciler.attest.tpm.public import PublicArea, PublicKey, name_of, parse_public
from reconciler.attest.tpm.quote import check_challenge, check_digest, check_origin, check_signature
from reconciler.attest.tpm.selection import Requirement, Values, check_selection, check_values, require
from reconciler.attest.tpm.signature import make_verifier, parse_signature
from reconciler.attest.verdict import Reason

_WHAT = "attestation key"
_MAX_PEM = 8192
_SCHEMES = {RSASSA: "rsassa", RSAPSS: "rsapss", ECDSA: "ecdsa"}
_ALWAYS_UNCHECKED = ("clock", "qualified signer")


class Check(StrEnum):
    """What came of one check; there is no fourth outcome, and the last one is not the first."""

    OK = "ok"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteReport:
    """What a quote says, what was checked of it, and every reason against it.

    ``name`` is the key's, where its public area was given; ``scheme_of_key`` is whether the key itself names the
    scheme. Where it does not, as in a PEM file, the signature's own word was taken, which proves less. ``holds`` is the
    arithmetic alone: a signature by SHA-1 may hold, and its check has failed all the same.
    """

    quote: Quote
    scheme: str
    hash: str
    scheme_of_key: bool
    holds: bool
    signature: Check
    nonce: Check
    values: Check
    name: bytes | None
    reasons: tuple[Reason, ...]

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Return what was not checked, in words."""
        checks = {"attestation key": self.name is not None, "nonce": self.nonce is not Check.NOT_CHECKED}
        checks["values"] = self.values is not Check.NOT_CHECKED
        return (*(name for name, done in checks.items() if not done), *_ALWAYS_UNCHECKED)

    def to_json(self) -> dict[str, object]:
        """Return the report as JSON: numbers, text, and bytes in hexadecimal."""
        quote, clock = self.quote, self.quote.clock
        return {
            "magic": f"{quote.magic:08x}",
            "type": "quote" if quote.kind == ATTEST_QUOTE else f"{quote.kind:04x}",
            "qualified_signer": quote.qualified_signer.hex(),
            "extra_data": quote.extra_data.hex(),
            "clock": {
                "clock": clock.clock,
                "reset_count": clock.reset_count,
                "restart_count": clock.restart_count,
                "safe": quote.is_safe,
            },
            "firmware_version": f"{clock.firmware_version:016x}",
            "selection": [
                {"bank": BANK_NAMES.get(bank, f"{bank:04x}"), "pcrs": list(pcrs)} for bank, pcrs in quote.selection
            ],
            "pcr_digest": quote.pcr_digest.hex(),
            "signature": {
                "scheme": self.scheme,
                "hash": self.hash,
                "named_by": "key" if self.scheme_of_key else "signature",
                "holds": self.holds,
                "check": str(self.signature),
            },
            "nonce": str(self.nonce),
            "values": str(self.values),
            "name": None if self.name is None else self.name.hex(),
            "unchecked": list(self.unchecked),
            "reasons": [_reason_to_json(reason) for reason in self.reasons],
        }


def inspect_quote(
    message: bytes, *, signature: bytes, key: bytes, nonce: bytes | None, values: Values | None
) -> QuoteReport:
    """Return what the TPMS_ATTEST ``message`` says, and what speaks against it.

    ``signature`` is a TPMT_SIGNATURE; ``key`` a PEM public key, a TPM2B_PUBLIC or a TPMT_PUBLIC; ``values`` the claimed
    PCR values by bank and number, exactly those that were quoted. MalformedError: one of them cannot be parsed.
    """
    quote, signed = parse_quote(message), parse_signature(signature)
    public_key, area = load_key(key)
    scheme, hash_algorithm = (signed.scheme, signed.hash) if area is None else (area.scheme, area.scheme_hash)
    verifier = make_verifier(public_key, scheme=scheme, hash_algorithm=hash_algorithm)
    on_key = [] if area is None else [*check_attestation_key(area)]
    on_signature = [*check_signature(message, signed, verifier=verifier)]
    on_nonce = [] if nonce is None else [*check_challenge(quote, extra_data=nonce)]
    on_values = [] if values is None else [*_check_claims(quote, values=values, hash_algorithm=hash_algorithm)]
    # Values against which nothing was found are good only if their digest could be computed at all.
    is_digest_known = values is not None and quote.kind == ATTEST_QUOTE and hash_algorithm in DIGEST_SIZES
    return QuoteReport(
        quote=quote,
        scheme=_SCHEMES[signed.scheme],
        hash=BANK_NAMES.get(signed.hash, f"{signed.hash:04x}"),
        scheme_of_key=area is not None,
        holds=(signed.scheme, signed.hash) == (scheme, hash_algorithm) and verifier.holds(message, signed.parts),
        signature=_outcome(on_signature),
        nonce=Check.NOT_CHECKED if nonce is None else _outcome(on_nonce),
        values=_outcome(on_values) if on_values or is_digest_known else Check.NOT_CHECKED,
        name=None if area is None else name_of(area),
        reasons=(*check_origin(quote), *on_key, *on_signature, *on_nonce, *on_values),
    )


def load_key(raw: bytes) -> tuple[PublicKey, PublicArea | None]:
    """Return the RSA or ECC key in ``raw``, and its public area if it is one; MalformedError if it is neither.

    A TPM2B_PUBLIC begins with the size of what follows; a TPMT_PUBLIC of so few bytes cannot be.
    """
    if not raw.lstrip().startswith(b"-----BEGIN"):
        is_sized = len(raw) > 1 and int.from_bytes(raw[:2]) == len(raw) - 2
        area = parse_public(raw[2:] if is_sized else raw)
        return area.key, area
    if len(raw) > _MAX_PEM:
        raise MalformedError(_WHAT, f"{len(raw)} bytes of PEM, at most {_MAX_PEM} are allowed")
    try:
        key = load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError(_WHAT, "not a public key in PEM") from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise MalformedError(_WHAT, "neither RSA nor ECC")
    return key, None


def _check_claims(quote: Quote, *, values: Values, hash_algorithm: int) -> Iterator[Reason]:
    if quote.kind != ATTEST_QUOTE:
        return
    requirement = _claimed(quote, values=values)
    yield from check_selection(quote.selection, requirement=requirement)
    yield from check_values(values, requirement=requirement)
    yield from check_digest(quote, values=values, hash_algorithm=hash_algorithm)


def _claimed(quote: Quote, *, values: Values) -> Requirement:
    """Return what ``values`` claim to have been quoted, with the banks in the order in which they were signed."""
    signed = [BANK_NAMES.get(bank, "") for bank, _ in quote.selection]
    banks = sorted(
        (bank for bank in values if bank in PCR_BANKS and values[bank]),
        key=lambda bank: signed.index(bank) if bank in signed else len(signed),
    )
    return require([(bank, list(values[bank])) for bank in banks])


def _outcome(reasons: list[Reason]) -> Check:
    return Check.FAILED if reasons else Check.OK


def _reason_to_json(reason: Reason) -> dict[str, object]:
    fields = ("code", "message", "pcr", "bank", "expected", "found")
    return {field: value for field in fields if (value := getattr(reason, field)) is not None}
