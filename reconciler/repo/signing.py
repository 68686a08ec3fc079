"""The evidence key, and commits signed with it in process.

Rules: the key is an unencrypted Ed25519 key in OpenSSH's form; it never leaves this object. A commit's signature is
an SSHSIG over the commit without the signature (OpenSSH PROTOCOL.sshsig; git's ``gpg.format=ssh``), so that
``git verify-commit`` takes it. Whether anybody should trust this key is not decided here.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from reconciler.errors.taxonomy import InputError
from reconciler.repo.signers import AllowedSigners, Signer, parse_allowed_signers, signer_line

_KEY_TYPE = "ssh-ed25519"
_NAMESPACE = b"git"
_HASH = b"sha512"


class EvidenceKey:
    """The key that evidence is signed with; it shows nothing of itself."""

    def __init__(self, path: Path) -> None:
        """Load the key at ``path``; InputError if it cannot be used."""
        try:
            key = load_ssh_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise _unusable(path, "cannot be read") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _unusable(path, "is no OpenSSH key without a passphrase") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _unusable(path, "is not an Ed25519 key")
        self._key = key
        self._blob = _string(_KEY_TYPE.encode()) + _string(
            key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
        )
        self.key_id = _fingerprint(self._blob)
        self.public = self._blob[-32:]

    def __repr__(self) -> str:
        """Show the public half's fingerprint only."""
        return f"EvidenceKey({self.key_id})"

    def sign(self, data: bytes) -> bytes:
        """Return the raw Ed25519 signature of ``data``."""
        return self._key.sign(data)

    def signer(self, principal: str) -> Signer:
        """Return this key as one of the allowed signers, under the name ``principal``."""
        public = f"{_KEY_TYPE} {base64.b64encode(self._blob).decode('ascii')}"
        line = signer_line(principal, public_key=public)
        return Signer(principal=principal, fingerprint=self.key_id, line=line)

    def sign_commit(self, commit: bytes) -> bytes:
        """Return the commit object ``commit`` (headers, empty line, message) with a signature header."""
        headers, message = commit.split(b"\n\n", 1)
        signature = b"\n ".join(self._armour(commit).encode("ascii").split(b"\n"))
        return headers + b"\ngpgsig " + signature + b"\n\n" + message

    def _armour(self, message: bytes) -> str:
        fields = _string(_NAMESPACE) + _string(b"") + _string(_HASH)
        signature = self._key.sign(b"SSHSIG" + fields + _string(hashlib.sha512(message).digest()))
        sealed = _string(_KEY_TYPE.encode()) + _string(signature)
        blob = b"SSHSIG" + (1).to_bytes(4, "big") + _string(self._blob) + fields + _string(sealed)
        lines = textwrap.wrap(base64.b64encode(blob).decode("ascii"), 70)
        return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----"])


def evidence_keys(content: bytes, *, principals: tuple[str, ...]) -> dict[str, Ed25519PublicKey]:
    """Return the Ed25519 keys of ``principals`` in an allowed-signers file, by key id (``SHA256:…``)."""
    signers, _ = parse_allowed_signers(content, path="")
    return public_keys(signers.only(principals))


def public_keys(signers: AllowedSigners) -> dict[str, Ed25519PublicKey]:
    """Return the Ed25519 keys of ``signers`` by key id; other kinds of key sign no evidence."""
    keys = {}
    for signer in signers.signers:
        words = signer.line.split()
        if _KEY_TYPE in words:
            blob = base64.b64decode(words[words.index(_KEY_TYPE) + 1])
            keys[signer.fingerprint] = Ed25519PublicKey.from_public_bytes(blob[-32:])
    return keys


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _fingerprint(blob: bytes) -> str:
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode('ascii').rstrip('=')}"


def _unusable(path: Path, message: str) -> InputError:
    hint = "make one with: ssh-keygen -t ed25519 -N '' -f FILE"
    return InputError(f"evidence key {path.name}", message, reason="BadEvidenceKey", hint=hint)
