"""The attestation key: one that signs nothing but what its own TPM made.

It checks the key's attributes and algorithms. That the key lives in the endorsed TPM is
shown by credential activation and by the quote's qualified signer, elsewhere.

Source: TPM 2.0 Part 1, 25.1.3 (attestation keys); Part 2, 8.3 (TPMA_OBJECT).
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric import rsa

from reconciler.attest.algorithms import ECDSA, NULL, RSAPSS, RSASSA, SIGNING_HASHES
from reconciler.attest.tpm.public import PublicArea
from reconciler.attest.verdict import Reason

_REQUIRED = {
    0x00000002: "fixedTPM",
    0x00000010: "fixedParent",
    0x00000020: "sensitiveDataOrigin",
    0x00000400: "noDA",
    0x00010000: "restricted",
    0x00040000: "sign",
}
_FORBIDDEN = {0x00020000: "decrypt"}
_RSA_BITS = 2048


def check_attestation_key(area: PublicArea) -> Iterator[Reason]:
    """Yield what speaks against ``area`` as an attestation key.

    noDA is asked for because a hard power-off counts as a failed try against a key without it, and after a few of
    those the TPM locks out.
    """
    for bit, name in _REQUIRED.items():
        if not area.attributes & bit:
            yield Reason(code="AkAttributes", message="the attestation key lacks an attribute", expected=name)
    for bit, name in _FORBIDDEN.items():
        if area.attributes & bit:
            yield Reason(code="AkAttributes", message="the attestation key has a forbidden attribute", found=name)
    schemes = {RSASSA, RSAPSS} if isinstance(area.key, rsa.RSAPublicKey) else {ECDSA}
    if area.scheme not in schemes or area.scheme_hash not in SIGNING_HASHES or area.symmetric != NULL:
        found = f"scheme 0x{area.scheme:04x}, hash 0x{area.scheme_hash:04x}, symmetric 0x{area.symmetric:04x}"
        yield Reason(code="AkAlgorithm", message="the attestation key's scheme is not accepted", found=found)
    if area.name_algorithm not in SIGNING_HASHES:
        found = f"0x{area.name_algorithm:04x}"
        yield Reason(code="AkAlgorithm", message="the attestation key is named by a hash that is broken", found=found)
    if isinstance(area.key, rsa.RSAPublicKey) and area.key.key_size < _RSA_BITS:
        found = f"{area.key.key_size} bits"
        yield Reason(
            code="AkAlgorithm",
            message="the attestation key is too short",
            expected=f"at least {_RSA_BITS} bits",
            found=found,
        )
