"""Fuzz targets for a while: ``make fuzz [SECONDS=600] [TARGET=eventlog]``.

Exit code 0: nothing was found; 1: a finding, whose input was kept. The memory of the process is limited, so that what
OpenSSL or Python's own C code allocates, and no measurement sees, is bounded as well.
"""

# ruff: noqa: T201  # a script, not a package; it prints what it did

from __future__ import annotations

import argparse
import resource
import secrets
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
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    chosen = [TARGETS[name] for name in asked.targets or TARGETS]
    if asked.input is not None:
        for target in chosen:
            attempt(target, b"".join(target.seeds[:1]))  # So that caches are warm, as they were.
            print(f"{target.name}: {attempt(target, asked.input.read_bytes())}")
        return 0
    seed, found = asked.seed or secrets.token_hex(4), 0
    print(f"seed {seed}, {asked.seconds:.0f} s for each target", flush=True)
    for target in chosen:
        try:
            print(f"{target.name}: {fuzz(target, seed=seed, seconds=asked.seconds)}", flush=True)
        except FindingError as finding:
            print(f"FOUND {finding}", flush=True)
            found += 1
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
