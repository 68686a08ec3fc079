"""What the records on the evidence branch say, read without the reconciler's code.

Rules: a node's records are numbered from 1 without a gap, and each names the SHA-256 of the one before; the head
that comes with a record names that record.
It does not check signatures.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from reconciler.ports.ledger import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One record, as far as the monitor cares."""

    node: str
    sequence: int
    previous: str | None
    digest: str
    event: str
    commit: str
    enclave: str | None
    attempt: str | None
    image: str | None
    verdict: str | None
    nonce: str | None
    keys: dict[str, int]
    ports: dict[str, str]


def read_entry(entry: Entry) -> list[Said]:
    """Return what the records in ``entry`` say: one, or as many as a round has lines."""
    payload = base64.b64decode(json.loads(entry.envelope)["payload"])
    if entry.path.startswith("rounds/"):
        (lines,) = entry.attached.values()
        return [_said(line, json.loads(line)) for line in lines.splitlines()]
    return [_said(payload, json.loads(payload)["predicate"])]


def _said(signed: bytes, record: dict[str, Any]) -> Said:
    appraisal: dict[str, Any] = record.get("appraisal", {})
    # A leaf of a round has no verdict of its own: only acceptances are there.
    verdict: dict[str, Any] = appraisal.get("verdict") or ({"verdict": "accepted"} if appraisal else {})
    return Said(
        node=record["node"],
        sequence=record["sequence"],
        previous=record.get("previous"),
        digest="sha256:" + hashlib.sha256(signed).hexdigest(),
        event=record["event"],
        commit=record["commit"],
        enclave=record.get("enclave", verdict.get("enclave")),
        attempt=record.get("attempt", verdict.get("attempt")),
        image=record.get("image"),
        verdict=verdict.get("verdict"),
        nonce=verdict.get("nonce", record.get("nonce")),
        keys=record.get("keys", {}),
        ports=record.get("ports", {}),
    )


@dataclass(kw_only=True)
class Track:
    """What one node's records add up to, and what was seen to happen to it since.

    ``accepted`` are the nonces (hexadecimal) whose appraisal in this attempt was recorded as accepted, with the
    enclave; ``released`` the versions recorded as handed out in this attempt; ``knows`` everything it was ever
    given since it was last returned to the pool. ``is_parked`` is what is on record of its ports, None if nothing is.
    """

    sequence: int = 0
    digest: str | None = None
    phase: str = "FREE"
    enclave: str | None = None
    attempt: str | None = None
    accepted: dict[str, str] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    released: dict[str, int] = field(default_factory=dict)
    knows: dict[str, int] = field(default_factory=dict)
    was_parked_while_on: bool = False
    is_distrusted: bool = False
    is_parked: bool | None = None

    def follow(self, said: Said) -> str | None:
        """Take the next record; return what is wrong with it, if anything."""
        if (said.sequence, said.previous) != (self.sequence + 1, self.digest):
            return f"record {said.sequence} of {said.node} does not follow record {self.sequence}"
        self.sequence, self.digest = said.sequence, said.digest
        if said.event in ("parked", "returned") or (said.event == "rejected" and said.ports):
            self.is_parked = True
        elif said.event in ("assigned", "admitted"):
            self.is_parked = False
        match said.event:
            case "assigned":
                self._begin_attempt()
                self.phase, self.enclave, self.attempt = "AIRLOCK", said.enclave, said.attempt
            case "appraised" if said.verdict == "accepted" and said.nonce and said.enclave:
                if said.attempt != self.attempt:
                    return f"{said.node} is accepted in attempt {said.attempt}, but {self.attempt} is on record"
                self.accepted[said.nonce] = said.enclave
            case "appraised" if said.nonce:
                self.rejected.add(said.nonce)
                self.is_distrusted = True
            case "admitted":
                self.phase = "ENCLAVE"
            case "rejected":
                self.phase, self.is_distrusted = "REJECTED", True
                self.was_parked_while_on = False
                if said.nonce:
                    self.rejected.add(said.nonce)
            case "returned":
                self._begin_attempt()
                self.phase, self.enclave, self.attempt, self.knows = "FREE", None, None, {}
            case _:
                pass
        self.released |= said.keys if said.event in ("released", "appraised") else {}
        return None

    def _begin_attempt(self) -> None:
        self.accepted, self.rejected, self.released = {}, set(), {}
        self.was_parked_while_on = self.is_distrusted = False
