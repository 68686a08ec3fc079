"""How fast a state repository is read and planned, beside ``git cat-file --batch`` of the blobs: ``make bench-repo``.

Repositories with one file a node are made in a temporary folder. Figures are of processes of their own on one core,
git's processes on that core included. Bars are for 100,000 nodes. They are compared with the seconds that passed if the
core was free for us just before and after; otherwise with processor seconds, of which others take none. The table says
which. They decide the exit code with ``--strict``.
"""

# ruff: noqa: T201  # a script, which prints what it measured

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.states import (
    BRANCH,
    EVERY_FEW,
    EVERY_MANY,
    add_commit,
    make_repository,
    members,
    node_file,
    node_path,
    state_files,
)
from benchmarks.trusted import ALLOWED_SIGNERS, make_signer, signed_commit, time_to_judge

SIZES = (1_000, 10_000, 100_000)
BARRED = 100_000
ROUNDS = 5
CHANGED = 10
_DEADLINE_S = 900
_LIMIT_MB = 1500
_QUIET = 0.95
_PROBE_S = 0.3


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What one piece of work took: seconds that passed, seconds of the processor, and megabytes at the peak."""

    wall: float
    cpu: float
    mb: float


@dataclass(frozen=True, kw_only=True)
class Case:
    """A line of the table: its bars at 100,000 nodes in seconds and megabytes, if it has any."""

    name: str
    label: str
    bar_s: float | None = None
    bar_mb: float | None = None


_ASKED = (
    Case(name="git", label="reference: git cat-file --batch"),
    Case(name="cold", label="cold load and validation", bar_s=20, bar_mb=_LIMIT_MB),
    Case(name="fill", label="the same, filling the cache"),
    Case(name="warm", label="new process, cache filled"),
    Case(name="start", label="unchanged: ringfence validate --commit", bar_s=0.3),
    Case(name="judge", label="ten changed nodes: trust.judge (ssh-keygen)"),
)
"""Cases with a process each."""

_IN_A_LOOP = (
    Case(name="idle", label="unchanged: head and desired state", bar_s=0.05),
    Case(name="nodes", label="ten changed nodes: to desired state"),
    Case(name="enclaves", label="ten changed enclaves: the same"),
    Case(name="idle-plan", label="unchanged: head to plan", bar_s=0.05),
    Case(name="nodes-plan", label="ten changed nodes: commit to plan", bar_s=0.2),
    Case(name="enclaves-plan", label="ten changed enclaves: commit to plan", bar_s=0.2),
)
"""Cases of one process, a loop that goes on; what it has in memory is told once for all of them."""


def spent(work: Callable[[], object]) -> Figure:
    """Return what ``work`` took, the processes that it started and waited for included."""
    before, begin = _processor_s(), time.perf_counter()
    work()
    wall, cpu = time.perf_counter() - begin, _processor_s() - before
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Figure(wall=wall, cpu=cpu, mb=peak / 1024)


def _processor_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(name: str, *, repository: Path, commits: list[str]) -> dict[str, Figure]:
    """Do one case in this process, or all of a loop.

    ``commits`` are the first, those that change ten nodes and ten enclaves, and the former of these, signed.
    """
    from reconciler.repo.cache import open_cache
    from reconciler.repo.git import Git
    from reconciler.repo.loading import StateLoader

    git, first = Git(repository, deadline_s=_DEADLINE_S), commits[0]
    folder = repository.parent / "cache"
    if name == "git":
        blobs = [entry.object_id for entry in git.files(first)]
        return {name: spent(lambda: git.objects(blobs))}
    if name == "cold":
        return {name: spent(lambda: StateLoader(git).load(first))}
    if name in {"fill", "warm"}:
        return {name: spent(lambda: StateLoader(git, cache=open_cache(folder / "ringfence")).load(first))}
    if name == "start":
        return {name: _median(_starts(repository, folder=folder, commit=first))}
    if name == "judge":
        return {name: _median(spent(time_to_judge(git, commit=commits[3], last=first)) for _ in range(ROUNDS))}
    return _looped(git, commits)


def _looped(git: object, commits: list[str]) -> dict[str, Figure]:
    from benchmarks.loop import Loop
    from reconciler.repo.git import Git

    if not isinstance(git, Git):
        raise TypeError(git)
    first, nodes, enclaves, _ = commits
    loop = Loop.started(git, commit=first)
    found = {"idle": _median(spent(lambda: (git.head(BRANCH), loop.loader.load(first))) for _ in range(ROUNDS))}
    for name, changed in (("nodes", nodes), ("enclaves", enclaves)):
        found[name] = _median(_there_and_back(loop.loader.load, first=first, changed=changed))
    found["idle-plan"] = _median(spent(loop.passes(first)) for _ in range(ROUNDS))
    for name, changed in (("nodes-plan", nodes), ("enclaves-plan", enclaves)):
        found[name] = _median(_there_and_back(loop.follow, first=first, changed=changed, between=loop.look_again))
    return found


def _starts(repository: Path, *, folder: Path, commit: str) -> Iterator[Figure]:
    program = Path(sys.executable).with_name("ringfence")
    command = [str(program), "validate", "--repo", str(repository), "--commit", commit]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder)}
    for _ in range(ROUNDS):
        yield spent(
            lambda: subprocess.run(command, check=True, capture_output=True, timeout=_DEADLINE_S, env=environment)
        )


def _there_and_back(
    follow: Callable[[str], object], *, first: str, changed: str, between: Callable[[], None] = lambda: None
) -> Iterator[Figure]:
    for _ in range(ROUNDS):
        between()
        yield spent(lambda: follow(changed))
        between()
        follow(first)


def _median(figures: Iterator[Figure]) -> Figure:
    measured = list(figures)
    return Figure(
        wall=statistics.median(figure.wall for figure in measured),
        cpu=statistics.median(figure.cpu for figure in measured),
        mb=max(figure.mb for figure in measured),
    )


def _in_a_process(name: str, *, repository: Path, commits: list[str]) -> tuple[dict[str, Figure], bool]:
    """Return the figures, and whether nobody else seemed to use the core meanwhile."""
    was_quiet = _is_quiet()
    found = _call("--case", name, "--folder", str(repository), *commits)
    return {each: Figure(**figure) for each, figure in found.items()}, was_quiet and _is_quiet()


def _is_quiet() -> bool:
    wall, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < _PROBE_S:
        pass
    return (time.process_time() - cpu) / (time.perf_counter() - wall) > _QUIET


def _call(*arguments: str) -> Any:  # noqa: ANN401  # JSON, of the shape that the same file writes
    """Return what a process of its own answers: a small parent leaves nothing of itself in a child's peak."""
    command = [sys.executable, "-m", "benchmarks.repo", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=_DEADLINE_S)
    return json.loads(done.stdout)


def _make(repository: Path, *, nodes: int, every: int = EVERY_MANY) -> list[str]:
    files = dict(state_files(nodes, every=every))
    repository.parent.mkdir(exist_ok=True)
    key, files[ALLOWED_SIGNERS] = make_signer(repository.parent, files[ALLOWED_SIGNERS])
    first = make_repository(repository, files.items())
    numbers = [place * nodes // CHANGED for place in range(CHANGED)]
    some_nodes = {node_path(number): node_file(number, cleared=1) for number in numbers}
    paths = [path for path in files if "/enclaves/" in path]
    some_enclaves = {
        path: files[path] + b"  priority: 7\n" for path in paths[:: max(1, len(paths) // CHANGED)][:CHANGED]
    }
    changed = [add_commit(repository, some, parent=first) for some in (some_nodes, some_enclaves)]
    return [first, *changed, signed_commit(repository, key=key, like=changed[0], parent=first)]


def _tell(case: Case, *, nodes: int, figure: Figure, reference: Figure, is_quiet: bool) -> bool:
    bars = []
    is_reached = True
    seconds, which = (figure.wall, "wall") if is_quiet else (figure.cpu, "cpu")
    if nodes == BARRED and case.bar_s is not None:
        is_reached = seconds < case.bar_s
        bars.append(f"{case.bar_s:g} s {which}")
    if nodes == BARRED and case.bar_mb is not None:
        is_reached = is_reached and figure.mb < case.bar_mb
        bars.append(f"{case.bar_mb:,.0f} MB")
    verdict = f"{', '.join(bars)}: {'reached' if is_reached else 'NOT reached'}" if bars else ""
    ratio = figure.cpu / reference.cpu if reference.cpu else 0
    print(
        f"{nodes:>8,}  {case.label:<44}{figure.cpu:>9.3f}{figure.wall:>9.3f}{figure.mb:>8,.0f}{ratio:>9.2f}  {verdict}",
        flush=True,
    )
    return is_reached


def compare(sizes: list[int]) -> bool:
    """Make repositories of ``sizes`` nodes, measure every case, print the table; return whether bars are reached."""
    print(f"Python {sys.version.split()[0]}, one core; seconds of the processor, seconds that passed, peak megabytes,")
    print("and the processor seconds as a multiple of the reference's. A bar says by which seconds it is judged: those")
    print("that passed (wall) where nobody else used the core just before and after, otherwise the processor's (cpu).")
    print(f"{'nodes':>8}  {'case':<44}{'cpu s':>9}{'wall s':>9}{'MB':>8}{'x git':>9}  bar")
    reached = True
    for nodes in sizes:
        with tempfile.TemporaryDirectory(prefix="ringfence-bench-") as folder:
            reached &= _compare(nodes, folder=Path(folder))
    return reached


def _compare(nodes: int, *, folder: Path) -> bool:
    reached = True
    reference: Figure | None = None
    for every in (EVERY_MANY, EVERY_FEW):
        repository = folder / str(every) / "state.git"
        commits = _call("--make", str(nodes), "--every", str(every), "--folder", str(repository))
        alone = [(case.name, (case,)) for case in _ASKED if every == EVERY_MANY]
        for name, cases in (*alone, ("loop", _IN_A_LOOP)):
            if name == "loop":
                print(f"{nodes:>8,}  running loop, {members(nodes, every=every):,} of the nodes members that serve:")
            found, is_quiet = _in_a_process(name, repository=repository, commits=commits)
            reference = reference or found["git"]
            for case in cases:
                figure = found[case.name]
                reached &= _tell(case, nodes=nodes, figure=figure, reference=reference, is_quiet=is_quiet)
    return reached


def main() -> int:
    """Measure and print; return 1 if a bar is not reached and ``--strict`` was given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commits", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--make", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--every", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of nodes, with commas between them")
    parser.add_argument("--core", type=int, help="the last one by default")
    parser.add_argument("--strict", action="store_true", help="end with 1 if a bar is not reached")
    asked = parser.parse_args()
    if asked.make:
        print(json.dumps(_make(asked.folder, nodes=asked.make, every=asked.every)))
        return 0
    if asked.case:
        found = measure(asked.case, repository=asked.folder, commits=asked.commits)
        print(json.dumps({name: vars(figure) for name, figure in found.items()}))
        return 0
    # Every process that is started from here inherits the core.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if asked.core is None else asked.core})
    is_reached = compare([int(size) for size in asked.sizes.split(",")])
    return int(asked.strict and not is_reached)


if __name__ == "__main__":
    sys.exit(main())
