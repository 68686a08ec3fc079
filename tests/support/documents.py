"""The files of a small, valid state repository: two nodes, a tenant and an enclave, one document a file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

_DIGEST = "0123456789abcdef" * 4
_SECTION = hashlib.sha256(b".linux\0").hexdigest()
_KEY = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()
_OTHER = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"o" * 32).decode()
_PEM = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(b"\x30\x03\x02\x01\x01") + b"\n-----END CERTIFICATE-----\n"


def _document(kind: str, name: str, spec: str) -> bytes:
    return f"apiVersion: ringfence/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{spec}".encode()


def node(name: str, number: int) -> bytes:
    """Return the document of a node; everything about it follows from ``number``."""
    return _document(
        "Node",
        name,
        f"  zone: east\n"
        f"  bmc: {{driver: ipmi, address: 10.0.3.{number}, credentials: bmc/{name}}}\n"
        f"  interfaces:\n"
        f"    - name: eno1\n"
        f"      mac: 52:54:00:00:03:{number:02x}\n"
        f"      switch: tor\n"
        f"      port: swp{number}\n"
        f'  tpm: {{endorsement: "sha256:{number:064x}"}}\n'
        f"  firmware: {{family: uefi, profile: ovmf}}\n"
        f"  airlock: {{vlan: {100 + number}}}\n",
    )


FILES: Mapping[str, bytes] = {
    "ringfence.yaml": _document(
        "Repository",
        "test",
        '  trust:\n    rules:\n      - paths: ["**"]\n        signers: [alice]\n  evidence: {signers: [carol]}\n',
    ),
    "trust/allowed_signers": f"alice ssh-ed25519 {_KEY}\ncarol ssh-ed25519 {_OTHER}\n".encode(),
    "trust/ek-roots/lab.pem": _PEM,
    "site/zones/east.yaml": _document("Zone", "east", "  parkingVlan: 999\n  airlockVlans: {first: 100, last: 199}\n"),
    "site/switches/tor.yaml": _document(
        "Switch",
        "tor",
        '  zone: east\n  driver: openvswitch\n  address: "tcp:127.0.0.1:6640"\n  bridge: tor\n'
        "  ports: [swp1, swp2, swp3]\n",
    ),
    "site/networks/blue-net.yaml": _document("Network", "blue-net", "  zone: east\n  vlan: 200\n"),
    "site/nodes/n1.yaml": node("n1", 1),
    "site/nodes/n2.yaml": node("n2", 2),
    "images/worker.yaml": _document(
        "Image",
        "worker",
        f'  digest: "sha256:{_DIGEST}"\n  measurements:\n    pcr4: ["{_DIGEST}", "{_DIGEST}"]\n'
        f'    pcr9: ["{_DIGEST}", "{_DIGEST}"]\n    pcr11: ["{_SECTION}", "{_DIGEST}"]\n',
    ),
    "policies/measured-boot.yaml": _document(
        "AppraisalPolicy", "measured-boot", "  pcrs: [0, 1, 2, 3, 4, 5, 7, 9, 11, 12]\n  image: derived\n"
    ),
    "tenants/blue/tenant.yaml": _document("Tenant", "blue", "  maxNodes: 4\n"),
    "tenants/blue/keys/blue-disk.yaml": _document("Key", "blue-disk", "  type: disk\n"),
    "tenants/blue/enclaves/blue.yaml": _document(
        "Enclave",
        "blue",
        "  nodes: {names: [n1]}\n  image: worker\n  policy: measured-boot\n"
        "  networks: [blue-net]\n  keys: [blue-disk]\n",
    ),
}
"""Every file by path."""


def changed(path: str, old: str, new: str) -> dict[str, bytes]:
    """Return the valid files with one piece of text replaced in one of them."""
    text = FILES[path].decode()
    assert text.count(old) == 1, (path, old, text.count(old))
    return {**FILES, path: text.replace(old, new).encode()}


def added(path: str, content: bytes) -> dict[str, bytes]:
    """Return the valid files with one more."""
    return {**FILES, path: content}
