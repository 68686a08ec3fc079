"""Verdicts as JSON, in EAR's vocabulary: the form that is recorded and compared byte for byte.

Source: draft-ietf-rats-ear; tiers affirming (2), warning (32), contraindicated (96).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from reconciler.attest.endorsement.endorsed import Endorsement
from reconciler.attest.verdict import Accepted, Reason, Rejected, Trustworthiness, Vector, Verdict
from reconciler.model.submission import BootClock

PROFILE = "urn:ringfence:ear:v1"
_CLAIMS = {name: name.replace("_", "-") for name in Vector.__slots__}


def describe(verdict: Verdict) -> dict[str, Any]:
    """Return the JSON form of ``verdict``: status, trustworthiness vector and every reason."""
    document: dict[str, Any] = {
        "eat_profile": PROFILE,
        "ear.status": _status(verdict).name.lower(),
        "ear.trustworthiness-vector": {told: int(getattr(verdict.vector, name)) for name, told in _CLAIMS.items()},
        "node": verdict.node,
        "enclave": verdict.enclave,
        "commit": verdict.commit,
        "attempt": verdict.attempt,
        "session": verdict.session,
        "nonce": verdict.nonce.hex(),
        "weakenings": list(verdict.weakenings),
        "workarounds": list(verdict.workarounds),
    }
    if verdict.endorsement is not None:
        document["endorsement"] = _endorsement(verdict.endorsement)
    match verdict:
        case Accepted():
            clock = {name: str(getattr(verdict.clock, name)) for name in BootClock.__slots__}
            return document | {"verdict": "accepted", "ephemeral": verdict.ephemeral, "clock": clock}
        case Rejected():  # pragma: no branch  # mypy: the match is exhaustive
            return document | {"verdict": "rejected", "reasons": [_reason(reason) for reason in verdict.reasons]}


def _status(verdict: Verdict) -> Trustworthiness:
    match verdict:
        case Rejected():
            return Trustworthiness.CONTRAINDICATED
        case Accepted():  # pragma: no branch  # mypy: the match is exhaustive
            tiers: list[Trustworthiness] = [getattr(verdict.vector, name) for name in _CLAIMS]
            return max(tiers)


def _endorsement(endorsement: Endorsement) -> dict[str, Any]:
    lists = [
        {"issuer": used.issuer, "fingerprint": used.fingerprint, "this_update": used.this_update.isoformat()}
        for used in endorsement.lists
    ]
    return {
        "path": list(endorsement.path),
        "not_before": endorsement.not_before.isoformat(),
        "not_after": endorsement.not_after.isoformat(),
        "revocation_lists": lists,
        "tpm": {
            name: value
            for name in ("manufacturer", "vendor", "model", "version")
            if (value := getattr(endorsement.tpm, name)) is not None
        },
    }


def _reason(reason: Reason) -> dict[str, Any]:
    values = {f.name: getattr(reason, f.name) for f in fields(reason)}
    return {name: value for name, value in values.items() if value is not None}
