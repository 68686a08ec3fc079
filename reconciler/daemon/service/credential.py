"""Making a credential for a node's EK, with fresh randomness: mechanical, nothing is judged.

The EK's certificate is taken for its key only; whether anybody vouches for it is the
verifier's question. Source: TPM 2.0 Part 1, 24 and C.6.
"""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from reconciler.attest.endorsement.certificate import load_spki, parse_certificate
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.credential import SEED_LABEL, Credential, agree, identity_object, make_credential
from reconciler.attest.tpm.public import PublicKey, ak_name
from reconciler.drivers.spool.front import Issued

_WHAT = "endorsement key"
_BYTES = 32
_RSA_BITS = (2048, 3072, 4096)


def issue(*, ek_certificate: bytes, ak_public: bytes) -> Issued:
    """Return a credential that only the TPM with this EK and this AK opens.

    TrustError: the bytes are no certificate, no attestation key, or an EK of a kind that is not served.
    """
    key, name = load_spki(parse_certificate(ek_certificate).spki), ak_name(ak_public)
    secret, seed = secrets.token_bytes(_BYTES), secrets.token_bytes(_BYTES)
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, ec.SECP256R1):
            raise MalformedError(_WHAT, "its curve is not P-256")
        seed, point = agree(key, ephemeral=ec.generate_private_key(key.curve))
        made = Credential(credential_blob=identity_object(name, secret=secret, seed=seed), encrypted_secret=point)
    else:
        if key.key_size not in _RSA_BITS:
            raise MalformedError(_WHAT, f"{key.key_size} bits are not served")
        made = make_credential(key, name, secret=secret, seed=seed, encrypt=_encrypt)
    return Issued(
        seed=seed, secret=secret, credential_blob=made.credential_blob, encrypted_secret=made.encrypted_secret
    )


def _encrypt(key: PublicKey, seed: bytes) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey):
        raise MalformedError(_WHAT, "is not an RSA key")
    return key.encrypt(seed, padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=SEED_LABEL))
