"""How fast evidence is audited: appraisals a second on one core, and memory, at 1,000 and 10,000 appraisals.

``make bench-audit``. A branch of a hundred members is written once into a temporary folder (``benchmarks.audited``),
then audited by processes of their own, each on one core with the git that it asks. A second is one of processor time,
git's included. Beside it stands bare signature verification of the same keys, measured in the same run: each appraisal
holds one such signature. Bars decide the exit code with ``--strict``.
"""

# ruff: noqa: T201  # a script, which prints what it measured

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIZES = (1_000, 10_000)
BAR = 2_000
GROWTH_BAR_MB = 32
_DEADLINE_S = 900
_BARE_S = 1.0


def write(folder: Path, sizes: tuple[int, ...]) -> dict[int, str]:
    """Write the branch, and return its commits with as many appraisals as ``sizes`` say; signatures go to a file."""
    from benchmarks.audited import Writer, bare_signatures, make_estate
    from reconciler.repo.git import Git

    made = make_estate(folder)
    writer = Writer(made, made.ledger)
    tips: dict[int, str] = {}
    writer.join()
    appraisals, number = len(writer.members), 0
    while appraisals < max(sizes):
        number += 1
        appraisals += writer.round(number)
        if appraisals in sizes:
            tips[appraisals] = made.git.head("evidence") or ""
    Git(made.repo.path, deadline_s=_DEADLINE_S).run("repack", "-q", "-a", "-d", "--window=2", "--threads=1")
    rate = _bare_rate(list(bare_signatures(writer)))
    (folder / "bare").write_text(str(rate))
    return tips


def _bare_rate(calls: list[Any]) -> float:
    done, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < _BARE_S:
        for call in calls:
            call()
        done += len(calls)
    return done / spent


def measure(repository: Path) -> dict[str, float]:
    """Audit the branch in this process; return seconds, appraisals, and megabytes at the peak."""
    from reconciler.cli.auditing import run_audit
    from reconciler.repo.git import Git

    before, begin = _processor_s(), time.perf_counter()
    with run_audit(Git(repository, deadline_s=_DEADLINE_S)) as audited:
        found = audited.findings
    if found.flaws:
        raise SystemExit(f"error: the audit finds {len(found.flaws)} flaws: {found.flaws[:3]}")
    return {
        "cpu": _processor_s() - before,
        "wall": time.perf_counter() - begin,
        "verdicts": found.verdicts,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "bytes": found.checked.bytes,
    }


def _processor_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _in_a_process(repository: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.audit", "--measure", str(repository)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_DEADLINE_S)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def main() -> int:
    """Measure and print; return 1 if a bar is not reached and ``--strict`` was given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=lambda text: tuple(map(int, text.split(","))), default=SIZES)
    parser.add_argument("--core", type=int, help="the last one by default")
    parser.add_argument("--strict", action="store_true", help="end with 1 if a bar is not reached")
    parser.add_argument("--keep", type=Path, help="write the branch into this folder, which is new, and leave it")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.measure)))
        return 0
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if asked.core is None else asked.core})
    if asked.keep:
        asked.keep.mkdir()
        return _tell(asked.keep, sizes=tuple(sorted(asked.sizes)), is_strict=asked.strict)
    with tempfile.TemporaryDirectory(prefix="ringfence-bench-") as name:
        return _tell(Path(name), sizes=tuple(sorted(asked.sizes)), is_strict=asked.strict)


def _tell(folder: Path, *, sizes: tuple[int, ...], is_strict: bool) -> int:
    tips = write(folder, sizes)
    bare = float((folder / "bare").read_text())
    repository = folder / "state"
    print(f"signatures of attestation keys alone (RSA-2048 and P-256 in turns): {bare:,.0f} a second, one core")
    print(f"{'appraisals':>10}{'a second':>12}{'passed':>10}{'ratio':>8}{'peak':>10}{'read':>10}")
    found: dict[int, dict[str, float]] = {}
    for size, tip in tips.items():
        subprocess.run(
            ["git", "-C", str(repository), "update-ref", "refs/heads/evidence", tip], check=True, timeout=_DEADLINE_S
        )
        found[size] = told = _in_a_process(repository)
        rate = told["verdicts"] / told["cpu"]
        print(
            f"{told['verdicts']:>10,.0f}{rate:>12,.0f}{told['wall']:>8.1f} s{rate / bare:>8.1%}"
            f"{told['mb']:>7.0f} MB{told['bytes'] / 1e6:>7.0f} MB"
        )
    last = found[max(found)]
    growth = last["mb"] - found[min(found)]["mb"]
    is_fast, is_flat = last["verdicts"] / last["cpu"] >= BAR, growth <= GROWTH_BAR_MB
    print(f"bar: at least {BAR:,} appraisals a second: {'reached' if is_fast else 'NOT reached'}")
    print(
        f"bar: at most {GROWTH_BAR_MB} MB more for the most: {'reached' if is_flat else 'NOT reached'} ({growth:.0f})"
    )
    return int(is_strict and not (is_fast and is_flat))


if __name__ == "__main__":
    sys.exit(main())
