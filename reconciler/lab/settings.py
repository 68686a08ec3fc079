"""The operator-local settings file of a lab: where things are, never what they are.

Pure but for joining paths. The file is JSON, which is YAML. Secrets stand in files of
their own, which are named here and readable by their owner only.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.lab import topology
from reconciler.lab.topology import VirtualNode

OPERATOR = "operator@lab"
RECONCILER = "reconciler@lab"
"""The principals that the lab's two signing keys are made for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The files that the settings name."""

    root: Path

    @property
    def commit_key(self) -> Path:
        """Return the operator's signing key (OpenSSH, Ed25519)."""
        return self.root / "keys" / "operator"

    @property
    def evidence_key(self) -> Path:
        """Return the reconciler's signing key for the evidence branch (OpenSSH, Ed25519)."""
        return self.root / "keys" / "evidence"

    @property
    def age_identity(self) -> Path:
        """Return the age identity that the key store is encrypted to."""
        return self.root / "keys" / "age-identity"

    @property
    def tls_certificate(self) -> Path:
        """Return the attestation service's certificate."""
        return self.root / "tls" / "certificate.pem"

    @property
    def tls_key(self) -> Path:
        """Return the attestation service's private key."""
        return self.root / "tls" / "key.pem"


def listeners(nodes: Sequence[VirtualNode]) -> list[dict[str, str]]:
    """Return where the image and attestation services listen: each airlock, each enclave network."""
    return [
        {
            "kind": "airlock",
            "node": node.name,
            "interface": node.airlock_interface,
            "address": node.airlock_address,
        }
        for node in nodes
    ] + [
        {
            "kind": "enclave",
            "network": topology.ENCLAVE_NETWORK,
            "interface": topology.ENCLAVE_INTERFACE,
            "address": topology.ENCLAVE_SERVICE,
        }
    ]


def document(root: Path, *, nodes: Sequence[VirtualNode]) -> dict[str, Any]:
    """Return the settings of the lab at ``root``."""
    paths = Paths(root=root)
    return {
        "spool": str(root / "spool.sqlite"),
        "images": str(root / "images"),
        "tls": {"certificate": str(paths.tls_certificate), "key": str(paths.tls_key)},
        "keystore": str(root / "keystore"),
        "age_identity": str(paths.age_identity),
        "evidence_key": str(paths.evidence_key),
        "commit_key": str(paths.commit_key),
        "credentials": str(root / "credentials.json"),
        "listeners": listeners(nodes),
        "probe": {
            "enter": [
                *(sys.executable, "-m", "reconciler.cli.main", "lab", "exec", "--state", str(root)),
                *("--ns", topology.SERVICE_NAMESPACE, "--"),
            ],
            "cables": [
                {"switch": topology.SWITCH, "port": port, "interface": interface}
                for port, interface in topology.TEST_PORTS.items()
            ],
        },
    }
