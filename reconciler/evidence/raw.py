"""Raw evidence as blobs: what was received, in a form that an audit can appraise again."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical
from reconciler.model.submission import Activation, Evidence

_TEXT = ("node", "enclave", "commit", "attempt", "session", "ephemeral")
_BYTES = ("nonce", "ek_certificate", "ak_public", "quote", "signature")
_TIMES = ("challenged_at", "received_at")
_ACTIVATION = ("seed", "secret", "credential_blob", "encrypted_secret", "returned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Evidence as blobs, by bare SHA-256, and which of them is what (``sha256:…``).

    ``ima_log`` is None where the node sent none.
    """

    document: str
    event_log: str
    ima_log: str | None
    blobs: Mapping[str, bytes]


def pack(evidence: Evidence) -> Packed:
    """Return ``evidence`` as blobs: the logs as they came, and a document of everything else."""
    log_digest = hashlib.sha256(evidence.event_log).hexdigest()
    ima_digest = hashlib.sha256(evidence.ima_log).hexdigest() if evidence.ima_log else None
    blobs = {log_digest: evidence.event_log} | ({ima_digest: evidence.ima_log} if ima_digest else {})
    document: dict[str, Any] = {name: getattr(evidence, name) for name in _TEXT}
    document |= {name: _encode(getattr(evidence, name)) for name in _BYTES}
    document |= {name: getattr(evidence, name).isoformat() for name in _TIMES}
    document["activation"] = {name: _encode(getattr(evidence.activation, name)) for name in _ACTIVATION}
    document["pcrs"] = {str(number): value.hex() for number, value in evidence.pcrs.items()}
    document["event_log"] = log_digest
    document["ima_log"] = ima_digest
    data = canonical(document)
    data_digest = hashlib.sha256(data).hexdigest()
    return Packed(
        document=f"sha256:{data_digest}",
        event_log=f"sha256:{log_digest}",
        ima_log=f"sha256:{ima_digest}" if ima_digest else None,
        blobs=blobs | {data_digest: data},
    )


def unpack(data: bytes, *, event_log: bytes, ima_log: bytes = b"") -> Evidence:
    """Return the evidence that ``pack`` made ``data`` of; raise TrustError if it is anything else."""
    try:
        document = json.loads(data)
        logs: dict[str, str | None] = {"event_log": hashlib.sha256(event_log).hexdigest()}
        logs["ima_log"] = hashlib.sha256(ima_log).hexdigest() if ima_log else None
        strays = [name for name, digest in logs.items() if document[name] != digest]
        fields: dict[str, Any] = {name: document[name] for name in _TEXT}
        fields |= {name: _decode(document[name]) for name in _BYTES}
        fields |= {name: datetime.fromisoformat(document[name]) for name in _TIMES}
        activation = Activation(**{name: _decode(document["activation"][name]) for name in _ACTIVATION})
        pcrs = {int(number): bytes.fromhex(value) for number, value in document["pcrs"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _refusal("a recorded blob is not what ringfence writes") from None
    if not all(isinstance(fields[name], str) for name in _TEXT) or any(fields[n].tzinfo is None for n in _TIMES):
        raise _refusal("a recorded blob is not what ringfence writes")
    if strays:
        raise _refusal(f"the {strays[0]} is not the one that was recorded".replace("_", " "))
    return Evidence(**fields, activation=activation, pcrs=pcrs, event_log=event_log, ima_log=ima_log)


def _refusal(message: str) -> TrustError:
    return TrustError("raw evidence", message, reason="BlobMalformed", hint="the evidence branch was altered")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
