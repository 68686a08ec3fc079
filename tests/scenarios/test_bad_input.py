"""Bad input, as an operator meets it: the whole command, its exit code, and what it says on standard error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import FILES

PROJECT = Path(__file__).parents[2]
N1, N2, NET, BLUE = (
    "site/nodes/n1.yaml",
    "site/nodes/n2.yaml",
    "site/networks/blue-net.yaml",
    "tenants/blue/enclaves/blue.yaml",
)
PLACE = re.compile(r"^error: ([a-z0-9/.-]+\.yaml):([0-9]+):([0-9]+): .+ \[[A-Za-z]+\]$", re.MULTILINE)


def ringfence(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
    return subprocess.run(
        [sys.executable, "-m", "reconciler.cli.main", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(PROJECT), **environment},
    )


def write(folder: Path, *, changed: str, old: str, new: str) -> None:
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content.decode()
        if name == changed:
            assert old in text
            text = text.replace(old, new, 1)
        path.write_text(text)


MISTAKES = [
    pytest.param(N1, "  zone: east", "  zone: east\n  colour: red", "colour", id="unknown field"),
    pytest.param(BLUE, "image: worker", "image: wroker", "wroker", id="dangling reference"),
    pytest.param(N2, "52:54:00:00:03:02", "52:54:00:00:03:01", "52:54:00:00:03:01", id="duplicate MAC"),
    pytest.param(NET, "vlan: 200", "vlan: 4095", "4094", id="VLAN out of range"),
    pytest.param(N2, "port: swp2", "port: swp1", "swp1", id="port used twice"),
]


@pytest.mark.parametrize(("changed", "old", "new", "word"), MISTAKES)
def test_a_mistake_is_named_with_its_place_a_cause_and_a_hint(
    tmp_path: Path, changed: str, old: str, new: str, word: str
) -> None:
    write(tmp_path, changed=changed, old=old, new=new)
    done = ringfence("validate", "--repo", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    places = [match[1] for match in PLACE.finditer(done.stderr)]
    assert changed in places
    assert word in done.stderr
    assert "\nhint: " in done.stderr


def test_without_a_mistake_it_is_valid(tmp_path: Path) -> None:
    write(tmp_path, changed=N1, old="  zone: east", new="  zone: east")
    done = ringfence("validate", "--repo", str(tmp_path), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "valid: 2 nodes, 1 enclaves\n"


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    write(tmp_path, changed=N1, old="  zone: east", new="  zone: wast\n  colour: red")
    path = tmp_path / NET
    path.write_text(path.read_text().replace("200", "5000"))
    done = ringfence("validate", "--repo", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert {match[1] for match in PLACE.finditer(done.stderr)} >= {N1, NET}


def test_a_command_that_needs_settings_says_so(tmp_path: Path) -> None:
    write(tmp_path, changed=N1, old="  zone: east", new="  zone: east")
    done = ringfence("reconcile", "--repo", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert "error: settings" in done.stderr
    assert "hint: " in done.stderr


def test_a_folder_that_is_no_repository_is_named(tmp_path: Path) -> None:
    done = ringfence("audit", "--repo", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "\nhint: " in done.stderr


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.efi").write_bytes(b"MZ and not much more")
    done = ringfence("image", "predict", "some.efi", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: some.efi: ")


def test_missing_packages_without_root_are_named_with_the_command_that_installs_them(tmp_path: Path) -> None:
    for name, text in {"dpkg-query": "exit 1", "id": "echo 1000", "sudo": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [str(PROJECT / "bootstrap")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert done.returncode == 2
    assert "error: missing packages and no root to install them:" in done.stderr
    assert "hint: run: sudo apt-get install --no-install-recommends busybox-static" in done.stderr
