"""What a command needs not, it does not import: starting a process is most of what a quick command costs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("cryptography", "git", "networkx", "netmiko", "paramiko", "pydantic", "pyghmi", "requests", "ruamel")
HEAVY += ("starlette", "sushy", "uvicorn")
_DEADLINE_S = 60


def _imported(program: str) -> set[str]:
    """Return which of the heavy packages a process of its own has imported after ``program``."""
    shown = f"{program}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", shown], check=True, capture_output=True, text=True, timeout=_DEADLINE_S
    )
    return {module.split(".")[0] for module in done.stdout.split()}.intersection(HEAVY)


def test_putting_the_commands_together_imports_no_heavy_library() -> None:
    assert _imported("from reconciler.cli import main; main._assemble()") == set()


def test_an_unchanged_repository_is_found_valid_without_a_heavy_library() -> None:
    modules = "reconciler.repo.cache, reconciler.repo.git, reconciler.repo.valid, reconciler.cli.error_text"
    assert _imported(f"import {modules}") == set()
