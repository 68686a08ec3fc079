"""An audit of a branch that began a year anew: it goes on from what the year before ended with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.cli.auditing import run_audit
from reconciler.repo.ledger import GitLedger
from reconciler.repo.signers import AllowedSigners
from tests.support.estate import Estate, estate
from tests.support.sites import EnclaveShape, site


def test_a_year_that_was_opened_by_right_goes_on_from_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = estate(tmp_path, desired=site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1)]))
    made.settle()
    year = datetime.now(UTC).year + 1

    def next_year(self: Estate) -> GitLedger:
        nobody = AllowedSigners(signers=())
        return GitLedger(
            self.git, branch="evidence", key=self.key, signers=nobody, now=lambda: datetime(year, 1, 1, 1, tzinfo=UTC)
        )

    monkeypatch.setattr(Estate, "ledger", property(next_year))
    made.settle(rounds=8)
    assert "opening.json" in made.repo.git("ls-tree", "-r", "--name-only", "evidence")
    with run_audit(made.git) as audited:
        assert audited.findings.flaws == []
        assert audited.findings.records > 0
