"""Attestation data made by others, which the project does not carry.

The folder is named by the environment variable VECTORS; where it is absent every test
of this suite is skipped and says so.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from reconciler.attest.tpm.public import PublicArea

FOLDER = Path(os.environ.get("VECTORS", "absent"))

needs_vectors = pytest.mark.skipif(
    not (FOLDER / "INDEX.md").is_file(),
    reason="VECTORS does not name a folder of attestation vectors",
)


def data(name: str) -> bytes:
    """Return the content of the vector ``name``."""
    return (FOLDER / name).read_bytes()


def document(name: str) -> Any:  # noqa: ANN401 - others' JSON
    """Return the JSON of the vector ``name``."""
    return json.loads(data(name))


def names(pattern: str) -> list[str]:
    """Return the vectors whose path matches ``pattern``, in order; none where there is no folder."""
    return sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob(pattern))


def key_area(pem: bytes) -> PublicArea:
    """Return an attestation key of which only the key itself was kept, with the scheme that it signed by."""
    key = load_pem_public_key(pem)
    assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    scheme = 0x0014 if isinstance(key, rsa.RSAPublicKey) else 0x0018
    return PublicArea(
        raw=b"", name_algorithm=0x000B, attributes=0, symmetric=0x0010, scheme=scheme, scheme_hash=0x000B, key=key
    )
