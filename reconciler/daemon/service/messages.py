"""What nodes and the attestation service say to each other: JSON, checked field by field.

Bytes are standard base64, except nonces and PCR values, which are hexadecimal. Names
are those of the wire (snake_case). Sizes are bounded; what the bytes mean is not
looked at.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from reconciler.drivers.spool.front import Challenge
from reconciler.model.base import HexDigest, Name, Value
from reconciler.model.observed import AnswerStatus
from reconciler.ports.attestation import Answer


def _decode(text: object) -> object:
    if not isinstance(text, str):
        raise ValueError("base64 text is asked for")  # noqa: TRY004 - pydantic takes ValueError for a finding
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


_Small = Annotated[bytes, BeforeValidator(_decode), Field(min_length=1, max_length=8192)]
_Log = Annotated[bytes, BeforeValidator(_decode), Field(max_length=1 << 20)]
_LongLog = Annotated[bytes, BeforeValidator(_decode), Field(max_length=4 << 20)]
_PcrNumber = Annotated[str, StringConstraints(pattern=r"^(0|1?[1-9]|10|2[0-3])$")]
_Recipient = Annotated[str, StringConstraints(pattern=r"^age1[0-9a-z]{1,128}$")]


class _Message(Value):
    model_config = ConfigDict(alias_generator=None)


class Enrol(_Message):
    """``POST /v1/enrol``."""

    ek_certificate: _Small
    ak_public: _Small


class Activate(_Message):
    """``POST /v1/activate``."""

    session: HexDigest
    secret: _Small


class Evidence(_Message):
    """``POST /v1/evidence``."""

    session: HexDigest
    nonce: HexDigest
    quote: _Small
    signature: _Small
    pcrs: dict[_PcrNumber, HexDigest] = Field(max_length=24)
    event_log: _Log
    ephemeral: _Recipient
    ima_log: _LongLog = b""


class Acknowledge(_Message):
    """``POST /v1/acknowledge``."""

    session: HexDigest
    nonce: HexDigest
    receipts: dict[Name, HexDigest] = Field(max_length=64)


class Confirm(_Message):
    """``POST /v1/confirm``."""

    session: HexDigest


class ChallengeQuery(_Message):
    """``GET /v1/challenge``."""

    session: HexDigest


class VerdictQuery(_Message):
    """``GET /v1/verdict``; ``wait`` is in seconds."""

    session: HexDigest
    nonce: HexDigest
    wait: Annotated[float, BeforeValidator(float), Field(ge=0, le=10, allow_inf_nan=False)] = 0.0


def encode(data: bytes) -> str:
    """Return ``data`` as base64 text."""
    return base64.b64encode(data).decode("ascii")


def challenge_document(challenge: Challenge) -> dict[str, Any]:
    """Return what a node is asked to sign, as it is sent."""
    return {
        "nonce": challenge.nonce.hex(),
        "node": challenge.node,
        "enclave": challenge.enclave,
        "commit": challenge.commit,
        "bank": "sha256",
        "pcrs": list(challenge.pcrs),
    }


def verdict_document(answer: Answer | None) -> dict[str, Any]:
    """Return what a node is told of its evidence; keys go with an acceptance only."""
    if answer is None:
        return {"status": "pending"}
    if answer.status is not AnswerStatus.ACCEPTED:
        return {"status": answer.status.value}
    keys = [{"name": key.name, "version": key.version, "wrapped": encode(key.wrapped)} for key in answer.keys]
    return {"status": "accepted", "keys": keys, "reattest_s": answer.reattest_s}
