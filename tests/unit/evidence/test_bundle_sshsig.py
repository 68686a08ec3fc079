"""Signatures of commits by OpenSSH, checked without it: those of ssh-keygen, and of security keys made here."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.bundle.sshsig import verify_sshsig

MESSAGE = b"tree 0\n\nmessage\n"
KINDS = {
    "ed25519": ("ed25519", ""),
    "ecdsa-256": ("ecdsa", "256"),
    "ecdsa-384": ("ecdsa", "384"),
    "ecdsa-521": ("ecdsa", "521"),
    "rsa": ("rsa", "2048"),
}


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def mpint(number: int) -> bytes:
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


def armour(blob: bytes) -> bytes:
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()


def signed_data(*, namespace: bytes = b"git", hash_name: bytes = b"sha512", message: bytes = MESSAGE) -> bytes:
    digest = hashlib.new(hash_name.decode(), message).digest() if hash_name in {b"sha256", b"sha512"} else b""
    return b"SSHSIG" + string(namespace) + string(b"") + string(hash_name) + string(digest)


def blob(key: bytes, signature: bytes, *, namespace: bytes = b"git", **changes: bytes) -> bytes:
    version, hash_name = changes.get("version", (1).to_bytes(4, "big")), changes.get("hash_name", b"sha512")
    fields = string(key) + string(namespace) + string(changes.get("reserved", b"")) + string(hash_name)
    return b"SSHSIG" + version + fields + string(signature) + changes.get("rest", b"")


def ed25519(**changes: bytes) -> bytes:
    """Return an armoured signature by a fresh Ed25519 key, with ``changes``."""
    key = Ed25519PrivateKey.generate()
    public = string(b"ssh-ed25519") + string(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    named = {name: changes[name] for name in ("namespace", "hash_name") if name in changes}
    signature = string(changes.pop("kind", b"ssh-ed25519")) + string(key.sign(signed_data(**named)))
    return armour(blob(public + changes.pop("more", b""), signature + changes.pop("behind", b""), **changes))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
def test_what_ssh_keygen_signs_is_verified_and_names_its_key(tmp_path: Path, kind: str, hash_name: str) -> None:
    name, bits = KINDS[kind]
    key = tmp_path / "INSECURE-test-key"
    size = ["-b", bits] if bits else []
    subprocess.run(["ssh-keygen", "-q", "-t", name, *size, "-N", "", "-f", key], check=True, timeout=60)
    sign = ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", "git", "-O", f"hashalg={hash_name}"]
    made = subprocess.run(sign, input=MESSAGE, capture_output=True, check=True, timeout=60).stdout
    shown = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, check=True, timeout=60).stdout
    assert verify_sshsig(made, message=MESSAGE) == shown.decode().split()[1]
    with pytest.raises(TrustError, match="does not hold"):
        verify_sshsig(made, message=MESSAGE + b"!")


def test_a_signature_made_here_is_verified() -> None:
    assert verify_sshsig(ed25519(), message=MESSAGE).startswith("SHA256:")


@pytest.mark.parametrize(
    "changes",
    [
        {"namespace": b"file"},
        {"hash_name": b"sha1"},
        {"version": (2).to_bytes(4, "big")},
        {"reserved": b"x"},
        {"rest": b"x"},
        {"kind": b"ssh-rsa"},
        {"more": b"x"},
        {"behind": b"x"},
    ],
)
def test_a_signature_of_another_form_is_refused(changes: dict[str, bytes]) -> None:
    with pytest.raises(TrustError) as refused:
        verify_sshsig(ed25519(**changes), message=MESSAGE)
    assert refused.value.reason == "CommitSignature"


@pytest.mark.parametrize(
    "made",
    [
        b"",
        b"-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n",
        armour(b"SSHSIG"),
        armour(b"x" * 64),
        armour(blob(b"", b"")),
        armour(blob(string(b"ssh-dss") + string(b"x"), string(b"ssh-dss") + string(b"x"))),
        armour(blob(string(b"ssh-ed25519") + string(b"short"), string(b"ssh-ed25519") + string(b"x" * 64))),
        b"-----BEGIN SSH SIGNATURE-----\nA\n-----END SSH SIGNATURE-----\n",
    ],
)
def test_what_is_no_signature_is_refused(made: bytes) -> None:
    with pytest.raises(TrustError):
        verify_sshsig(made, message=MESSAGE)


def test_a_weak_rsa_key_and_rsa_with_sha1_are_refused() -> None:
    weak = string(b"ssh-rsa") + mpint(65537) + mpint((1 << 1023) + 1)
    large = string(b"ssh-rsa") + mpint(65537) + mpint((1 << 2047) + 1)
    for key, name in ((weak, b"rsa-sha2-512"), (large, b"ssh-rsa")):
        with pytest.raises(TrustError, match="cannot be read"):
            verify_sshsig(armour(blob(key, string(name) + string(b"x" * 256))), message=MESSAGE)


def held(*, flags: int = 1, application: bytes = b"ssh:", curve: bool = False) -> bytes:
    """Return a signature as a security key makes it."""
    counter = bytes([flags]) + (7).to_bytes(4, "big")
    data = hashlib.sha256(b"ssh:").digest() + counter + hashlib.sha256(signed_data()).digest()
    if curve:
        own = ec.generate_private_key(ec.SECP256R1())
        point = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        kind = b"sk-ecdsa-sha2-nistp256@openssh.com"
        r, s = decode_dss_signature(own.sign(data, ec.ECDSA(SHA256())))
        public, value = string(kind) + string(b"nistp256") + string(point), mpint(r) + mpint(s)
    else:
        key = Ed25519PrivateKey.generate()
        kind = b"sk-ssh-ed25519@openssh.com"
        public = string(kind) + string(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        value = key.sign(data)
    return armour(blob(public + string(application), string(kind) + string(value) + counter))


@pytest.mark.parametrize("curve", [False, True])
def test_a_security_key_that_was_touched_is_verified(curve: bool) -> None:  # noqa: FBT001  # a parameter of the test
    assert verify_sshsig(held(curve=curve), message=MESSAGE).startswith("SHA256:")
    with pytest.raises(TrustError, match="does not hold"):
        verify_sshsig(held(curve=curve, application=b"ssh:other"), message=MESSAGE)


def test_a_security_key_that_nobody_touched_is_refused() -> None:
    with pytest.raises(TrustError):
        verify_sshsig(held(flags=0), message=MESSAGE)
