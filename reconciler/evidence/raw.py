"""Raw evidence as blobs: what was received, in a form that an audit can appraise again."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical
from reconciler.model.submission import Activation, Evidence

_TEXT = ("node", "enclave", "commit", "attempt", "session", "ephemeral")
_BYTES = ("nonce", "ek_certificate", "ak_public", "quote", "signature")
_TIMES = ("challenged_at", "received_at")
_ACTIVATION = ("seed", "secret", "credential_blob", "encrypted_secret", "returned")


def pack(evidence: Evidence) -> tuple[str, str, Mapping[str, bytes]]:
    """Return the digests of the evidence document and of its event log, and both blobs by bare SHA-256."""
    log_digest = hashlib.sha256(evidence.event_log).hexdigest()
    document: dict[str, Any] = {name: getattr(evidence, name) for name in _TEXT}
    document |= {name: _encode(getattr(evidence, name)) for name in _BYTES}
    document |= {name: getattr(evidence, name).isoformat() for name in _TIMES}
    document["activation"] = {name: _encode(getattr(evidence.activation, name)) for name in _ACTIVATION}
    document["pcrs"] = {str(number): value.hex() for number, value in evidence.pcrs.items()}
    document["event_log"] = log_digest
    data = canonical(document)
    data_digest = hashlib.sha256(data).hexdigest()
    return f"sha256:{data_digest}", f"sha256:{log_digest}", {data_digest: data, log_digest: evidence.event_log}


def unpack(data: bytes, *, event_log: bytes) -> Evidence:
    """Return the evidence that ``pack`` made ``data`` of; raise TrustError if it is anything else."""
    try:
        document = json.loads(data)
        log_belongs = document["event_log"] == hashlib.sha256(event_log).hexdigest()
        fields: dict[str, Any] = {name: document[name] for name in _TEXT}
        fields |= {name: _decode(document[name]) for name in _BYTES}
        fields |= {name: datetime.fromisoformat(document[name]) for name in _TIMES}
        activation = Activation(**{name: _decode(document["activation"][name]) for name in _ACTIVATION})
        pcrs = {int(number): bytes.fromhex(value) for number, value in document["pcrs"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _refusal("a recorded blob is not what ringfence writes") from None
    if not all(isinstance(fields[name], str) for name in _TEXT) or any(fields[n].tzinfo is None for n in _TIMES):
        raise _refusal("a recorded blob is not what ringfence writes")
    if not log_belongs:
        raise _refusal("the event log is not the one that was recorded")
    return Evidence(**fields, activation=activation, pcrs=pcrs, event_log=event_log)


def _refusal(message: str) -> TrustError:
    return TrustError("raw evidence", message, reason="BlobMalformed", hint="the evidence branch was altered")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
