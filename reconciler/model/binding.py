"""What a node's TPM signs, and how a node proves that it opened a key.

Shared by the agent and the verifier, so it imports the standard library only.
It computes; it does not check anything.
"""

from __future__ import annotations

import hashlib
import hmac
import json

_QUALIFYING_CONTEXT = "ringfence/qualifying-data/v1"
_RECEIPT_CONTEXT = b"ringfence/key-receipt/v1\x00"


def qualifying_data(*, nonce: bytes, node: str, enclave: str, commit: str, ephemeral: str) -> bytes:
    """Return the 32 bytes that a node's TPM must sign as a quote's ``extraData``.

    The TPM itself thereby says for which challenge, node, enclave, desired-state
    commit and ephemeral key it was proven (TPM 2.0 Part 2, TPMS_ATTEST).
    ``nonce`` is the challenge's random part, ``commit`` 40 hexadecimal digits and
    ``ephemeral`` the age recipient of the key pair made in this boot.
    """
    fields = [_QUALIFYING_CONTEXT, nonce.hex(), node, enclave, commit, ephemeral]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode("ascii")).digest()


def receipt(payload: bytes, *, nonce: bytes) -> str:
    """Return the hexadecimal proof that whoever computed it holds ``payload`` in the attempt of ``nonce``."""
    return hmac.new(payload, _RECEIPT_CONTEXT + nonce, hashlib.sha256).hexdigest()
