"""The table of nodes: what is recorded of each, what is seen of it, and how long its join took."""

from __future__ import annotations

from typing import Any

from reconciler.cli.archive import read_records
from reconciler.cli.wiring import Workshop
from reconciler.daemon.source import Sight
from reconciler.evidence.statement import Record
from reconciler.evidence.timings import timings
from reconciler.model.record import Event

_COLUMNS = ("node", "phase", "enclave", "power", "port", "verdict", "boot", "total", "evidence")


def rows(workshop: Workshop, sight: Sight) -> list[dict[str, Any]]:
    """Return a row a node; times are in seconds, of the node's last completed join."""
    draft = workshop.engine_for(sight).draft(sight.desired)
    records, commit_of = read_records(workshop.source.git, sight)
    times = {timing.node: timing for timing in timings(records)}
    found = []
    for name, seen in draft.observed.nodes.items():
        head = seen.head
        timing = times.get(name)
        found.append(
            {
                "node": name,
                "phase": head.phase.value if head else "FREE",
                "enclave": head.enclave if head else None,
                "power": seen.power.value.lower(),
                "port": ", ".join(state.words for state in seen.ports.values()),
                "verdict": _verdict(records, name),
                "boot": round(timing.boot_s, 2) if timing else None,
                "admission": round(timing.admission_s, 3) if timing else None,
                "control": round(timing.control_s, 3) if timing else None,
                "total": round(timing.total_s, 2) if timing else None,
                "evidence": commit_of.get(name, "")[:12] or None,
            }
        )
    return found


def _verdict(records: list[Record], node: str) -> str | None:
    judged = [r for r in records if r.node == node and r.event in {Event.APPRAISED, Event.REJECTED}]
    if not judged:
        return None
    if judged[-1].event is Event.REJECTED:
        return "rejected"
    return judged[-1].verdict


def table(found: list[dict[str, Any]]) -> str:
    """Return ``found`` as a table of plain text."""
    cells = [[_cell(row[column]) for column in _COLUMNS] for row in found]
    widths = [max([len(title), *(len(row[i]) for row in cells)]) for i, title in enumerate(_COLUMNS)]
    lines = [[title.upper() for title in _COLUMNS], *cells]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.1f} s" if isinstance(value, float) else str(value)
