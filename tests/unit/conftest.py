"""Fixtures that several rooms share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.attackrepo import AttackRepo, copy_of, make_template


@pytest.fixture(scope="session")
def attacked_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackRepo]:
    """One trusted state repository with every kind of signer."""
    yield from make_template(tmp_path_factory.mktemp("attacked"))


@pytest.fixture
def attacked(attacked_template: AttackRepo, tmp_path: Path) -> AttackRepo:
    """Return a copy of it, for one test."""
    return copy_of(attacked_template, tmp_path / "state")
