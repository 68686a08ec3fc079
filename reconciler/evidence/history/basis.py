"""What a recorded appraisal rests on: its verdict, and the measurements, rules and certificates behind it, from blobs.

Rules: a verdict that the record does not hold (a leaf of a round) is computed again, by the recorded rules, and has to
have the recorded digest. Whether the rules are those of the desired state is the audit's to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.attest.appraise import appraise
from reconciler.attest.endorsement.inspection import ShownEk, inspect_ek
from reconciler.attest.expectation import Attempt, Rules
from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.blobs import Blobs, read_blob
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.raw import RawReader, Submitted
from reconciler.evidence.report import describe
from reconciler.evidence.rules import read_rules
from reconciler.evidence.statement import Appraisal, Record
from reconciler.model.record import Clock
from reconciler.model.submission import BootClock, Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What one appraisal rests on.

    ``verdict`` is its JSON form, ``pcrs`` the quoted values by number, in hexadecimal (SHA-256 bank).
    ``event_log_size`` is in bytes. ``policy_digest`` names the blob of the policy in ``rules``. ``certificate`` is the
    TPM's own (of its EK), None if it cannot be read; ``issuers`` are the subjects of those above it, up to the anchor.
    """

    submitted: Submitted
    verdict: Mapping[str, Any]
    pcrs: Mapping[int, str]
    event_log_size: int
    policy_digest: str
    rules: Rules
    certificate: ShownEk | None
    issuers: tuple[str, ...]


class BasisReader:
    """Reads what appraisals rest on; certificates and rules that recur are read once."""

    def __init__(self, blobs: Blobs) -> None:
        """Read ``blobs``."""
        self._blobs = blobs
        self._raw = RawReader(blobs)
        self._rules: dict[str, Rules] = {}
        self._shown: dict[tuple[str, str], tuple[ShownEk | None, tuple[str, ...]]] = {}

    def read(self, record: Record) -> Basis:
        """Return what the appraisal ``record`` rests on; TrustError if that is not whole."""
        appraisal = record.appraisal
        if appraisal is None:
            raise TrustError(f"node {record.node}", "an appraisal without a verdict", reason="StatementMalformed")
        evidence = self._raw.read(appraisal.evidence)
        rules = self._read_rules(appraisal.rules)
        certificate, issuers = self._certificate(evidence, rules, name=appraisal.rules)
        return Basis(
            submitted=appraisal.evidence,
            verdict=_verdict(record, appraisal, evidence=evidence, rules=rules),
            pcrs={number: value.hex() for number, value in sorted(evidence.pcrs.items())},
            event_log_size=len(evidence.event_log),
            policy_digest=str(json.loads(read_blob(self._blobs, appraisal.rules))["policy"]),
            rules=rules,
            certificate=certificate,
            issuers=issuers,
        )

    def _read_rules(self, name: str) -> Rules:
        if name not in self._rules:
            self._rules[name] = read_rules(self._blobs, name)
        return self._rules[name]

    def _certificate(self, evidence: Evidence, rules: Rules, *, name: str) -> tuple[ShownEk | None, tuple[str, ...]]:
        key = (digest(evidence.ek_certificate), name)
        if key not in self._shown:
            report = inspect_ek(
                evidence.ek_certificate,
                roots=rules.ek_roots,
                intermediates=rules.ek_intermediates,
                crls=rules.ek_crls,
                at=evidence.received_at,
            )
            self._shown[key] = (report.ek, tuple(one.subject for one in report.chain))
        return self._shown[key]


def _verdict(record: Record, appraisal: Appraisal, *, evidence: Evidence, rules: Rules) -> Mapping[str, Any]:
    told = appraisal.verdict
    if told is None:
        attempt = Attempt(
            node=record.node,
            enclave=record.enclave or "",
            commit=appraisal.evidence.commit,
            attempt=record.attempt or "",
            previous=_clock(appraisal.previous),
            must_be_same_boot=appraisal.must_be_same_boot,
            judged_at=evidence.received_at,
        )
        told = describe(appraise(evidence, expectation=rules.hold(attempt)))
    if digest(canonical(told)) != appraisal.verdict_digest:
        raise TrustError(f"node {record.node}", "its verdict, computed again, is another one", reason="VerdictDiffers")
    return told


def _clock(clock: Clock | None) -> BootClock | None:
    return None if clock is None else BootClock(**clock.model_dump())
