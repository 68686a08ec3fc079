"""Signatures of files: the header in ``security.ima``, and whether a key that the policy names made it.

Version 2 signs the file's digest, version 3 the digest of an fs-verity tree together with its kind. RSA (PKCS #1 v1.5)
and ECDSA. A signature says nothing of the path that the file was found at. Not checked: EVM portable signatures, which
are over metadata that no log holds, and signatures appended to modules.

Source: Linux, security/integrity/integrity.h (signature_v2_hdr), digsig_asymmetric.c; ima_appraise.c
(calc_file_id_hash); include/uapi/linux/hash_info.h.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from reconciler.attest.ima.templates import Entry
from reconciler.model.ima import SignatureKey, load_key

_HEADER = struct.Struct(">BBB4sH")
_FILE, _PORTABLE, _VERITY = 3, 5, 6
_ALGORITHMS: Mapping[int, tuple[str, hashes.HashAlgorithm]] = MappingProxyType(
    {
        2: ("sha1", hashes.SHA1()),  # noqa: S303 - counts only where the policy says unsafeAllowSha1
        4: ("sha256", hashes.SHA256()),
        5: ("sha384", hashes.SHA384()),
        6: ("sha512", hashes.SHA512()),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Why a signature does not count: a code of ``codes.py``, in words, and what stands against each other."""

    code: str
    message: str
    expected: str | None = None
    found: str | None = None


class Keyring:
    """The keys whose signatures count, by key id."""

    __slots__ = ("_keys",)

    def __init__(self, pems: Iterable[str]) -> None:
        """Load ``pems``, which are certificates or public keys; ValueError if one is neither."""
        self._keys: dict[bytes, tuple[SignatureKey, ...]] = {}
        for pem in pems:
            key_id, key = load_key(pem)
            self._keys[key_id] = (*self._keys.get(key_id, ()), key)

    def check(self, entry: Entry, *, allow_sha1: bool) -> Flaw | None:
        """Return why the signature in ``entry`` does not count, or None if one of the keys made it over its digest."""
        parsed = _parse(entry)
        if isinstance(parsed, Flaw):
            return parsed
        number, key_id, signature = parsed
        algorithm, scheme = _ALGORITHMS[number]
        if algorithm == "sha1" and not allow_sha1:
            return Flaw(code="ImaDigestWeak", message="the signature is over SHA-1", found=algorithm)
        if algorithm != entry.algorithm:
            message = "the signature is over another hash than the file's digest"
            return Flaw(code="ImaSignatureInvalid", message=message, expected=entry.algorithm, found=algorithm)
        keys = self._keys.get(key_id, ())
        if not keys:
            return Flaw(code="ImaKeyUnknown", message="signed by a key that is not named", found=key_id.hex())
        digest = entry.digest
        if entry.kind == "verity":
            digest = hashlib.new(algorithm, bytes([_VERITY, number]) + digest).digest()
        if any(_holds(key, signature, digest, scheme) for key in keys):
            return None
        return Flaw(
            code="ImaSignatureInvalid", message="the signature does not hold over the digest", found=key_id.hex()
        )


def key_id_of(signature: bytes) -> str | None:
    """Return the key id that ``signature`` names, in hexadecimal; None if it has none."""
    if len(signature) < _HEADER.size:
        return None
    _, _, _, key_id, _ = _HEADER.unpack_from(signature)
    return str(key_id.hex())


def _parse(entry: Entry) -> tuple[int, bytes, bytes] | Flaw:
    """Return number of the hash, key id and signature proper, or why they cannot be used."""
    blob = entry.signature
    if len(blob) < _HEADER.size:
        return Flaw(code="ImaSignatureInvalid", message="the signature is shorter than its header")
    kind, version, number, key_id, size = _HEADER.unpack_from(blob)
    if kind == _PORTABLE:
        return Flaw(code="ImaSignatureUnsupported", message="it is an EVM signature, over metadata")
    if (kind, version) != ((_VERITY, 3) if entry.kind == "verity" else (_FILE, 2)) or number not in _ALGORITHMS:
        found = f"type {kind}, version {version}, hash {number}"
        return Flaw(code="ImaSignatureUnsupported", message="it is of an unknown kind", found=found)
    if size != len(blob) - _HEADER.size:
        message = "the signature is longer or shorter than its header says"
        return Flaw(code="ImaSignatureInvalid", message=message)
    return number, key_id, blob[_HEADER.size :]


def _holds(key: SignatureKey, signature: bytes, digest: bytes, scheme: hashes.HashAlgorithm) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), Prehashed(scheme))
        else:
            key.verify(signature, digest, ec.ECDSA(Prehashed(scheme)))
    except (InvalidSignature, ValueError):  # ValueError: the digest is not one of that hash.
        return False
    return True
