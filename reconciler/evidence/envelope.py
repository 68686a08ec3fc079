"""DSSE envelopes: sign bytes, and get back only bytes whose signature holds.

The payload's meaning is not looked at here. Source: the DSSE protocol, v1.0.2
(secure-systems-lab/dsse); signatures are Ed25519 over the pre-authentication encoding.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical, is_canonical

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def pre_authentication_encoding(payload: bytes, *, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """Return the bytes that a DSSE signature is made over."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload: bytes, *, sign: Callable[[bytes], bytes], key_id: str) -> bytes:
    """Return the canonical envelope around ``payload``; ``sign`` makes a raw Ed25519 signature."""
    return canonical(
        {
            "payload": base64.b64encode(payload).decode("ascii"),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {
                    "keyid": key_id,
                    "sig": base64.b64encode(sign(pre_authentication_encoding(payload))).decode("ascii"),
                },
            ],
        }
    )


def open_envelope(envelope: bytes, *, keys: Mapping[str, Ed25519PublicKey]) -> bytes:
    """Return the payload of ``envelope`` if one of ``keys`` (by key id) signed it; raise TrustError otherwise."""
    try:
        document = json.loads(envelope)
        payload = base64.b64decode(document["payload"], validate=True)
        payload_type = document["payloadType"]
        signatures = [(s["keyid"], base64.b64decode(s["sig"], validate=True)) for s in document["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise _refusal("it is not a DSSE envelope", reason="EnvelopeMalformed") from None
    if payload_type != PAYLOAD_TYPE:
        raise _refusal("its payload is not an in-toto statement", reason="EnvelopeMalformed")
    if not is_canonical(envelope, document):
        raise _refusal("its bytes are not the canonical ones", reason="EnvelopeMalformed")
    for key_id, signature in signatures:
        if key_id in keys and _holds(keys[key_id], signature, payload):
            return payload
    raise _refusal("no trusted evidence key signed it", reason="EnvelopeUntrusted")


def _holds(key: Ed25519PublicKey, signature: bytes, payload: bytes) -> bool:
    try:
        key.verify(signature, pre_authentication_encoding(payload))
    except InvalidSignature:
        return False
    return True


def _refusal(message: str, *, reason: str) -> TrustError:
    return TrustError(
        "evidence record", message, reason=reason, hint="the evidence branch was altered, or its signers changed"
    )
