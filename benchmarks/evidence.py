"""How fast evidence is written, and how it grows: ``make bench-evidence``.

Records are made up (``made_evidence``) and go through the real author and the real ledger, with every flush. References
of the same run stand beside the rates: Ed25519 signatures a second, and git's own ``fast-import`` of as many files.
Growth is measured by rounds of 100 nodes, 2,880 of them for a whole day (``--day``), fewer extrapolated otherwise, with
the upkeep that the daemon does. Bars decide the exit code with ``--strict``.
"""

# ruff: noqa: T201  # a script, which prints what it measured

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.made_evidence import MadeSite, filler, made_author, made_ledger
from reconciler.ports.ledger import Entry
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.upkeep import Upkeep

FILES = 100_000
BAR_RATE = 2_000.0
BAR_DAY = 1 << 30
DAY_ROUNDS = 2_880
NODES = 100
_FILL = 2_500
_TOLD = 360
_SPAN_S = 8.0
_QUIET, _PROBE_S, _LOAD = 0.95, 0.3, 1.5


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Records a second that passed, a processor second, and a second that the ledger alone took."""

    wall: float
    cpu: float
    alone: float


def main() -> None:
    """Measure, print, and fail below a bar if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=FILES, help="how many files the branch holds before")
    parser.add_argument("--day", action="store_true", help="simulate the whole day")
    parser.add_argument("--rounds", type=int, default=120, help="how many rounds, if it is not the whole day")
    parser.add_argument("--only", choices=("rates", "growth"), help="measure only this")
    parser.add_argument("--strict", action="store_true", help="fail below a bar")
    asked = parser.parse_args()
    reached = []
    with tempfile.TemporaryDirectory(prefix="ringfence-bench-") as folder:
        if asked.only != "growth":
            reached += _rates(Path(folder), files=asked.files)
        if asked.only != "rates":
            reached += _growth(Path(folder), rounds=DAY_ROUNDS if asked.day else asked.rounds)
    if asked.strict and not all(reached):
        raise SystemExit(1)


def _repository(folder: Path, name: str) -> tuple[Path, GitLedger, EvidenceKey]:
    path = folder / name
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True, timeout=30)
    ledger = made_ledger(path, key=folder / f"{name}.key")
    return path, ledger, EvidenceKey(folder / f"{name}.key")


def _rates(folder: Path, *, files: int) -> list[bool]:
    path, ledger, key = _repository(folder, "rates")
    for start in range(0, files // 2, _FILL):
        ledger.append(filler(start, min(_FILL, files // 2 - start)))
    Upkeep(Git(path)).run()
    signatures = _per_second(lambda: [key.sign(b"x" * 600) for _ in range(100)] and 100, span_s=1.0)
    print(
        f"branch of {files:,} files; Ed25519 signatures {signatures:,.0f}/s; fast-import {_import_rate(folder):,.0f}/s"
    )
    reached = []
    for batch in (300, 600):
        site = MadeSite(author=made_author(key), nodes=batch, prefix=f"s{batch}-")
        ledger.append(site.statements(batch))
        rates = _writing(ledger, site, partial(site.statements, batch), batch)
        reached.append(_tell(f"statements, {batch} a commit", rates, signatures))
    site = MadeSite(author=made_author(key), nodes=NODES)
    ledger.append([site.round()])
    reached.append(
        _tell(f"rounds of {NODES} leaves", _writing(ledger, site, lambda: [site.round()], NODES), signatures)
    )
    return reached


def _writing(ledger: GitLedger, site: MadeSite, make: Callable[[], Sequence[Entry]], many: int) -> Rates:
    """Write for some seconds; what it takes to make evidence up is left out of all rates."""
    done, alone_s, made_before = 0, 0.0, site.made_s
    begin, cpu = time.perf_counter(), _cpu_s()
    while time.perf_counter() - begin < _SPAN_S:
        entries = make()
        start = time.perf_counter()
        ledger.append(entries)
        alone_s += time.perf_counter() - start
        done += many
    made_s = site.made_s - made_before
    wall, cpu = time.perf_counter() - begin - made_s, _cpu_s() - cpu - made_s
    return Rates(wall=done / wall, cpu=done / cpu, alone=done / alone_s)


def _cpu_s() -> float:
    """Return the processor seconds of this process and of the git processes that have ended."""
    return sum(
        time_s for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN) for time_s in resource.getrusage(who)[:2]
    )


def _is_quiet() -> bool:
    """Return whether a busy loop gets a core for itself."""
    begin, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - begin < _PROBE_S:
        pass
    return (time.process_time() - cpu) / (time.perf_counter() - begin) >= _QUIET and os.getloadavg()[0] <= _LOAD


def _tell(name: str, rates: Rates, signatures: float) -> bool:
    by_wall = _is_quiet() or rates.wall >= BAR_RATE
    is_reached = (rates.wall if by_wall else rates.cpu) >= BAR_RATE
    word = "reached" if is_reached else "NOT reached"
    print(
        f"{name:<28}{rates.wall:>7,.0f} records/s that passed, {rates.cpu:,.0f} a processor second (the ledger alone "
        f"{rates.alone:,.0f}/s), {rates.wall / signatures:.1%} of the signatures; bar {BAR_RATE:,.0f} by "
        f"{'the clock' if by_wall else 'processor time, since others were at work'}: {word}",
        flush=True,
    )
    return is_reached


def _per_second(work: Callable[[], int], *, span_s: float) -> float:
    done, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < span_s:
        done += work()
    return done / (time.perf_counter() - begin)


def _import_rate(folder: Path, *, many: int = 20_000) -> float:
    """Return how many small files a second git imports into an empty repository, one commit for 300, no flushes."""
    path = folder / "imported"
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True, timeout=30)
    lines = []
    for start in range(0, many, 300):
        lines.append(b"commit refs/heads/x\ncommitter a <a@a> 1 +0000\ndata 1\nx\n")
        for index in range(start, start + 300):
            body = b"%d" % index * 100
            lines.append(b"M 100644 inline %d/%d\ndata %d\n%b\n" % (index // 300, index, len(body), body))
    begin = time.perf_counter()
    subprocess.run(["git", "-C", str(path), "fast-import", "--quiet"], input=b"".join(lines), check=True, timeout=300)
    return many / (time.perf_counter() - begin)


def _growth(folder: Path, *, rounds: int) -> list[bool]:
    reached = []
    for growing in (0, 10):
        path, ledger, key = _repository(folder, f"growth-{growing}")
        site = MadeSite(author=made_author(key), nodes=NODES, growing=growing)
        upkeep = Upkeep(Git(path))
        ledger.append([site.round()])
        first, peak, upkeep_s = _size(path), 0, 0.0
        begin = time.perf_counter()
        for number in range(rounds):
            ledger.append([site.round()])
            if upkeep.is_due():
                peak = max(peak, _size(path))
                start = time.perf_counter()
                upkeep.run()
                upkeep_s += time.perf_counter() - start
            if number % _TOLD == _TOLD - 1:
                print(f"  {number + 1} rounds, {_size(path) / 1e6:,.1f} MB", flush=True)
        whole_s = time.perf_counter() - begin
        unpacked = _size(path)
        upkeep.run(is_asked=True)
        packed = _size(path) - first
        appraisals = rounds * NODES
        day = packed / rounds * DAY_ROUNDS
        logs = f", {growing} of them with an IMA log that grows" if growing else ""
        print(
            f"{NODES} nodes{logs}: {packed / appraisals:,.0f} bytes an appraisal packed, "
            f"{unpacked / appraisals:,.0f} before; "
            f"{rounds} rounds {packed / 1e6:,.1f} MB, most {max(peak, unpacked) / 1e6:,.1f}; "
            f"a day {day / 1e6:,.0f} MB; bar {BAR_DAY / 1e6:,.0f}: {'reached' if day < BAR_DAY else 'NOT reached'}"
        )
        print(f"  {whole_s / rounds * 1e3:,.0f} ms a round, of it upkeep {upkeep_s / rounds * 1e3:,.0f} ms")
        reached.append(day < BAR_DAY)
    return reached


def _size(path: Path) -> int:
    """Return how many bytes of disk the objects take, in whole blocks."""
    return sum(file.stat().st_blocks * 512 for file in (path / "objects").rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
