"""The service's answers as values, checked field by field.

A field that is missing or of the wrong kind is a TransientError: a pinned peer that
answers so is broken, and asking again later is all a node can do.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Never, Self

from reconciler.errors.taxonomy import TransientError

_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_LAST_PCR = 23
Status = Literal["pending", "again", "rejected", "accepted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """The answer to an enrolment: a secret for the TPM to open."""

    session: str
    credential_blob: bytes
    encrypted_secret: bytes

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read the answer to ``POST /v1/enrol``."""
        return cls(
            session=_text(document, "session"),
            credential_blob=_base64(document, "credential_blob"),
            encrypted_secret=_base64(document, "encrypted_secret"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What the next quote must be made over."""

    nonce: bytes
    node: str
    enclave: str
    commit: str
    bank: str
    pcrs: tuple[int, ...]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read a challenge."""
        nonce, pcrs = _text(document, "nonce"), document.get("pcrs")
        if not _HEX.fullmatch(nonce):
            _malformed("nonce")
        if not isinstance(pcrs, list) or not pcrs or not all(type(p) is int and 0 <= p <= _LAST_PCR for p in pcrs):
            _malformed("pcrs")
        return cls(
            nonce=bytes.fromhex(nonce),
            node=_text(document, "node"),
            enclave=_text(document, "enclave"),
            commit=_text(document, "commit"),
            bank=_text(document, "bank"),
            pcrs=tuple(pcrs),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """One key, encrypted to this boot's ephemeral key."""

    name: str
    version: int
    wrapped: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one piece of evidence, with the keys where it was accepted."""

    status: Status
    keys: tuple[WrappedKey, ...] = ()
    reattest_s: float = 30.0

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read the answer to ``GET /v1/verdict``."""
        match document.get("status"):
            case ("pending" | "again" | "rejected") as status:
                return cls(status=status)
            case "accepted":
                pass
            case _:
                _malformed("status")
        keys, reattest = document.get("keys"), document.get("reattest_s")
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            _malformed("keys")
        if not isinstance(reattest, int | float) or isinstance(reattest, bool) or reattest <= 0:
            _malformed("reattest_s")
        return cls(status="accepted", keys=tuple(_key(key) for key in keys), reattest_s=float(reattest))


def _key(document: Mapping[str, Any]) -> WrappedKey:
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        _malformed("version")
    return WrappedKey(name=_text(document, "name"), version=version, wrapped=_base64(document, "wrapped"))


def _text(document: Mapping[str, Any], field: str) -> str:
    value = document.get(field)
    if not isinstance(value, str) or not value:
        _malformed(field)
    return value


def _base64(document: Mapping[str, Any], field: str) -> bytes:
    try:
        return base64.b64decode(_text(document, field), validate=True)
    except binascii.Error:
        _malformed(field)


def _malformed(field: str) -> Never:
    raise TransientError("service", f"sent an answer whose {field} is missing or malformed", reason="AnswerMalformed")
