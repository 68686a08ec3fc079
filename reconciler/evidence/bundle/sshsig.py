"""Signatures that OpenSSH makes of commits, verified without it.

Rules: one armoured signature, of version 1, in the namespace ``git``, over SHA-256 or SHA-512; Ed25519, ECDSA and RSA
(of 2048 bits or more, with SHA-2), the first two also by a security key, which must say that somebody touched it.
Whose key it is, and whether it counts, is not decided here. Source: OpenSSH PROTOCOL.sshsig and PROTOCOL.u2f,
RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8332, RFC 8709.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.bundle.pieces import fingerprint

_ARMOUR = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]{1,16384})\n-----END SSH SIGNATURE-----\n?", re.ASCII
)
_MAGIC = b"SSHSIG"
_NAMESPACE = b"git"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_CURVES: dict[bytes, tuple[ec.EllipticCurve, HashAlgorithm]] = {
    b"nistp256": (ec.SECP256R1(), SHA256()),
    b"nistp384": (ec.SECP384R1(), SHA384()),
    b"nistp521": (ec.SECP521R1(), SHA512()),
}
_RSA_HASHES: dict[bytes, HashAlgorithm] = {b"rsa-sha2-256": SHA256(), b"rsa-sha2-512": SHA512()}
_MIN_RSA_BITS = 2048
_TOUCHED = 0x01
_SK_SUFFIX = b"@openssh.com"


def verify_sshsig(armour: bytes, *, message: bytes) -> str:
    """Return the fingerprint (``SHA256:…``) of the key whose signature of ``message`` stands in ``armour``.

    TrustError if it does not hold (CommitForged), or is not one that can be checked here (CommitSignature).
    """
    found = _ARMOUR.fullmatch(armour)
    try:
        blob = base64.b64decode(found[1].replace(b"\n", b""), validate=True) if found else b""
        signed = _read(blob)
        if signed.namespace != _NAMESPACE or signed.hash not in _HASHES:
            raise _refusal("was made for something else")
        fields = (signed.namespace, b"", signed.hash, _HASHES[signed.hash](message).digest())
        _verify(signed.key, signature=signed.signature, data=_MAGIC + b"".join(map(_string, fields)))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise _refusal("cannot be read") from None
    except InvalidSignature:
        raise TrustError("signature", "does not hold", reason="CommitForged") from None
    return fingerprint(signed.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    key: bytes
    namespace: bytes
    hash: bytes
    signature: bytes


@dataclass(slots=True)
class _Fields:
    """Fields of SSH's wire format, one after the other; ValueError where there is none."""

    data: bytes
    at: int = field(default=0)

    def take(self, size: int) -> bytes:
        taken = self.data[self.at : self.at + size]
        self.at += size
        if len(taken) != size:
            raise ValueError("cut off")
        return taken

    def string(self) -> bytes:
        return self.take(int.from_bytes(self.take(4), "big"))

    def end(self) -> None:
        if self.at != len(self.data):
            raise ValueError("something stands behind the end")


def _read(blob: bytes) -> _Signed:
    fields = _Fields(blob)
    if fields.take(len(_MAGIC)) != _MAGIC or fields.take(4) != (1).to_bytes(4, "big"):
        raise ValueError("no signature of version 1")
    key, namespace, reserved, name, signature = (fields.string() for _ in range(5))
    fields.end()
    if reserved:
        raise ValueError("a reserved field is set")
    return _Signed(key=key, namespace=namespace, hash=name, signature=signature)


def _verify(blob: bytes, *, signature: bytes, data: bytes) -> None:
    """Raise InvalidSignature or ValueError unless ``signature`` is of ``data`` by the key ``blob``."""
    key, sealed = _Fields(blob), _Fields(signature)
    kind, own = key.string(), sealed.string()
    value = sealed.string()
    if kind == b"ssh-rsa":
        exponent, modulus = (int.from_bytes(key.string(), "big") for _ in range(2))
        key.end()
        sealed.end()
        _verify_rsa(exponent, modulus, name=own, value=value, data=data)
        return
    if own != kind:
        raise ValueError("a signature of another kind than its key")
    is_held = kind.startswith(b"sk-") and kind.endswith(_SK_SUFFIX)
    curve = key.string() if b"ecdsa-sha2-" in kind else b""
    point = key.string()
    if is_held:
        flags_and_counter = sealed.take(5)
        if not flags_and_counter[0] & _TOUCHED:
            raise ValueError("nobody touched the security key")
        digests = (hashlib.sha256(key.string()).digest(), hashlib.sha256(data).digest())
        data = digests[0] + flags_and_counter + digests[1]
    key.end()
    sealed.end()
    base = kind.removeprefix(b"sk-").removesuffix(_SK_SUFFIX) if is_held else kind
    if base == b"ssh-ed25519":
        Ed25519PublicKey.from_public_bytes(point).verify(value, data)
    elif base == b"ecdsa-sha2-" + curve and curve in _CURVES:
        _verify_ecdsa(curve, point, value=value, data=data)
    else:
        raise ValueError("a key of a kind that is not known here")


def _verify_ecdsa(name: bytes, point: bytes, *, value: bytes, data: bytes) -> None:
    curve, hash_ = _CURVES[name]
    numbers = _Fields(value)
    r, s = (int.from_bytes(numbers.string(), "big") for _ in range(2))
    numbers.end()
    public = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    public.verify(encode_dss_signature(r, s), data, ec.ECDSA(hash_))


def _verify_rsa(exponent: int, modulus: int, *, name: bytes, value: bytes, data: bytes) -> None:
    if name not in _RSA_HASHES or not _MIN_RSA_BITS <= modulus.bit_length() <= 1 << 14:
        raise ValueError("too weak")
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    public.verify(value, data, padding.PKCS1v15(), _RSA_HASHES[name])


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _refusal(message: str) -> TrustError:
    return TrustError("signature", message, reason="CommitSignature")
