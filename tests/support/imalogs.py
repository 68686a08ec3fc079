"""IMA lists as a kernel would write them, and the PCR values that they lead to, made the plain way."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import SubjectKeyIdentifier

PCRS = {pcr: bytes([pcr]) * 32 for pcr in range(10)}
"""What the firmware left in PCR 0 to 9."""

SIZES = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}


def field(value: bytes) -> bytes:
    """Return ``value`` with its length in front."""
    return struct.pack("<I", len(value)) + value


@dataclass(frozen=True, kw_only=True)
class Line:
    """One entry: the template's fields after digest and name are ``tail``."""

    path: bytes = b"/usr/bin/true"
    content: bytes | None = None
    digest: bytes | None = None
    algorithm: bytes = b"sha256"
    template: bytes = b"ima-ng"
    tail: tuple[bytes, ...] = ()
    pcr: int = 10
    is_violation: bool = False

    @property
    def file_digest(self) -> bytes:
        """Return the file's digest: the given one, or that of its content."""
        if self.digest is not None:
            return self.digest
        return hashlib.new(self.algorithm.decode().removeprefix("verity:").removeprefix("ima:"), self.body).digest()

    @property
    def body(self) -> bytes:
        """Return the file's content, by default made of its path."""
        return b"content of " + self.path if self.content is None else self.content

    @property
    def named(self) -> str:
        """Return the digest as a policy writes it."""
        return f"{self.algorithm.decode().removeprefix('ima:')}:{self.file_digest.hex()}"

    @property
    def data(self) -> bytes:
        """Return what is hashed."""
        if self.template == b"ima":
            return self.file_digest + self.path.ljust(256, b"\0")
        values = [self.algorithm + b":\0" + self.file_digest, self.path + b"\0", *self.tail]
        return b"".join(map(field, values))

    def stated(self, bank: str = "sha1") -> bytes:
        """Return the template hash in the list of ``bank``."""
        return bytes(SIZES[bank]) if self.is_violation else hashlib.new(bank, self.data).digest()

    def binary(self, bank: str = "sha1") -> bytes:
        """Return the entry of ``binary_runtime_measurements``."""
        head = struct.pack("<I", self.pcr) + self.stated(bank) + field(self.template)
        if self.template == b"ima":
            return head + self.file_digest + field(self.path)
        return head + field(self.data)

    def ascii(self, bank: str = "sha1") -> bytes:
        """Return the line of ``ascii_runtime_measurements``."""
        digest = self.file_digest.hex().encode()
        named = digest if self.template == b"ima" else self.algorithm + b":" + digest
        shown = [b"%2d" % self.pcr, self.stated(bank).hex().encode(), self.template, named, self.path]
        return b" ".join([*shown, *(part.hex().encode() for part in self.tail)]) + b"\n"

    def extends(self, bank: str, *, is_padded: bool) -> bytes:
        """Return what the kernel extends for the entry."""
        if self.is_violation:
            return b"\xff" * SIZES[bank]
        if is_padded:
            return hashlib.sha1(self.data, usedforsecurity=False).digest().ljust(SIZES[bank], b"\0")
        return hashlib.new(bank, self.data).digest()


def aggregate_of(pcrs: Sequence[int] = range(10), *, algorithm: str = "sha256") -> Line:
    """Return the boot aggregate over ``pcrs`` of PCRS."""
    digest = hashlib.new(algorithm, b"".join(PCRS[pcr] for pcr in pcrs)).digest()
    return Line(path=b"boot_aggregate", digest=digest, algorithm=algorithm.encode())


def value_after(lines: Sequence[Line], *, bank: str = "sha256", is_padded: bool = False, pcr: int = 10) -> bytes:
    """Return the value of ``pcr`` after ``lines``."""
    value = bytes(SIZES[bank])
    for line in lines:
        if line.pcr == pcr:
            value = hashlib.new(bank, value + line.extends(bank, is_padded=is_padded)).digest()
    return value


def quoted_after(lines: Sequence[Line], **options: object) -> dict[str, dict[int, bytes]]:
    """Return what a quote over PCR 0 to 10 says after ``lines``."""
    return {"sha256": {**PCRS, 10: value_after(lines, **options)}}  # type: ignore[arg-type]


def binary_of(lines: Sequence[Line], *, bank: str = "sha1") -> bytes:
    """Return ``lines`` as a binary list."""
    return b"".join(line.binary(bank) for line in lines)


def ascii_of(lines: Sequence[Line], *, bank: str = "sha1") -> bytes:
    """Return ``lines`` as an ascii list."""
    return b"".join(line.ascii(bank) for line in lines)


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())

Signer = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_HASHES: dict[int, hashes.HashAlgorithm] = {2: hashes.SHA1(), 4: hashes.SHA256(), 6: hashes.SHA512()}  # noqa: S303 - kernels have signed over it


def pem_of(key: Signer) -> str:
    """Return the public half of ``key`` in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signature_over(digest: bytes, *, key: Signer, number: int = 4, kind: int = 3, version: int = 2) -> bytes:
    """Return ``security.ima`` for a file with ``digest``; ``number`` is the kernel's of the hash."""
    scheme = Prehashed(_HASHES[number])
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(digest, padding.PKCS1v15(), scheme)
    else:
        signature = key.sign(digest, ec.ECDSA(scheme))
    key_id = SubjectKeyIdentifier.from_public_key(key.public_key()).digest[-4:]
    return struct.pack(">BBB4sH", kind, version, number, key_id, len(signature)) + signature


def signed(line: Line, *, key: Signer, number: int = 4) -> Line:
    """Return ``line`` with a signature, in the template ima-sig."""
    return replace(line, template=b"ima-sig", tail=(signature_over(line.file_digest, key=key, number=number),))
