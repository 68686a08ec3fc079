"""Why a node is where it is: its records, newest verdict, and what follows."""

from __future__ import annotations

from typing import Any

from reconciler.attest.explain import explain as explain_reasons
from reconciler.attest.verdict import Reason
from reconciler.cli import divergence
from reconciler.cli.archive import evidence_tip, read_records
from reconciler.daemon.source import Sight
from reconciler.evidence.statement import Record
from reconciler.model.phase import Phase
from reconciler.model.record import Event, Head
from reconciler.repo.git import Git
from reconciler.repo.reader import EvidenceReader


def document(git: Git, sight: Sight, node: str) -> dict[str, Any]:
    """Return everything that explains ``node``: its phase, its last verdict, and its last records."""
    records, _ = read_records(git, sight)
    own = [record for record in records if record.node == node]
    judged = [record for record in own if record.appraisal and record.appraisal.verdict]
    rejections = [record for record in own if record.event is Event.REJECTED]
    phase = _phase(own)
    return {
        "node": node,
        "phase": phase.value,
        "causes": list(rejections[-1].causes) if rejections and phase is Phase.REJECTED else [],
        "clear": rejections[-1].sequence if rejections and phase is Phase.REJECTED else None,
        "verdict": judged[-1].appraisal.verdict if judged and judged[-1].appraisal else None,
        "divergence": _divergence(git, sight, node, records),
        "records": [
            {"sequence": r.sequence, "at": r.recorded_at.isoformat(), "event": r.event.value, "commit": r.commit}
            for r in own[-10:]
        ],
    }


def _divergence(git: Git, sight: Sight, node: str, records: list[Record]) -> dict[str, Any] | None:
    tip = evidence_tip(git, sight.desired.repository.spec.evidence.branch)
    if tip is None:
        return None
    profiles = {name: each.spec.firmware.profile for name, each in sight.desired.nodes.items()}
    blob = EvidenceReader(git, commit=tip).blob
    return divergence.compare(records, node=node, blob=blob, profiles=profiles)


def _phase(own: list[Record]) -> Phase:
    head = head_from(own)
    return head.phase if head else Phase.FREE


def head_from(own: list[Record]) -> Head | None:
    """Return the head that one node's records make, in chain order; raise TrustError if they are no chain."""
    from reconciler.evidence.canonical import digest
    from reconciler.evidence.fold import fold
    from reconciler.evidence.statement import statement_bytes

    head = None
    for record in own:
        payload_digest = own[record.sequence].previous if record.sequence < len(own) else None
        head = fold(head, record, digest=payload_digest or digest(statement_bytes(record, endorsement="")))
    return head


def text(found: dict[str, Any]) -> str:
    """Return the explanation for a terminal."""
    lines = [f"node {found['node']} is {found['phase']}"]
    if found["causes"]:
        lines += ["", "trust was withdrawn because", *(f"  - {cause}" for cause in found["causes"])]
    verdict = found["verdict"]
    if verdict:
        lines += ["", f"last verdict: {verdict['verdict']} ({verdict['ear.status']}), commit {verdict['commit'][:12]}"]
        reasons = tuple(Reason(**reason) for reason in verdict.get("reasons", ()))
        if reasons:
            lines += ["", explain_reasons(reasons).rstrip("\n")]
    if found["divergence"]:
        lines += ["", *divergence.text(found["divergence"])]
    lines += ["", "records", *(f"  {r['sequence']:>4}  {r['at'][:19]}  {r['event']}" for r in found["records"])]
    if found["clear"]:
        hint = f"hint: mend the machine, then set spec.cleared: {found['clear']} in site/nodes/{found['node']}.yaml"
        lines += ["", hint]
    return "\n".join(lines)
