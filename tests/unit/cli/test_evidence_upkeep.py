"""The command that joins packs: it says what it did, and nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from reconciler.cli.evidence_commands import app
from tests.support.gitrepo import GitRepo
from tests.support.plain_entries import plain_entry, plain_ledger


def test_pack_joins_what_was_written_and_says_so(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    writer = plain_ledger(repo)
    for sequence in range(1, 6):
        writer.append([plain_entry("n1", sequence)])
    done = CliRunner().invoke(app, ["pack", "--repo", str(repo.path)])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("1 packs, ")
    assert plain_ledger(repo).heads()["n1"].sequence == 5
    repo.git("fsck", "--strict")
