"""The payload of an envelope whose signature is not checked yet: to find out what to check it with."""

from __future__ import annotations

import base64
import json

from reconciler.errors.taxonomy import TrustError


def unverified_payload(envelope: bytes) -> bytes:
    """Return the payload of ``envelope``, which nobody vouches for yet; TrustError if it is no envelope."""
    try:
        return base64.b64decode(json.loads(envelope)["payload"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise TrustError("evidence record", "it is not a DSSE envelope", reason="EnvelopeMalformed") from None
