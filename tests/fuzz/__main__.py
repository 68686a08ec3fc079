"""Fuzz targets for a while: ``make fuzz [SECONDS=600] [TARGET=eventlog]``.

Exit code 0: nothing was found; 1: a finding, whose input was kept. Each target has a process of its own, whose memory
is limited, so that what OpenSSL or Python's own C code allocates, and no measurement sees, is bounded as well.
(CPython's tracemalloc keeps a little each time that it is started: millions of times would look like a leak of ours.)
"""

# ruff: noqa: T201  # a script, not a package; it prints what it did

from __future__ import annotations

import argparse
import resource
import secrets
import subprocess
import sys
from pathlib import Path

from tests.fuzz.harness import FindingError, attempt, fuzz
from tests.fuzz.targets import TARGETS

ADDRESS_SPACE = 2 << 30
"""What the process may map, in bytes."""


def main() -> int:
    """Fuzz what is named, or everything; or try one kept input again."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the verifier's parsers.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=600, help="how long for each target (600)")
    parser.add_argument("--seed", default="", help="repeat the run with this seed; a new one by default")
    parser.add_argument("--input", type=Path, help="try this file on the targets, and nothing else")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    chosen = asked.targets or list(TARGETS)
    if asked.input is not None:
        return _again(chosen, data=asked.input.read_bytes())
    seed = asked.seed or secrets.token_hex(4)
    if len(chosen) == 1:
        return _fuzz(chosen[0], seed=seed, seconds=asked.seconds)
    print(f"seed {seed}, {asked.seconds:.0f} s for each target", flush=True)
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", str(asked.seconds), "--seed", seed]
    codes = [
        subprocess.run([*command, name], check=False, timeout=2 * asked.seconds + 120).returncode for name in chosen
    ]
    return int(any(codes))


def _again(names: list[str], *, data: bytes) -> int:
    for name in names:
        target = TARGETS[name]
        attempt(target, b"".join(target.seeds[:1]))  # So that caches are warm, as they were.
        print(f"{name}: {attempt(target, data)}")
    return 0


def _fuzz(name: str, *, seed: str, seconds: float) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    try:
        print(f"{name}: {fuzz(TARGETS[name], seed=seed, seconds=seconds)}; seed {seed}", flush=True)
    except FindingError as finding:
        print(f"FOUND {finding}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
