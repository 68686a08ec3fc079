"""Credential activation: making a credential, and judging what came back.

The pure part of TPM2_MakeCredential: seeds, secrets and ephemeral keys are arguments.
Encrypting the seed needs randomness, so that is the caller's. Whether the encrypted
seed really went to the certified EK is not checked again in a verdict: for RSA that
cannot be computed without the padding's randomness, so it rests on the service.

Source: TPM 2.0 Part 1, 11.4.10 (KDFa, KDFe), 24 (credential protection), C.6.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

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


def make_credential(
    ek_public_key: PublicKey,
    ak_name: bytes,
    *,
    secret: bytes,
    seed: bytes,
    encrypt: Callable[[PublicKey, bytes], bytes],
) -> Credential:
    """Return the credential that only the TPM with this EK, holding the key called ``ak_name``, can open.

    ``secret`` is at most 32 bytes, ``seed`` 32. ``encrypt`` returns the TPM2B_ENCRYPTED_SECRET's content for the
    EK: RSA-OAEP of the seed under SEED_LABEL; for an elliptic-curve EK the point that ``agree`` returned with it.
    """
    blob = identity_object(ak_name, secret=secret, seed=seed)
    return Credential(credential_blob=blob, encrypted_secret=encrypt(ek_public_key, seed))


def identity_object(ak_name: bytes, *, secret: bytes, seed: bytes) -> bytes:
    """Return the TPMS_ID_OBJECT (2-byte size, HMAC, encrypted identity) for an EK with AES-128 and SHA-256."""
    key = _kdfa(seed, b"STORAGE", context=ak_name, bits=128)
    cipher = Cipher(algorithms.AES(key), CFB(bytes(16))).encryptor()
    identity = cipher.update(struct.pack(">H", len(secret)) + secret) + cipher.finalize()
    outer = hmac.digest(_kdfa(seed, b"INTEGRITY", context=b"", bits=256), identity + ak_name, "sha256")
    return struct.pack(">H", len(outer)) + outer + identity


def agree(ek_public_key: ec.EllipticCurvePublicKey, *, ephemeral: ec.EllipticCurvePrivateKey) -> tuple[bytes, bytes]:
    """Return the seed that an ``ephemeral`` key on the EK's curve (P-256) agrees with it, and the point to send."""
    own, peer = ephemeral.public_key().public_numbers(), ek_public_key.public_numbers()
    shared = ephemeral.exchange(ec.ECDH(), ek_public_key)
    parties = own.x.to_bytes(32) + peer.x.to_bytes(32)
    seed = hashlib.sha256(struct.pack(">I", 1) + shared + SEED_LABEL + parties).digest()
    point = b"".join(struct.pack(">H", 32) + value.to_bytes(32) for value in (own.x, own.y))
    return seed, point


def _kdfa(key: bytes, label: bytes, *, context: bytes, bits: int) -> bytes:
    data = struct.pack(">I", 1) + label + b"\0" + context + struct.pack(">I", bits)
    return hmac.digest(key, data, "sha256")[: bits // 8]


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
