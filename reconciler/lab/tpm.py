"""TPMs: swtpm state with an EK certificate, made by a manufacturer of the lab's own.

The certificate authority lives in the state directory; nothing is written to /var or a
home directory. Of each TPM the lab publishes the digest of its RSA EK's
SubjectPublicKeyInfo, which is what the inventory pins; private keys stay where they are.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconciler.errors.taxonomy import DeviceError
from reconciler.lab import layout
from reconciler.lab.process import run

_DEADLINE_S = 60.0
_ISSUER = "issuercert.pem"
_ROOT = "swtpm-localca-rootca-cert.pem"
_EK_CERTIFICATE = "ek-rsa2048.crt"


def authority_files(folder: str) -> dict[str, str]:
    """Return the configuration files, by name, of a certificate authority that lives in ``folder``."""
    return {
        "setup.conf": (
            "create_certs_tool = /usr/bin/swtpm_localca\n"
            f"create_certs_tool_config = {folder}/localca.conf\n"
            f"create_certs_tool_options = {folder}/localca.options\n"
            "active_pcr_banks = sha256\n"
        ),
        "localca.conf": (
            f"statedir = {folder}\n"
            f"signingkey = {folder}/signkey.pem\n"
            f"issuercert = {folder}/{_ISSUER}\n"
            f"certserial = {folder}/certserial\n"
        ),
        "localca.options": "--platform-manufacturer Ringfence\n--platform-version 1\n--platform-model lab\n",
    }


def make_authority(folder: Path) -> None:
    """Write the authority's configuration; its keys are made with the first TPM."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in authority_files(str(folder)).items():
        layout.write_file(folder / name, text)


def make_tpm(folder: Path, *, authority: Path, scratch: Path) -> None:
    """Make one TPM's state in ``folder``: RSA-2048 EK, its certificate at NV 0x1c00002, SHA-256 bank only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch.mkdir(mode=0o700, exist_ok=True)
    argv = [
        "swtpm_setup", "--tpm2", "--tpmstate", str(folder), "--config", str(authority / "setup.conf"),
        "--create-ek-cert", "--rsa-keysize", "2048", "--lock-nvram", "--pcr-banks", "sha256", "--overwrite",
        "--write-ek-cert-files", str(folder),
    ]  # fmt: skip
    run(argv, timeout_s=_DEADLINE_S, env={"TMPDIR": str(scratch), "XDG_CONFIG_HOME": str(scratch)})


def endorsement(folder: Path) -> str:
    """Return ``sha256:…`` over the DER SubjectPublicKeyInfo in a TPM's EK certificate."""
    try:
        certificate = x509.load_der_x509_certificate((folder / _EK_CERTIFICATE).read_bytes())
    except (OSError, ValueError) as error:
        raise DeviceError(f"TPM {os.fspath(folder)}", "has no EK certificate", reason="LabTpmUnreadable") from error
    der = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def roots(authority: Path) -> str:
    """Return the PEM of the authority's issuing and root certificates."""
    return "".join((authority / name).read_text(encoding="ascii") for name in (_ISSUER, _ROOT))
