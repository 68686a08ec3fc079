"""Raw evidence as it is recorded: what is new each time in the record itself, what recurs as blobs.

``Submitted`` stands in the record: nonce, quote, signature and times. Blobs are the enrolment of its session, the
event log, the PCR values, and the IMA log (``segments``). All of it together is ``Evidence`` again, byte for byte.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.blobs import Blobs, bare, read_blob
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.segments import LogReader, record_log
from reconciler.model.base import Digest, Value
from reconciler.model.record import ImaTip
from reconciler.model.submission import Activation, Evidence

_TEXT = ("node", "enclave", "attempt", "session", "ephemeral")
_ACTIVATION = ("seed", "secret", "credential_blob", "encrypted_secret", "returned")
_ENROLMENT = {*_TEXT, "ek_certificate", "ak_public", "activation"}

CommitId = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Submitted(Value):
    """What one answer to a challenge brought: ``nonce`` in hexadecimal, ``quote`` and ``signature`` in base64.

    ``enrolment``, ``pcrs`` and ``event_log`` are digests of blobs; ``commit`` is the challenge's.
    """

    enrolment: Digest
    commit: CommitId
    nonce: Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")]
    quote: str
    signature: str
    pcrs: Digest
    event_log: Digest
    ima: ImaTip | None = None
    challenged_at: AwareDatetime
    received_at: AwareDatetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Evidence as it is recorded, and the blobs behind it by bare SHA-256."""

    submitted: Submitted
    blobs: Mapping[str, bytes]


def pack(evidence: Evidence, *, ima: ImaTip | None = None) -> Packed:
    """Return ``evidence`` in its recorded form; ``ima`` is where the node's IMA log ended on record."""
    blobs: dict[str, bytes] = {}
    _add(blobs, evidence.ek_certificate)
    log = record_log(evidence.ima_log, before=ima) if evidence.ima_log else None
    blobs |= log.blobs if log else {}
    pcrs = {str(number): value.hex() for number, value in evidence.pcrs.items()}
    submitted = Submitted(
        enrolment=_add(blobs, _enrolment_bytes(evidence)),
        commit=evidence.commit,
        nonce=evidence.nonce.hex(),
        quote=_encode(evidence.quote),
        signature=_encode(evidence.signature),
        pcrs=_add(blobs, canonical(pcrs)),
        event_log=_add(blobs, evidence.event_log),
        ima=log.tip if log else None,
        challenged_at=evidence.challenged_at,
        received_at=evidence.received_at,
    )
    return Packed(submitted=submitted, blobs=blobs)


def enrolment_of(evidence: Evidence) -> str:
    """Return the digest of the enrolment that ``evidence`` belongs to."""
    return digest(_enrolment_bytes(evidence))


def _enrolment_bytes(evidence: Evidence) -> bytes:
    enrolment: dict[str, Any] = {name: getattr(evidence, name) for name in _TEXT}
    enrolment["ek_certificate"] = digest(evidence.ek_certificate)
    enrolment["ak_public"] = _encode(evidence.ak_public)
    enrolment["activation"] = {name: _encode(getattr(evidence.activation, name)) for name in _ACTIVATION}
    return canonical(enrolment)


class RawReader:
    """Puts recorded evidence together again; what recurs is read once."""

    def __init__(self, blobs: Blobs, *, kept: int = 1024) -> None:
        """Read ``blobs``; remember at most ``kept`` of each kind."""
        self._blobs = blobs
        self._kept = kept
        self._logs = LogReader(blobs, kept=min(kept, 256))
        self._enrolments: dict[str, dict[str, Any]] = {}
        self._pcrs: dict[str, dict[int, bytes]] = {}
        self._raw: dict[str, bytes] = {}

    def read(self, submitted: Submitted) -> Evidence:
        """Return the evidence that ``pack`` made ``submitted`` of; TrustError if it is not whole."""
        try:
            quote, signature = _decode(submitted.quote), _decode(submitted.signature)
        except ValueError:
            raise _refusal("a recorded quote is not what ringfence writes") from None
        return Evidence(
            **self._enrolment(submitted.enrolment),
            commit=submitted.commit,
            nonce=bytes.fromhex(submitted.nonce),
            quote=quote,
            signature=signature,
            pcrs=self._values(submitted.pcrs),
            event_log=self._event_log(submitted.event_log),
            challenged_at=submitted.challenged_at,
            received_at=submitted.received_at,
            ima_log=self._logs.read(submitted.ima) if submitted.ima else b"",
        )

    def _enrolment(self, name: str) -> dict[str, Any]:
        known = self._enrolments.get(name)
        if known is None:
            known = read_enrolment(self._blobs, name)
            _keep(self._enrolments, name, known, kept=self._kept)
        return known

    def _values(self, name: str) -> dict[int, bytes]:
        known = self._pcrs.get(name)
        if known is None:
            known = _parse_pcrs(read_blob(self._blobs, name))
            _keep(self._pcrs, name, known, kept=self._kept)
        return known

    def _event_log(self, name: str) -> bytes:
        known = self._raw.get(name)
        if known is None:
            known = read_blob(self._blobs, name)
            _keep(self._raw, name, known, kept=self._kept)
        return known


def read_enrolment(blobs: Blobs, name: str) -> dict[str, Any]:
    """Return the fields of ``Evidence`` that one session's enrolment fixed, from the blob ``name``."""
    try:
        document = json.loads(read_blob(blobs, name))
        if set(document) != _ENROLMENT or not all(isinstance(document[n], str) for n in _TEXT):
            raise _refusal("a recorded enrolment is not what ringfence writes")
        fields: dict[str, Any] = {n: document[n] for n in _TEXT}
        fields["ak_public"] = _decode(document["ak_public"])
        fields["activation"] = Activation(**{n: _decode(document["activation"][n]) for n in _ACTIVATION})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _refusal("a recorded enrolment is not what ringfence writes") from None
    fields["ek_certificate"] = read_blob(blobs, document["ek_certificate"])
    return fields


def _parse_pcrs(data: bytes) -> dict[int, bytes]:
    try:
        return {int(number): bytes.fromhex(value) for number, value in json.loads(data).items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise _refusal("recorded PCR values are not what ringfence writes") from None


def _keep(memory: dict[str, Any], name: str, value: Any, *, kept: int) -> None:  # noqa: ANN401  # what a memory holds
    memory[name] = value
    if len(memory) > kept:
        del memory[next(iter(memory))]


def _add(blobs: dict[str, bytes], data: bytes) -> str:
    name = digest(data)
    blobs[bare(name)] = data
    return name


def _refusal(message: str) -> TrustError:
    return TrustError("raw evidence", message, reason="BlobMalformed", hint="the evidence branch was altered")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
