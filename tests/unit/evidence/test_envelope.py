"""Envelopes: only bytes that a trusted key signed come out, whatever is changed about them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical
from reconciler.evidence.envelope import open_envelope, pre_authentication_encoding, seal

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
KEYS = {"evidence": KEY.public_key()}
PAYLOAD = b'{"it":"happened"}'

Change = Callable[[dict[str, Any]], object]


def _sealed() -> bytes:
    return seal(PAYLOAD, sign=KEY.sign, key_id="evidence")


def _refused(envelope: bytes) -> str:
    with pytest.raises(TrustError) as caught:
        open_envelope(envelope, keys=KEYS)
    return caught.value.reason


def test_what_was_sealed_comes_out() -> None:
    assert open_envelope(_sealed(), keys=KEYS) == PAYLOAD


def test_encoding_is_that_of_the_dsse_specification() -> None:
    encoded = pre_authentication_encoding(b"hello world", payload_type="http://example.com/HelloWorld")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_signature_of_a_stranger_is_refused() -> None:
    assert _refused(seal(PAYLOAD, sign=STRANGER.sign, key_id="evidence")) == "EnvelopeUntrusted"
    assert _refused(seal(PAYLOAD, sign=STRANGER.sign, key_id="stranger")) == "EnvelopeUntrusted"


def test_a_second_signature_does_not_spoil_a_good_one() -> None:
    document = json.loads(_sealed())
    document["signatures"].insert(0, {"keyid": "stranger", "sig": base64.b64encode(bytes(64)).decode()})
    assert open_envelope(canonical(document), keys=KEYS) == PAYLOAD


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(payload=base64.b64encode(PAYLOAD + b" ").decode()), "EnvelopeUntrusted"),
        (lambda d: d.update(payloadType="text/plain"), "EnvelopeMalformed"),
        (lambda d: d.update(signatures=[]), "EnvelopeUntrusted"),
        (lambda d: d.update(payload="not base64!"), "EnvelopeMalformed"),
        (lambda d: d.update(payload="ü"), "EnvelopeMalformed"),
        (lambda d: d.update(payload=7), "EnvelopeMalformed"),
        (lambda d: d.update(signatures=[{"keyid": "evidence"}]), "EnvelopeMalformed"),
        (lambda d: d.update(signatures=None), "EnvelopeMalformed"),
        (lambda d: d.pop("payloadType"), "EnvelopeMalformed"),
    ],
    ids=[
        "altered-payload",
        "other-payload-type",
        "no-signature",
        "payload-not-base64",
        "payload-not-ascii",
        "payload-not-text",
        "signature-without-sig",
        "signatures-null",
        "no-payload-type",
    ],
)
def test_a_changed_envelope_is_refused(change: Change, reason: str) -> None:
    document = json.loads(_sealed())
    change(document)
    assert _refused(canonical(document)) == reason


@pytest.mark.parametrize(
    "envelope", [b"", b"[]", b"7", b"\xff", b"[" * 100_000], ids=["empty", "list", "number", "not-utf-8", "deep"]
)
def test_what_is_no_envelope_is_refused(envelope: bytes) -> None:
    assert _refused(envelope) == "EnvelopeMalformed"


def test_other_bytes_for_the_same_envelope_are_refused() -> None:
    assert _refused(_sealed() + b"\n") == "EnvelopeMalformed"
    assert _refused(json.dumps(json.loads(_sealed())).encode()) == "EnvelopeMalformed"


def test_numbers_that_have_no_canonical_form_are_refused() -> None:
    spoiled = _sealed()[:-1] + b',"x":99999999999999999999}'
    assert _refused(spoiled) == "EnvelopeMalformed"
    assert _refused(_sealed()[:-1] + b',"x":NaN}') == "EnvelopeMalformed"
