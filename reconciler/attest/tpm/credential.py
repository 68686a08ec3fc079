"""Credential activation: making a credential, and judging what came back.

The pure part of TPM2_MakeCredential: seeds, secrets and ephemeral keys are arguments. What
protects a credential follows from the EK's template (``protection_of``).
Encrypting the seed needs randomness, so that is the caller's. Whether the encrypted
seed really went to the certified EK is not checked again in a verdict: for RSA that
cannot be computed without the padding's randomness, so it rests on the service.

Source: TPM 2.0 Part 1, 11.4.10 (KDFa, KDFe), 24 (credential protection), C.6; TCG EK Credential Profile 2.5, B.3
and B.4 (templates).
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from reconciler.attest.algorithms import BANK_NAMES, DIGEST_SIZES, SHA256, SHA384, SHA512, digest
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.public import PublicKey
from reconciler.attest.verdict import Reason
from reconciler.model.submission import Activation

SEED_LABEL = b"IDENTITY\x00"
"""The label of the RSA-OAEP encryption of a seed (SHA-256 as hash and in MGF1), with its closing zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What TPM2_ActivateCredential takes, both without their outer size."""

    credential_blob: bytes
    encrypted_secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """How an EK protects what is meant for it: its name algorithm, and the size of its AES key in bits."""

    hash: int
    key_bits: int


L_TEMPLATE = Protection(hash=SHA256, key_bits=128)
"""Templates L-1 (RSA-2048) and L-2 (P-256), and of the high range H-1 and H-2."""


def protection_of(ek_public_key: PublicKey) -> Protection:
    """Return what the TCG's template for an EK with this key says.

    RSA-2048 and P-256: SHA-256, AES-128. RSA-3072 and P-384: SHA-384, AES-256. P-521: SHA-512, AES-256.
    MalformedError: no template for such a key is known here.
    """
    is_rsa = isinstance(ek_public_key, rsa.RSAPublicKey)
    size = ek_public_key.key_size if isinstance(ek_public_key, rsa.RSAPublicKey) else ek_public_key.curve.key_size
    found = _PROTECTIONS.get((is_rsa, size))
    if found is None:
        raise MalformedError("endorsement key", f"no template has {'RSA' if is_rsa else 'a curve'} of {size} bits")
    return found


_PROTECTIONS = {
    (True, 2048): L_TEMPLATE,
    (True, 3072): Protection(hash=SHA384, key_bits=256),
    (False, 256): L_TEMPLATE,
    (False, 384): Protection(hash=SHA384, key_bits=256),
    (False, 521): Protection(hash=SHA512, key_bits=256),
}


def make_credential(  # noqa: PLR0913 - what a credential is made of
    ek_public_key: PublicKey,
    ak_name: bytes,
    *,
    secret: bytes,
    seed: bytes,
    encrypt: Callable[[PublicKey, bytes], bytes],
    protection: Protection = L_TEMPLATE,
) -> Credential:
    """Return the credential that only the TPM with this EK, holding the key called ``ak_name``, can open.

    ``secret`` is at most as long as what the EK's hash makes, ``seed`` is exactly that long: 32 bytes for most EKs.
    ``encrypt`` returns the TPM2B_ENCRYPTED_SECRET's content for the EK: RSA-OAEP of the seed under SEED_LABEL with the
    EK's hash; for an elliptic-curve EK the point that ``agree`` returned with it.
    """
    blob = identity_object(ak_name, secret=secret, seed=seed, protection=protection)
    return Credential(credential_blob=blob, encrypted_secret=encrypt(ek_public_key, seed))


def identity_object(ak_name: bytes, *, secret: bytes, seed: bytes, protection: Protection = L_TEMPLATE) -> bytes:
    """Return the TPMS_ID_OBJECT (2-byte size, HMAC, encrypted identity) for an EK of that ``protection``."""
    size = DIGEST_SIZES[protection.hash]
    key = _kdfa(seed, b"STORAGE", context=ak_name, bits=protection.key_bits, hash_algorithm=protection.hash)
    cipher = Cipher(algorithms.AES(key), CFB(bytes(16))).encryptor()
    identity = cipher.update(struct.pack(">H", len(secret)) + secret) + cipher.finalize()
    integrity = _kdfa(seed, b"INTEGRITY", context=b"", bits=8 * size, hash_algorithm=protection.hash)
    outer = hmac.digest(integrity, identity + ak_name, BANK_NAMES[protection.hash])
    return struct.pack(">H", len(outer)) + outer + identity


def agree(ek_public_key: ec.EllipticCurvePublicKey, *, ephemeral: ec.EllipticCurvePrivateKey) -> tuple[bytes, bytes]:
    """Return the seed that an ``ephemeral`` key on the EK's curve agrees with it, and the point to send."""
    size = (ek_public_key.curve.key_size + 7) // 8
    own, peer = ephemeral.public_key().public_numbers(), ek_public_key.public_numbers()
    shared = ephemeral.exchange(ec.ECDH(), ek_public_key)
    parties = own.x.to_bytes(size) + peer.x.to_bytes(size)
    seed = digest(protection_of(ek_public_key).hash, struct.pack(">I", 1) + shared + SEED_LABEL + parties)
    point = b"".join(struct.pack(">H", size) + value.to_bytes(size) for value in (own.x, own.y))
    return seed, point


def _kdfa(key: bytes, label: bytes, *, context: bytes, bits: int, hash_algorithm: int) -> bytes:
    """Return KDFa's first block, which is enough: no more bits are asked for than the hash has."""
    data = struct.pack(">I", 1) + label + b"\0" + context + struct.pack(">I", bits)
    return hmac.digest(key, data, BANK_NAMES[hash_algorithm])[: bits // 8]


def check_activation(activation: Activation, *, ak_name: bytes | None) -> Iterator[Reason]:
    """Yield what speaks against the claim that the endorsed TPM holds the key called ``ak_name``.

    1. What was issued is the credential for this very key (not judged for a key that has no name: it was refused
    already). 2. The node opened it. The secret itself is never told.
    """
    if ak_name is not None:
        expected = identity_object(ak_name, secret=activation.secret, seed=activation.seed)
        if not hmac.compare_digest(expected, activation.credential_blob):
            yield Reason(code="CredentialMismatch", message="the credential was issued for another attestation key")
    if not activation.secret or not hmac.compare_digest(activation.secret, activation.returned):
        yield Reason(code="ActivationFailed", message="the credential was not opened")
