"""What an audit shows: how far it is while it runs, then what was checked and found, for people and for programs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Self, TextIO

from reconciler.cli.auditing import Audited
from reconciler.errors.taxonomy import InputError, RingfenceError
from reconciler.evidence.audit import Figures
from reconciler.evidence.note import Checkpoint, parse_checkpoint, parse_note

_EVERY_S = 0.2
_WHAT = (
    ("lines", "line of the log", "lines of the log"),
    ("statements", "statement", "statements"),
    ("rounds", "round", "rounds"),
    ("leaves", "record in them", "records in them"),
    ("entries", "journal entry", "journal entries"),
    ("blobs", "blob", "blobs"),
    ("checkpoints", "tree head", "tree heads"),
    ("commits", "commit", "commits"),
)


class ProgressLine:
    """One line on a terminal that says how far an audit is; on anything else nothing is written."""

    def __init__(self, stream: TextIO) -> None:
        """Write to ``stream`` if it is a terminal."""
        self._stream = stream
        self._is_shown = stream.isatty()
        self._next = 0.0

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the line away."""
        if self._is_shown and self._next:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def show(self, done: int, total: int, checked: Figures) -> None:
        """Say that ``done`` of ``total`` lines of the log were read."""
        now = time.monotonic()
        if not self._is_shown or now < self._next:
            return
        self._next = now + _EVERY_S
        share = 100 * done // max(total, done, 1)
        records = checked.statements + checked.leaves
        self._stream.write(f"\r\x1b[Kauditing: {share} %, {records:,} records, {checked.verdicts:,} verdicts")
        self._stream.flush()


def read_head(path: Path) -> Checkpoint:
    """Return the tree head in the file at ``path``; it is taken as it is, since who keeps it trusts it."""
    try:
        return parse_checkpoint(parse_note(path.read_bytes()).body)
    except OSError as error:
        raise InputError(str(path), "cannot be read", reason="FileUnreadable") from error
    except RingfenceError as error:
        hint = "keep one with: git show EVIDENCE-BRANCH:checkpoints/latest > FILE"
        raise InputError(str(path), f"is no signed tree head: {error.message}", reason="BadHead", hint=hint) from error


def audit_document(audited: Audited) -> dict[str, Any]:
    """Return what came of an audit as a JSON value."""
    found = audited.findings
    return {
        "evidence": audited.evidence,
        "trusted": audited.trusted,
        "records": found.records,
        "verdicts": found.verdicts,
        "flaws": [
            {"path": f.path, "code": f.code, "severity": f.severity.value, "message": f.message} for f in found.flaws
        ],
        "omitted": found.omitted,
        "nodes": {name: head.phase.value for name, head in sorted(found.heads.items())},
        "log": {"origin": found.origin, "size": found.size, "root": found.root.hex()},
        "checked": {name: getattr(found.checked, name) for name in ("files", "bytes", *(name for name, *_ in _WHAT))},
        "signers": [
            {"key": each.key_id, "first": each.first, "last": each.last, "commits": each.commits}
            for each in audited.history.ranges
        ],
    }


def audit_text(document: dict[str, Any]) -> str:
    """Return what came of an audit for people: flaws first, the worst at the top, then what was checked."""
    lines = [f"{f['severity']}: {f['path']}: {f['message']} [{f['code']}]" for f in document["flaws"]]
    if document["omitted"]:
        lines.append(f"and {document['omitted']:,} more flaws")
    log, checked = document["log"], document["checked"]
    lines.append(f"evidence {document['evidence'][:12]}, desired state {document['trusted'][:12]}")
    lines.append(f"log {log['origin'] or 'without a head'}: {log['size']:,} lines, root {log['root'][:16]}…")
    figures = [f"{checked[name]:,} {one if checked[name] == 1 else many}" for name, one, many in _WHAT if checked[name]]
    lines.append(f"checked: {', '.join(figures) or 'nothing'}; {checked['files']:,} files")
    if len(document["signers"]) > 1:
        lines += [
            f"signed by {each['key'] or 'nobody known'}: {each['commits']:,} commits, "
            f"{each['first'][:12]} to {each['last'][:12]}"
            for each in document["signers"]
        ]
    lines.append(f"{document['records']:,} records, {document['verdicts']:,} verdicts computed again")
    count = len(document["flaws"]) + document["omitted"]
    lines.append(f"{count:,} flaw{'' if count == 1 else 's'}" if count else "everything holds")
    return "\n".join(lines)
