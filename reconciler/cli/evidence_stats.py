"""The command that says how large the evidence branch is, what makes it so, and how it grows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.operate import Output, Repository

if TYPE_CHECKING:
    from reconciler.evidence.weights import Weight, Weights
    from reconciler.repo.weighing import Disk

_UNITS = ("B", "kB", "MB", "GB", "TB")
_DAYS_SHOWN = 7


def stats(
    repo: Repository = Path(),
    history: Annotated[
        bool, typer.Option("--history", help="Also weigh former trees and commits; git walks all of them.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TEXT,
) -> None:
    """Say how large the evidence branch is: by kind, node and day, on disk, and in a year."""
    from reconciler.cli.archive import evidence_tip
    from reconciler.daemon.source import TrustedSource
    from reconciler.errors.taxonomy import InputError
    from reconciler.repo.git import Git
    from reconciler.repo.weighing import disk_of, weigh_branch

    git = Git(repo, deadline_s=600.0)
    branch = TrustedSource(git).refresh().desired.repository.spec.evidence.branch
    tip = evidence_tip(git, branch)
    if tip is None:
        hint = "clone with all branches: git clone keeps them as origin/…"
        raise InputError("stats", "this clone has no evidence branch", reason="NoEvidence", hint=hint)
    files = git.files(tip)
    weights, disk = weigh_branch(git, files), disk_of(git, tip, files=files, with_history=history)
    found = document(tip, weights, disk)
    typer.echo(json.dumps(found, indent=2) if output is Output.JSON else text(found))


def document(tip: str, weights: Weights, disk: Disk) -> dict[str, Any]:
    """Return the sizes as JSON; all are bytes."""
    from reconciler.evidence.weights import largest

    total, leaves = weights.total, weights.leaves()
    appraised = max(leaves, 0)
    return {
        "evidence": tip,
        "files": total.files,
        "bytes": total.bytes,
        "disk": {
            "files": disk.files,
            "history": disk.history,
            "repository": disk.repository,
            "looseObjects": disk.loose,
        },
        "records": {"statements": sum(w.files for w in weights.by_node.values()), "leaves": appraised},
        "days": weights.days,
        "year": {"bytes": weights.year(total.bytes), "disk": weights.year(disk.history or disk.files)},
        "kinds": _weights(weights.by_kind),
        "nodes": {
            name: {"records": count, "statements": _weight(weights.by_node.get(name))}
            for name, count in sorted(weights.records.items())
        },
        "byDay": _weights(weights.by_day),
        "largest": [name for name, _ in largest(weights.by_kind)],
    }


def text(found: dict[str, Any]) -> str:
    """Return the sizes as ``document`` has them in lines for a terminal."""
    disk, year = found["disk"], found["year"]
    lines = [
        (
            f"evidence {found['evidence'][:12]}: {found['files']} files, {size(found['bytes'])}, "
            f"{found['days']} day{'' if found['days'] == 1 else 's'}"
        ),
        f"{found['records']['statements']} statements and {found['records']['leaves']} repeated proofs in rounds",
        f"on disk: {size(disk['files'])} for these files"
        + (f", {size(disk['history'])} with all history" if disk["history"] is not None else "")
        + f"; the whole repository {size(disk['repository'])}, {disk['looseObjects']} objects not packed",
    ]
    if year["bytes"] is not None:
        day = found["bytes"] // found["days"]
        lines.append(f"a day adds {size(day)}; a year {size(year['bytes'])}, {size(year['disk'])} on disk as it is now")
    lines += ["", "kind                    files       bytes"]
    ordered = sorted(found["kinds"].items(), key=lambda item: -item[1]["bytes"])
    lines += [f"{kind:<22}{weight['files']:>7}{size(weight['bytes']):>12}" for kind, weight in ordered]
    lines += ["", "day (statements and rounds)"]
    lines += [
        f"{day:<22}{weight['files']:>7}{size(weight['bytes']):>12}"
        for day, weight in list(found["byDay"].items())[-_DAYS_SHOWN:]
    ]
    lines += ["", "node                  records  statements"]
    busiest = sorted(found["nodes"].items(), key=lambda item: (-item[1]["records"], item[0]))
    lines += [
        f"{name:<22}{node['records']:>7}{size(node['statements']['bytes']):>12}" for name, node in busiest[:_DAYS_SHOWN]
    ]
    lines += [f"and {len(busiest) - _DAYS_SHOWN} more nodes"] if len(busiest) > _DAYS_SHOWN else []
    return "\n".join(lines)


def size(count: int) -> str:
    """Return a number of bytes with three digits at least, in powers of 1000."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:  # noqa: PLR2004  # units are powers of 1000
        value, unit = value / 1000, unit + 1
    return f"{count} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def _weights(weights: dict[str, Weight]) -> dict[str, dict[str, int]]:
    return {name: _weight(weight) for name, weight in sorted(weights.items())}


def _weight(weight: Weight | None) -> dict[str, int]:
    return {"files": weight.files if weight else 0, "bytes": weight.bytes if weight else 0}
