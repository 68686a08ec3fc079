"""What a lab is given once, when it comes up: keys, passwords, settings.

All of it is made at run time, below the state directory, private to its owner. No
secret is printed, logged, or passed on a command line.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from pathlib import Path

import pyrage
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from reconciler.lab import layout, settings, topology
from reconciler.lab.layout import StateDir
from reconciler.lab.topology import VirtualNode

_PRIVATE = 0o600
_YEAR = dt.timedelta(days=365)
_SKEW = dt.timedelta(hours=1)


def certificate(now: dt.datetime) -> tuple[bytes, bytes]:
    """Return a self-signed P-256 TLS certificate for one year, and its key, as PEM.

    Nodes pin the certificate itself, so the name in it means nothing.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ringfence attestation service")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _YEAR)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("ringfence.invalid")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _signing_key(path: Path, *, principal: str) -> None:
    """Make an Ed25519 key in OpenSSH's format, with its public half beside it."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    layout.write_file(path, private, mode=_PRIVATE)
    layout.write_file(path.with_name(f"{path.name}.pub"), f"{public} {principal}\n")


def provision(state: StateDir, *, nodes: Sequence[VirtualNode]) -> None:
    """Make every key, password and settings file that is not there yet."""
    for folder in (state.images, state.jobs, state.results, state.rogue, state.logs):
        folder.mkdir(mode=0o755, exist_ok=True)
    for folder in (state.root / "keys", state.root / "tls", state.root / "keystore", state.root / "tmp"):
        folder.mkdir(mode=0o700, exist_ok=True)
    paths = settings.Paths(root=state.root)
    for path, principal in ((paths.commit_key, settings.OPERATOR), (paths.evidence_key, settings.RECONCILER)):
        if not path.exists():
            _signing_key(path, principal=principal)
    if not paths.age_identity.exists():
        layout.write_file(paths.age_identity, f"{pyrage.x25519.Identity.generate()}\n", mode=_PRIVATE)
    if not paths.tls_key.exists():
        chain, key = certificate(dt.datetime.now(dt.UTC))
        layout.write_file(paths.tls_key, key, mode=_PRIVATE)
        layout.write_file(paths.tls_certificate, chain)
    if not state.credentials.exists():
        # IPMI 2.0 takes passwords of at most 20 bytes.
        entries = {n.credentials: {"user": topology.BMC_USER, "password": secrets.token_hex(8)} for n in nodes}
        layout.write_json(state.credentials, entries, mode=_PRIVATE)
    layout.write_json(state.settings, settings.document(state.root, nodes=nodes))
