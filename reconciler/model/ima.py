"""The section ``ima:`` of an appraisal policy: what may have run, been read or been loaded on a node.

Everything that is not allowed here is refused; excluded paths are the ones that are not judged. What weakens the
verifier is spelled ``unsafe…`` and is told by ``weakenings``. What the entries of a log say about each other is
checked in ``attest/ima``.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import Certificate, ExtensionNotFound, SubjectKeyIdentifier, load_pem_x509_certificate
from pydantic import AfterValidator, Field

from reconciler.model.base import Value
from reconciler.model.path_pattern import parse_pattern

DIGEST_SIZES = {
    "sha1": 20,
    "sha256": 32,
    "sha384": 48,
    "sha512": 64,
    "sha3-256": 32,
    "sha3-384": 48,
    "sha3-512": 64,
}
"""The algorithms that files may be known by, with their digests' sizes in bytes; the names are the kernel's."""

MAX_PATH = 4096
"""The kernel's PATH_MAX: longer paths are in no log."""

MAX_EXCLUDES = 256
"""At most this many patterns stand in one policy."""

MAX_KEYS = 64
"""At most this many keys stand in one policy."""

SignatureKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
"""A public key that may have signed files."""

_MIN_RSA = 2048
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_DIGEST = re.compile(r"(?:verity:)?([a-z0-9-]{1,16}):([0-9a-f]{1,128})")


def _digest(text: str) -> str:
    match = _DIGEST.fullmatch(text)
    if match is None or DIGEST_SIZES.get(match[1]) != len(match[2]) / 2:
        names = ", ".join(DIGEST_SIZES)
        raise ValueError(
            f"a digest is its algorithm, a colon and all its lower-case hexadecimal digits; one of {names}"
        )
    return text


def _path(text: str) -> str:
    size = len(text.encode("utf-8", "surrogatepass"))
    if not 0 < size < MAX_PATH or "\0" in text:
        raise ValueError(f"a name has 1 to {MAX_PATH - 1} bytes, none of them zero")
    return text


def _pattern(text: str) -> str:
    parse_pattern(text)
    return text


def _key(pem: str) -> str:
    load_key(pem)
    return pem


FileDigest = Annotated[str, AfterValidator(_digest)]
"""``sha256:…``: a digest with the algorithm that it was made by; ``verity:sha256:…`` is one of an fs-verity tree."""

FilePath = Annotated[str, AfterValidator(_path)]
"""A name as the kernel writes it into the log: spaces in a path are ``_`` there."""

Exclusion = Annotated[str, AfterValidator(_pattern)]
"""A pattern that a whole path must match to go unjudged."""

PemKey = Annotated[str, AfterValidator(_key)]
"""A certificate or a public key in PEM, RSA from 2048 bits or P-256/384/521."""


class BootAggregate(StrEnum):
    """What a policy asks of the log's ``boot_aggregate``."""

    REQUIRED = "required"
    UNSAFE_IGNORED = "unsafeIgnored"


class ImaPolicy(Value):
    """What IMA may have measured.

    ``digests`` holds, for each path, the digests that a file there may have. ``keys`` are those whose signature in a
    file's ``security.ima`` is good enough. ``buffers`` holds, for each name (``kexec-cmdline``, ``dm_table_load``, a
    keyring such as ``.ima``), the digests that a measured buffer may have. A keyring in ``ignored_keyrings`` may have
    taken any key, which then counts for nothing here. Without digests and keys a policy refuses everything.
    """

    digests: dict[FilePath, Annotated[tuple[FileDigest, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """For each path, the digests that a file there may have."""
    excludes: Annotated[tuple[Exclusion, ...], Field(max_length=MAX_EXCLUDES)] = ()
    """Patterns of paths that are not judged; each must match the whole path."""
    keys: Annotated[tuple[PemKey, ...], Field(max_length=MAX_KEYS)] = ()
    """Public keys or certificates in PEM; a file that one of them signed is good."""
    buffers: dict[FilePath, Annotated[tuple[FileDigest, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """For each name of a measured buffer, the digests that it may have."""
    ignored_keyrings: tuple[FilePath, ...] = ()
    """Keyrings that may have taken any key, which then counts for nothing here."""
    boot_aggregate: BootAggregate = BootAggregate.REQUIRED
    """Whether the log must begin with this boot's aggregate."""
    unsafe_allow_violations: bool = False
    """Let entries pass that were violated: a file was changed while it was measured. Not even its name is measured."""
    unsafe_allow_sha1: bool = False
    """Let SHA-1 count: digests and signatures of files, and kernels that extend padded SHA-1 into every bank."""

    @property
    def is_empty(self) -> bool:
        """Return whether nothing could be accepted by this policy on its merits."""
        return not (self.digests or self.keys)

    @property
    def weakenings(self) -> tuple[str, ...]:
        """Return the names of the ``unsafe…`` settings that are in force, as they stand in YAML."""
        named = {
            "unsafeAllowViolations": self.unsafe_allow_violations,
            "unsafeAllowSha1": self.unsafe_allow_sha1,
            "bootAggregate: unsafeIgnored": self.boot_aggregate is BootAggregate.UNSAFE_IGNORED,
        }
        return tuple(name for name, is_set in named.items() if is_set)


def load_key(pem: str) -> tuple[bytes, SignatureKey]:
    """Return the key in ``pem`` and its key id: the last four bytes of the certificate's subject key identifier.

    A bare key, or a certificate without that extension, has the SHA-1 of its public key bits for an identifier
    (RFC 5280, 4.2.1.2, method 1; as ``evmctl`` computes it). ValueError if it is not one that files may be signed by.
    """
    try:
        identifier: bytes | None = None
        if "-----BEGIN CERTIFICATE-----" in pem:
            certificate = load_pem_x509_certificate(pem.encode())
            key: object = certificate.public_key()
            identifier = _identifier_in(certificate)
        else:
            key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("a key is a certificate or a public key in PEM") from error
    if not isinstance(key, SignatureKey) or not _is_strong(key):
        raise ValueError(f"a key is RSA of at least {_MIN_RSA} bits, or on P-256, P-384 or P-521")
    return (identifier or SubjectKeyIdentifier.from_public_key(key).digest)[-4:], key


def _is_strong(key: SignatureKey) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= _MIN_RSA
    return key.curve.name in _CURVES


def _identifier_in(certificate: Certificate) -> bytes | None:
    try:
        found = certificate.extensions.get_extension_for_class(SubjectKeyIdentifier)
    except ExtensionNotFound:
        return None
    return found.value.digest
