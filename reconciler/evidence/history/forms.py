"""Answers as JSON: plain values with the fields that docs/audit.md lists, the same bytes for the same records.

Times are ISO 8601 in UTC, digests are as recorded. What is not known is null; what does not apply is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.canonical import to_json
from reconciler.evidence.history.basis import Basis
from reconciler.evidence.history.chronicle import Scope, arrival
from reconciler.evidence.history.questions import Situation
from reconciler.evidence.history.times import time_json
from reconciler.evidence.history.values import HeldKey, PortsRead, Proofs, Standing, Stay, UnderCommit
from reconciler.evidence.statement import Record
from reconciler.model.record import Event

Look = Callable[[Record], Basis]
"""Gives what an appraisal rests on; raises TrustError if that is not whole."""

_PROVING = (Standing.AIRLOCK, Standing.MEMBER)


def question_json(scope: Scope, *, at: datetime | None) -> dict[str, Any]:
    """Return what was asked."""
    return {
        "at": time_json(at),
        "from": None if at else time_json(scope.window.since),
        "until": None if at else time_json(scope.window.until),
        "node": scope.node,
        "enclave": scope.enclave,
        "commit": scope.commit,
    }


def situation_json(one: Situation, *, look: Look) -> dict[str, Any]:
    """Return where one node stood at a moment."""
    stay = one.stay
    return {
        **_where(stay),
        "desiredState": one.commit,
        "lastProof": None if one.proof is None else appraisal_json(one.proof, look=look),
        "lastProofAgeSeconds": one.proof_age_s,
        "proofsSoFar": stay.proofs_within.number,
        "isDoubted": one.is_doubted,
        "isConfirmed": one.is_confirmed,
        "keys": [_key_json(key) for key in one.keys],
        "ports": None if one.ports is None else _ports_json(one.ports),
    }


def stay_json(stay: Stay, *, look: Look) -> dict[str, Any]:
    """Return one stay, whole."""
    document = {
        **_where(stay),
        "records": {"first": stay.sequence, "last": stay.last_sequence},
        "desiredStates": [{"commit": one.commit, "since": time_json(one.since)} for one in stay.commits],
        "keys": [_key_json(key) for key in stay.keys],
        "ports": [_ports_json(read) for read in stay.ports],
        "enrolledAt": time_json(stay.enrolled_at),
        "confirmedAt": time_json(stay.confirmed_at),
        "rejectedAppraisal": None if stay.doubts is None else appraisal_json(stay.doubts, look=look),
    }
    if stay.standing in _PROVING:
        document |= {"proofs": _proofs_json(stay.proofs, look=look), "proofsInWindow": _count_json(stay.proofs_within)}
    return document


def membership_json(stay: Stay, *, endings: tuple[Event, ...]) -> dict[str, Any]:
    """Return one member's time in an enclave, short; the whole of it is the stay with that number of that node."""
    proofs = stay.proofs
    return {
        "node": stay.node,
        "stay": stay.number,
        "from": time_json(stay.since),
        "until": time_json(stay.until),
        "endedBy": [event.value for event in endings],
        "image": stay.image,
        "imageName": stay.image_name,
        "proofs": proofs.number,
        "lastProvenAt": None if proofs.last is None else time_json(arrival(proofs.last)),
        "keys": {key.name: key.version for key in stay.keys},
    }


def commit_json(one: UnderCommit) -> dict[str, Any]:
    """Return what was recorded under a commit."""
    return {
        "commit": one.commit,
        "tree": one.tree,
        "firstRecordAt": time_json(one.first),
        "lastRecordAt": time_json(one.last),
        "events": dict(one.events),
        "accepted": one.accepted,
        "nodes": list(one.nodes),
    }


def appraisal_json(record: Record, *, look: Look) -> dict[str, Any]:
    """Return one appraisal, with what it rests on, or what keeps that from being shown."""
    appraisal = record.appraisal
    document: dict[str, Any] = {
        "record": record.sequence,
        "recordedAt": time_json(record.recorded_at),
        "evidenceReceivedAt": time_json(arrival(record)),
        "desiredState": record.commit,
        "verdict": record.verdict,
        "policy": appraisal.policy if appraisal else None,
        "image": appraisal.image if appraisal else None,
        "verdictDigest": appraisal.verdict_digest if appraisal else None,
    }
    try:
        basis = look(record)
    except RingfenceError as error:
        return document | {"problem": str(error), "problemCode": error.reason}
    told = basis.verdict
    return document | {
        "status": told["ear.status"],
        "trustworthiness": told["ear.trustworthiness-vector"],
        "weakenings": told["weakenings"],
        "workarounds": told["workarounds"],
        "reasons": told.get("reasons", []),
        "evidence": _evidence_json(record, basis),
    }


def _evidence_json(record: Record, basis: Basis) -> dict[str, Any]:
    submitted, rules, ek = basis.submitted, basis.rules, basis.certificate
    return {
        "nonce": submitted.nonce,
        "challengedUnder": submitted.commit,
        "challengedAt": time_json(submitted.challenged_at),
        "enrolment": submitted.enrolment,
        "pcrs": {str(number): value for number, value in basis.pcrs.items()},
        "eventLog": {"digest": submitted.event_log, "bytes": basis.event_log_size},
        "imaLog": None if submitted.ima is None else to_json(submitted.ima),
        "clock": None if record.clock is None else to_json(record.clock),
        "rules": None if record.appraisal is None else record.appraisal.rules,
        "policyDigest": basis.policy_digest,
        "imageMeasurements": to_json(rules.measurements),
        "firmwareProfile": rules.profile,
        "endorsement": rules.endorsement,
        "ekCertificate": None
        if ek is None
        else {
            "fingerprint": ek.certificate.fingerprint,
            "subject": ek.certificate.subject,
            "issuer": ek.certificate.issuer,
            "serial": ek.certificate.serial,
            "notBefore": time_json(ek.certificate.not_before),
            "notAfter": time_json(ek.certificate.not_after),
            "tpm": {"manufacturer": ek.tpm.vendor, "model": ek.tpm.model, "version": ek.tpm.version},
            "issuers": list(basis.issuers),
        },
    }


def _where(stay: Stay) -> dict[str, Any]:
    document: dict[str, Any] = {
        "node": stay.node,
        "stay": stay.number,
        "standing": stay.standing.value,
        "from": time_json(stay.since),
        "until": time_json(stay.until),
        "beganBy": stay.began_by.value,
        "endedBy": None if stay.ended_by is None else stay.ended_by.value,
        "enclave": stay.enclave,
    }
    if stay.standing is not Standing.FREE:
        document |= {"attempt": stay.attempt, "image": stay.image, "imageName": stay.image_name}
    if stay.standing is Standing.REJECTED:
        document["causes"] = list(stay.causes)
    return document


def _proofs_json(proofs: Proofs, *, look: Look) -> dict[str, Any]:
    return {
        **_count_json(proofs),
        "first": None if proofs.first is None else appraisal_json(proofs.first, look=look),
        "last": None if proofs.last is None else appraisal_json(proofs.last, look=look),
    }


def _count_json(proofs: Proofs) -> dict[str, Any]:
    return {
        "number": proofs.number,
        "firstAt": None if proofs.first is None else time_json(arrival(proofs.first)),
        "lastAt": None if proofs.last is None else time_json(arrival(proofs.last)),
        "longestGapSeconds": proofs.longest_gap_s,
    }


def _key_json(key: HeldKey) -> dict[str, Any]:
    return {"name": key.name, "version": key.version, "since": time_json(key.since), "record": key.sequence}


def _ports_json(read: PortsRead) -> dict[str, Any]:
    ports: Mapping[str, str] = dict(sorted(read.ports.items()))
    return {"readAt": time_json(read.since), "ports": ports}
