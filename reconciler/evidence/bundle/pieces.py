"""What stands in a bundle beside statements and blobs: rounds, places in the log, keys, witnesses' heads.

```
statements/…/NODE-N.dsse.json     as on the evidence branch
rounds/yyyy/mm/dd/hh.jsonl        the rounds of an hour, a line each: envelope, own leaves with their places, proof
blobs/sha256/ab/cdef…             as on the evidence branch
checkpoint                        the signed tree head
log.json                          which leaf of its tree each statement and round is, and the proof of them all
cosigned/WITNESS.json             the newest head that a witness co-signed, and that the tree head leads on from it
keys/<sha256>.pem                 the evidence keys, named by the digest of their SSH form
commits/<id> trees/<id> files/<id>  git objects of the desired state, as git hashes them
```
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pydantic import Field, ValidationError

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical_value, is_canonical, to_json
from reconciler.model.base import HexDigest, Value

STATEMENTS, ROUNDS, BLOBS, COSIGNED, KEYS = "statements/", "rounds/", "blobs/", "cosigned/", "keys/"
COMMITS, TREES, FILES = "commits/", "trees/", "files/"
CHECKPOINT, LOG = "checkpoint", "log.json"

_Index = Annotated[int, Field(ge=0, lt=1 << 53)]
_P = TypeVar("_P", bound=Value)


class Leaf(Value):
    """A record in a round: its place, and its canonical bytes as text."""

    index: _Index
    line: str


class RoundPart(Value):
    """A round as far as it is shown: its statement, some of its leaves, and the proof that they are its leaves."""

    path: str
    envelope: str
    leaves: Annotated[tuple[Leaf, ...], Field(min_length=1)]
    proof: tuple[HexDigest, ...]


class LogEntry(Value):
    """Which leaf of the log the statement or round at ``path`` is."""

    index: _Index
    path: str


class LogPart(Value):
    """Which leaves of the log are shown, and the proof that they are its leaves."""

    entries: Annotated[tuple[LogEntry, ...], Field(min_length=1)]
    proof: tuple[HexDigest, ...]


class CosignedPart(Value):
    """A tree head as a witness co-signed it, and the consistency proof (RFC 9162) from it to the bundle's own."""

    note: str
    proof: tuple[HexDigest, ...]


def blob_part(digest: str) -> str:
    """Return the name of the part with the bytes that have the bare SHA-256 ``digest``."""
    return f"{BLOBS}sha256/{digest[:2]}/{digest[2:]}"


def hour_part(path: str) -> str:
    """Return the name of the part that holds the round at ``path``."""
    return f"{path.rpartition('/')[0]}.jsonl"


def parse_part(model: type[_P], content: bytes, *, name: str) -> _P:
    """Return the canonical JSON ``content`` as ``model``; TrustError if it is not that, byte for byte."""
    try:
        value = model.model_validate_json(content)
    except ValidationError:
        value = None
    if value is None or not is_canonical(content, to_json(value)):
        raise TrustError(name, "it is not what ringfence writes", reason="BundleMalformed")
    return value


def parse_rounds(content: bytes, *, name: str) -> Iterator[RoundPart]:
    """Yield the rounds of one hour; TrustError if the part ``name`` is not what ``rounds_bytes`` writes."""
    lines = content.split(b"\n")
    if lines.pop():
        raise TrustError(name, "it was cut off", reason="BundleMalformed")
    last = ""
    for line in lines:
        found = parse_part(RoundPart, line, name=name)
        if found.path <= last or hour_part(found.path) != name:
            raise TrustError(name, "its rounds stand in another order or hour", reason="BundleMalformed")
        last = found.path
        yield found


def rounds_bytes(rounds: list[RoundPart]) -> bytes:
    """Return the part that holds ``rounds``, all of one hour."""
    return b"".join(canonical_value(each) + b"\n" for each in sorted(rounds, key=lambda each: each.path))


def key_part(key: Ed25519PublicKey) -> tuple[str, bytes]:
    """Return name and content of the part that holds ``key``."""
    name = hashlib.sha256(_ssh_blob(key)).hexdigest()
    return f"{KEYS}{name}.pem", key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def parse_key(content: bytes, *, name: str) -> tuple[str, Ed25519PublicKey]:
    """Return the key in the part ``name`` after its key id (``SHA256:…``); TrustError if it is not the one named."""
    try:
        key = load_pem_public_key(content)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PublicKey) or key_part(key) != (name, content):
        raise TrustError(name, "it is not the key that it is named after", reason="BundleMalformed")
    return key_id_of(key), key


def key_id_of(key: Ed25519PublicKey) -> str:
    """Return OpenSSH's fingerprint of ``key``."""
    return fingerprint(_ssh_blob(key))


def fingerprint(blob: bytes) -> str:
    """Return OpenSSH's fingerprint of the public key with the SSH form ``blob``."""
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode('ascii').rstrip('=')}"


def _ssh_blob(key: Ed25519PublicKey) -> bytes:
    parts = (b"ssh-ed25519", key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def signed_by(envelope: bytes) -> str:
    """Return the key id in ``envelope``, whose signature was found to hold; TrustError if it has several."""
    signatures: list[dict[str, Any]] = json.loads(envelope)["signatures"]
    if len(signatures) != 1:
        raise TrustError("evidence record", "it has more than one signature", reason="EnvelopeMalformed")
    return str(signatures[0]["keyid"])
