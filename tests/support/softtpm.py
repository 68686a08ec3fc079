"""A TPM in software that makes real bytes, and lies on request.

Written from the TPM 2.0 specification on its own, without the verifier's code, so that
the two check each other. It keeps what a TPM keeps over a power cycle (keys, reset
count, clock) and loses what a TPM loses (PCRs, event log).
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from reconciler.model.binding import qualifying_data
from reconciler.model.kinds import Measurements
from reconciler.model.submission import Activation, Evidence
from tests.support import firmware, softkeys
from tests.support.lies import tell

DEFAULT_PCRS = (0, 1, 2, 3, 4, 5, 7, 9, 11, 12)
EPHEMERAL = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqsphe7k3"
AK_ATTRIBUTES = 0x00050472
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
_EK_POLICY = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")


class Lie(StrEnum):
    """One thing about otherwise good evidence that is not true; every one must be rejected."""

    WRONG_NONCE = "the quote answers another challenge"
    OTHER_NODE = "the quote was made for another node"
    OTHER_ENCLAVE = "the quote was made for another enclave"
    OTHER_COMMIT = "the quote was made for another commit"
    OTHER_EPHEMERAL = "the ephemeral key was swapped on the way"
    OTHER_AK = "the quote is signed by a key that was not enrolled"
    STRANGER = "another TPM, with a good certificate, in this node's place"
    FORGED_EK = "the EK certificate is signed by a manufacturer nobody knows"
    WRONG_CREDENTIAL = "the node could not open its credential"
    STALE_CLOCK = "the TPM's clock and counts are those of an earlier time"
    UNSAFE_CLOCK = "the TPM does not vouch for its clock"
    FEWER_PCRS = "the quote leaves out PCR 4"
    RELABELLED = "the quoted values are claimed for other PCRs"
    CLAIMED_PCR = "a claimed PCR value is not the quoted one"
    NOT_A_QUOTE = "the attestation is of the time, not of PCRs"
    FLIPPED_QUOTE = "a bit of the quote is flipped"
    FLIPPED_SIGNATURE = "a bit of the signature is flipped"
    FLIPPED_CERTIFICATE = "a bit of the EK certificate is flipped"
    CHANGED_EVENT = "the digest of an event in PCR 4 is changed in the log"
    RETYPED_EVENT = "the boot application's event is given a type that the image does not have"
    DROPPED_EVENT = "the last event of PCR 11 is missing from the log"
    EMPTY_LOG = "there is no log"
    GARBAGE = "nothing in it is what it should be"


def tpm2b(data: bytes) -> bytes:
    """Return ``data`` with its 16-bit size in front."""
    return struct.pack(">H", len(data)) + data


def kdfa(key: bytes, label: bytes, context: bytes, bits: int) -> bytes:
    """Return KDFa with SHA-256 for at most 256 bits (TPM 2.0 Part 1, 11.4.10.2)."""
    return hmac.digest(key, struct.pack(">I", 1) + label + b"\0" + context + struct.pack(">I", bits), "sha256")[
        : bits // 8
    ]


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    numbers = key.public_numbers()
    return tpm2b(numbers.x.to_bytes(32)) + tpm2b(numbers.y.to_bytes(32))


def ek_public_area(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    """Return the TPMT_PUBLIC of an EK (TCG EK Credential Profile, templates L-1 and L-2)."""
    head = struct.pack(">IH32s", 0x000300B2, 32, _EK_POLICY)
    aes = struct.pack(">HHHH", 0x0006, 128, 0x0043, 0x0010)
    if isinstance(key, rsa.RSAPublicKey):
        modulus = key.public_numbers().n.to_bytes(256)
        return struct.pack(">HH", 0x0001, 0x000B) + head + aes + struct.pack(">HI", 2048, 0) + tpm2b(modulus)
    return struct.pack(">HH", 0x0023, 0x000B) + head + aes + struct.pack(">HH", 0x0003, 0x0010) + _point(key)


def ak_public_area(key: ec.EllipticCurvePublicKey, *, attributes: int = AK_ATTRIBUTES) -> bytes:
    """Return the TPMT_PUBLIC of an ECDSA P-256 attestation key."""
    head = struct.pack(">HHIH", 0x0023, 0x000B, attributes, 0)
    return head + struct.pack(">HHHHH", 0x0010, 0x0018, 0x000B, 0x0003, 0x0010) + _point(key)


def name_of(public_area: bytes) -> bytes:
    """Return the name of an object with a SHA-256 name algorithm."""
    return b"\x00\x0b" + hashlib.sha256(public_area).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What the attestation service asks a node to prove; defaults suit a test of one node."""

    node: str = "n1"
    enclave: str = "blue"
    commit: str = "c" * 40
    attempt: str = "attempt-1"
    session: str = "5" * 64
    nonce: bytes = bytes(range(32))
    pcrs: Sequence[int] = DEFAULT_PCRS
    ephemeral: str = EPHEMERAL
    challenged_at: datetime = NOW
    received_at: datetime = NOW


class SoftTpm:
    """The TPM of the node called ``name``, with its keys, its certificate and its memory of boots."""

    def __init__(self, name: str, *, ek: str = "ecc", manufacturer: str = "Ringfence Test TPMs") -> None:
        """Make the TPM as it leaves the factory: never started."""
        self.name = name
        self.manufacturer = manufacturer
        self.ek = (softkeys.ec_key if ek == "ecc" else softkeys.rsa_key)(f"ek {name}")
        self.ek_certificate = softkeys.ek_certificate(name, kind=ek, manufacturer=manufacturer)
        self.ek_roots = (softkeys.root_pem(manufacturer),)
        self.endorsement = "sha256:" + hashlib.sha256(softkeys.spki(self.ek.public_key())).hexdigest()
        self.ak = softkeys.ec_key(f"ak {name}")
        self.ak_public = ak_public_area(self.ak.public_key())
        self.reset_count = 0
        self.restart_count = 0
        self.clock = 0
        self.safe = True
        self.firmware_version = 0x2019102300163636
        self.events: list[firmware.LogEvent] = []
        self.pcrs = firmware.replay(())

    @property
    def event_log(self) -> bytes:
        """Return the log as the kernel shows it."""
        return firmware.encode(self.events)

    def reset(self) -> None:
        """Power off and on: the reset count rises, the restart count, PCRs and log start anew."""
        self.reset_count += 1
        self.restart_count = 0
        self.events = []
        self.pcrs = firmware.replay(())
        self.tick(100)

    def resume(self) -> None:
        """Sleep and wake: only the restart count rises."""
        self.restart_count += 1
        self.tick(100)

    def tick(self, milliseconds: int) -> None:
        """Let time pass on the TPM's clock."""
        self.clock += milliseconds

    def measure(self, events: Iterable[firmware.LogEvent]) -> None:
        """Extend ``events`` into the PCRs and write them in the log."""
        self.events = [*self.events, *events]
        self.pcrs = firmware.replay(self.events)

    def extend(self, pcr: int, digest: bytes = b"\x66" * 32) -> None:
        """Extend a PCR without a line in the log, as software that turned bad would."""
        self.pcrs = self.pcrs | {pcr: hashlib.sha256(self.pcrs[pcr] + digest).digest()}

    def boot(
        self,
        measurements: Measurements,
        *,
        tampered: Collection[int] = (),
        secure_boot: bool = False,
        firmware_build: str = "ovmf",
    ) -> None:
        """Power cycle into an image that measures ``measurements``, changed in the PCRs ``tampered`` (4, 9, 11)."""
        self.reset()
        self.measure(firmware.firmware_events(firmware_build, secure_boot=secure_boot))
        self.measure(firmware.image_events(firmware.tamper(measurements, tampered)))
        self.tick(4000)

    def qualified_name(self, ak_public: bytes) -> bytes:
        """Return the qualified name of an AK made under this TPM's EK (TPM 2.0 Part 1, 16)."""
        parent = name_of(struct.pack(">I", 0x4000000B) + name_of(ek_public_area(self.ek.public_key())))
        return name_of(parent + name_of(ak_public))

    def attest(self, extra_data: bytes, pcrs: Sequence[int], *, kind: int = 0x8018) -> bytes:
        """Return a TPMS_ATTEST of the PCRs' present values; the clock moves on by a millisecond."""
        self.tick(1)
        head = struct.pack(">IH", 0xFF544347, kind) + tpm2b(self.qualified_name(self.ak_public)) + tpm2b(extra_data)
        clock = struct.pack(
            ">QIIBQ", self.clock, self.reset_count, self.restart_count, self.safe, self.firmware_version
        )
        bitmap = sum(1 << pcr for pcr in pcrs).to_bytes(3, "little")
        digest = hashlib.sha256(b"".join(self.pcrs[pcr] for pcr in sorted(pcrs))).digest()
        return head + clock + struct.pack(">IHB", 1, 0x000B, 3) + bitmap + tpm2b(digest)

    @staticmethod
    def sign(attest: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
        """Return the TPMT_SIGNATURE of ``attest`` by ``key``."""
        signature = key.sign(attest, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(signature)
        return struct.pack(">HH", 0x0018, 0x000B) + tpm2b(r.to_bytes(32)) + tpm2b(s.to_bytes(32))

    def quote(self, extra_data: bytes, pcrs: Sequence[int] = DEFAULT_PCRS) -> tuple[bytes, bytes]:
        """Return a TPMS_ATTEST over ``pcrs`` and its TPMT_SIGNATURE by the AK."""
        attest = self.attest(extra_data, pcrs)
        return attest, self.sign(attest, self.ak)

    def issue(self, session: str) -> Activation:
        """Return what a service issues to this TPM's EK in ``session``, with the right answer."""
        label = f"{self.name} {session}".encode()
        secret = hashlib.sha256(b"secret " + label).digest()
        seed, encrypted = self._seed(label)
        name = name_of(self.ak_public)
        cipher = Cipher(algorithms.AES(kdfa(seed, b"STORAGE", name, 128)), CFB(bytes(16))).encryptor()
        identity = cipher.update(tpm2b(secret)) + cipher.finalize()
        outer = hmac.digest(kdfa(seed, b"INTEGRITY", b"", 256), identity + name, "sha256")
        blob = tpm2b(outer) + identity
        return Activation(
            seed=seed,
            secret=secret,
            credential_blob=blob,
            encrypted_secret=encrypted,
            returned=self.activate(blob, encrypted),
        )

    def _seed(self, label: bytes) -> tuple[bytes, bytes]:
        if isinstance(self.ek, rsa.RSAPrivateKey):
            seed = hashlib.sha256(b"seed " + label).digest()
            return seed, self.ek.public_key().encrypt(seed, _OAEP)
        ephemeral = softkeys.ec_key(f"ephemeral {label.hex()}")
        x = ephemeral.public_key().public_numbers().x.to_bytes(32)
        return self._agree(self.ek.exchange(ec.ECDH(), ephemeral.public_key()), x), _point(ephemeral.public_key())

    def _agree(self, shared: bytes, ephemeral_x: bytes) -> bytes:
        assert isinstance(self.ek, ec.EllipticCurvePrivateKey)
        own_x = self.ek.public_key().public_numbers().x.to_bytes(32)
        return hashlib.sha256(struct.pack(">I", 1) + shared + b"IDENTITY\0" + ephemeral_x + own_x).digest()

    def activate(self, credential_blob: bytes, encrypted_secret: bytes) -> bytes:
        """Return the secret of a credential for this EK and AK (TPM2_ActivateCredential), or fail an assertion."""
        if isinstance(self.ek, rsa.RSAPrivateKey):
            seed = self.ek.decrypt(encrypted_secret, _OAEP)
        else:
            x, y = encrypted_secret[2:34], encrypted_secret[36:68]
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + x + y)
            seed = self._agree(self.ek.exchange(ec.ECDH(), point), x)
        outer, identity, name = credential_blob[2:34], credential_blob[34:], name_of(self.ak_public)
        assert outer == hmac.digest(kdfa(seed, b"INTEGRITY", b"", 256), identity + name, "sha256"), "wrong integrity"
        cipher = Cipher(algorithms.AES(kdfa(seed, b"STORAGE", name, 128)), CFB(bytes(16))).decryptor()
        plain = cipher.update(identity) + cipher.finalize()
        return plain[2 : 2 + int.from_bytes(plain[:2])]

    def evidence(self, challenge: Challenge | None = None, *, lie: Lie | None = None) -> Evidence:
        """Return this TPM's evidence for ``challenge``, true in everything but ``lie``."""
        asked = challenge or Challenge()
        return self.honest(asked) if lie is None else tell(self, asked, lie)

    def honest(self, asked: Challenge, *, quoted_for: Challenge | None = None) -> Evidence:
        """Return evidence for ``asked`` whose quote answers ``quoted_for``."""
        bound = quoted_for or asked
        extra = qualifying_data(
            nonce=bound.nonce, node=bound.node, enclave=bound.enclave, commit=bound.commit, ephemeral=bound.ephemeral
        )
        quote, signature = self.quote(extra, bound.pcrs)
        return Evidence(
            node=asked.node,
            enclave=asked.enclave,
            commit=asked.commit,
            attempt=asked.attempt,
            session=asked.session,
            nonce=asked.nonce,
            ephemeral=asked.ephemeral,
            ek_certificate=self.ek_certificate,
            ak_public=self.ak_public,
            activation=self.issue(asked.session),
            quote=quote,
            signature=signature,
            pcrs={pcr: self.pcrs[pcr] for pcr in asked.pcrs},
            event_log=self.event_log,
            challenged_at=asked.challenged_at,
            received_at=asked.received_at,
        )


_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=b"IDENTITY\0")
