"""What a verified bundle shows and what it cannot show, for people and for machines."""

from __future__ import annotations

from typing import Any

from reconciler.cli.printable import printable
from reconciler.evidence.bundle.chain import Run
from reconciler.evidence.bundle.verifying import Verified
from reconciler.evidence.statement import Record
from reconciler.model.record import Event

LIMITS = (
    "that nothing was recorded later, or that the evidence branch was not rolled back since: that takes a witness",
    "that no other node was in an enclave: a bundle shows the nodes that it shows",
    "that a commit was ever in force in its repository: that it was is the word of the evidence signer",
    "when something happened, beyond the word of the evidence signer and the times of witnesses",
)
"""What no bundle shows, whoever signed it."""


def document(found: Verified) -> dict[str, Any]:
    """Return what ``found`` says as JSON; times are ISO 8601."""
    return {
        "subject": found.subject,
        "result": _result(found),
        "flaws": [{"path": flaw.path, "code": flaw.code, "message": flaw.message} for flaw in found.flaws],
        "doubts": list(found.doubts),
        "records": len(found.records),
        "verdicts": {"accepted": found.accepted, "rejected": found.rejected, "rulesShown": found.rules_shown},
        "runs": [
            {
                "node": run.node,
                "first": run.first,
                "last": run.last,
                "from": run.begins_at.isoformat(),
                "until": run.ends_at.isoformat(),
                "phase": run.phase.value,
                "enclave": run.enclave,
            }
            for run in found.runs
        ],
        "signers": [{"key": s.key_id, "vouched": s.vouched, "unvouched": s.unvouched} for s in found.signers],
        "treeHead": {
            "origin": found.head.origin,
            "size": found.head.size,
            "root": found.head.root,
            "signers": list(found.head.signers),
            "vouched": found.is_head_vouched,
            "cosignatures": [
                {"witness": each.witness, "size": each.size, "at": each.at.isoformat() if each.at else None}
                for each in found.head.cosignatures
            ],
        },
        "commits": [
            {
                "commit": name,
                "shown": commit is not None,
                "authored": commit.authored_at.isoformat() if commit else None,
                "signer": commit.signer if commit else None,
                "vouched": name in found.vouched_commits,
                "doubt": commit.doubt if commit else "is not in the bundle",
            }
            for name, commit in found.commits.items()
        ],
        "events": [_event(record) for record in found.records],
        "notShown": list(LIMITS),
    }


def text(found: Verified) -> str:
    """Return what ``found`` says in lines for a terminal."""
    lines = [f"flaw: {flaw.path}: {flaw.message} [{flaw.code}]" for flaw in found.flaws]
    lines += [f"bundle about {found.subject}", ""]
    lines += [_run_line(run) for run in found.runs]
    lines += [f"  {line}" for line in _events(found)]
    lines += ["", "shown:", *(f"  - {line}" for line in _shown(found))]
    lines += ["", "signed by:", *(f"  - {line}" for line in _signed(found))]
    lines += ["", "not shown by any bundle:", *(f"  - {line}" for line in LIMITS)]
    lines += ["", *(f"doubt: {doubt}" for doubt in found.doubts), _closing(found)]
    return "\n".join(printable(line) for line in lines)


def _result(found: Verified) -> str:
    if found.flaws:
        return "broken"
    return "unvouched" if found.doubts else "proven"


def _closing(found: Verified) -> str:
    if found.flaws:
        return f"{len(found.flaws)} flaws: do not rely on it"
    if found.is_proven:
        return "everything holds, and you trust who signed it"
    keys = ", ".join(signer.key_id for signer in found.signers if signer.unvouched) or "all that you asked for"
    return f"consistent, but nobody vouches for {'signer ' if 'SHA256' in keys else ''}{keys}"


def _run_line(run: Run) -> str:
    where = f"{run.phase.value} in {run.enclave}" if run.enclave else run.phase.value
    begins, ends = (at.strftime("%Y-%m-%d %H:%M:%S") for at in (run.begins_at, run.ends_at))
    return f"node {run.node}: records {run.first} to {run.last}, {begins} to {ends} UTC, then {where}"


def _events(found: Verified) -> list[str]:
    """Return the events that changed something: repeated proofs of a member are counted, not listed."""
    lines: list[str] = []
    repeated = 0
    for record, following in zip(found.records, (*found.records[1:], None), strict=True):
        is_leaf = record.appraisal is not None and record.appraisal.verdict is None
        repeated += is_leaf
        if not is_leaf:
            lines.append(_event_line(record))
        is_last_leaf = following is None or following.appraisal is None or following.appraisal.verdict is not None
        if repeated and (is_last_leaf or (following is not None and following.node != record.node)):
            often = "once" if repeated == 1 else f"{repeated} times"
            lines.append(f"{record.recorded_at:%Y-%m-%d %H:%M:%S}  {record.node}  proved itself again, {often}")
            repeated = 0
    return lines


def _event_line(record: Record) -> str:
    said = {
        Event.APPRAISED: f"evidence {record.verdict}",
        Event.RELEASED: "keys " + ", ".join(f"{name} v{version}" for name, version in sorted(record.keys.items())),
        Event.REJECTED: f"rejected: {'; '.join(record.causes)}",
        Event.ASSIGNED: f"assigned to {record.enclave}, image {record.image}",
    }.get(record.event, record.event.value)
    return f"{record.recorded_at:%Y-%m-%d %H:%M:%S}  {record.node}  {said} (commit {record.commit[:12]})"


def _event(record: Record) -> dict[str, Any]:
    found = {
        "node": record.node,
        "sequence": record.sequence,
        "event": record.event.value,
        "at": record.recorded_at.isoformat(),
        "commit": record.commit,
        "enclave": record.enclave,
        "attempt": record.attempt,
        "image": record.image,
        "verdict": record.verdict,
        "keys": dict(record.keys) or None,
        "ports": dict(record.ports) or None,
        "causes": list(record.causes) or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _shown(found: Verified) -> list[str]:
    total = found.accepted + found.rejected
    lines = [
        f"{len(found.records)} records, each chained to the one before, without a gap in what is listed above",
        f"{total} verdicts computed again from the raw evidence: {found.accepted} accepted, {found.rejected} rejected",
        "no key released and no node admitted before its evidence was accepted in the same attempt",
        f"all of it stands in the log {found.head.origin}, a tree of {found.head.size}, root {found.head.root[:16]}…",
    ]
    if total:
        rest = total - found.rules_shown
        lines.append(f"the rules of {found.rules_shown} verdicts are those of the commit that they name, below")
        lines += [f"the rules of {rest} verdicts are the word of the evidence signer: no commit here shows them"] * (
            rest > 0
        )
    lines += [_commit_line(name, found) for name in found.commits]
    if found.flaws:
        lines = ["less than it claims: see the flaws above"]
    return lines


def _commit_line(name: str, found: Verified) -> str:
    commit = found.commits[name]
    if commit is None:
        return f"commit {name[:12]} is named, and not in the bundle"
    whom = ", whom you trust" if name in found.vouched_commits else ""
    by = f"signed by {commit.signer}{whom}" if commit.signer else f"which {commit.doubt}"
    return f"commit {name[:12]} of {commit.authored_at:%Y-%m-%d %H:%M:%S} UTC, {by}"


def _signed(found: Verified) -> list[str]:
    lines = [
        f"{signer.key_id}: {signer.vouched + signer.unvouched} records"
        + ("" if signer.unvouched else ", by your word or that of a commit which you trust")
        for signer in found.signers
    ]
    head = found.head
    word = "" if found.is_head_vouched else ", for whom nobody vouches"
    lines.append(f"the tree head of {head.size} entries by {', '.join(head.signers)}{word}")
    for each in head.cosignatures:
        when = f"at {each.at:%Y-%m-%d %H:%M:%S} UTC" if each.at else "(not checked: give its key with --witness)"
        lines.append(f"witness {each.witness}: the first {each.size} of these entries, {when}")
    return lines
