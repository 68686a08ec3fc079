"""A bundle is checked by hand exactly as the documentation says, with programs that know nothing of Ringfence."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.evidence_commands import app as evidence
from tests.support.estate import estate
from tests.support.sites import EnclaveShape, site
from tests.support.told import told

TOP = Path(__file__).parents[3]
PAGE = (TOP / "docs" / "evidence-bundles.md").read_text(encoding="utf-8")
NEEDED = ("tar", "sha256sum", "jq", "openssl", "git", "base64", "sed")
SHARED = ("NoteForged", "NoteUntrusted", "GateSkipped", "IllegalPhaseStep", "BlobMissing", "ConsistencyUnproven")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(any(shutil.which(name) is None for name in NEEDED), reason="a standard tool is missing")
def test_what_the_page_tells_to_type_checks_a_bundle(tmp_path: Path) -> None:
    made = estate(tmp_path, desired=site(nodes=2, enclaves=[EnclaveShape(name="blue", count=2)]))
    made.settle(rounds=12)
    assert told(evidence, "export", "node/n1", "--out", tmp_path / "n1.bundle", "--repo", made.repo.path).code == 0
    (tmp_path / "allowed_signers").write_bytes(made.repo.allowed("alice"))
    folder = tmp_path / "empty"
    folder.mkdir()
    script = "set -eu\nexport GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1\n" + "".join(blocks("sh"))
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Signature Verified Successfully") == 2
    assert made.key.key_id.removeprefix("SHA256:") in done.stdout
    assert 'Good "git" signature for alice' in done.stderr
    assert "is another" not in done.stdout
    (program,) = blocks("python")
    script_path = folder / "merkle.py"
    script_path.write_text(program)
    ran = subprocess.run(
        [sys.executable, "-I", script_path], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert "entries stand in the signed tree of" in ran.stdout, ran.stderr


def test_every_code_of_a_bundle_is_explained() -> None:
    rooms = [TOP / "reconciler" / "evidence" / "bundle", TOP / "reconciler" / "repo"]
    sources = [*rooms[0].glob("*.py"), rooms[1] / "bundling.py", rooms[1] / "bundled_commits.py"]
    codes = {code for path in sources for code in re.findall(r'(?:reason|code)="([A-Za-z]+)"', path.read_text("utf-8"))}
    inner = {"CommitSignature", "NoSigners", "CommitUnreadable"}  # Told in words, as doubt of a commit.
    assert {code for code in (codes - inner) | set(SHARED) if f"`{code}`" not in PAGE} == set()
