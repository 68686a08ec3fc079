"""What an operator holds back, lets go or forgives, between two states."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.evidence.overrides import overrides
from reconciler.model.desired import DesiredState
from reconciler.model.drift import Fights
from reconciler.model.guards import Disruption, Freeze, Limits, MaintenanceWindow
from reconciler.model.kinds import TrustSpec
from tests.support.sites import EnclaveShape, NodeShape, site

NIGHT = MaintenanceWindow(days=("sat", "sun"), start="22:00", duration=timedelta(hours=4))
BASE = site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1)])


def _repository(**changes: Any) -> DesiredState:  # noqa: ANN401 - RepositorySpec's own fields
    repository = BASE.repository
    return replace(BASE, repository=repository.model_copy(update={"spec": repository.spec.model_copy(update=changes)}))


def _enclave(**changes: Any) -> DesiredState:  # noqa: ANN401 - EnclaveSpec's own fields
    blue = BASE.enclaves["blue"]
    return replace(BASE, enclaves={"blue": blue.model_copy(update={"spec": blue.spec.model_copy(update=changes)})})


def _told(before: DesiredState | None, after: DesiredState) -> list[tuple[str, str, str | None, str | None]]:
    return [(found.what, found.subject, found.before, found.after) for found in overrides(before, after)]


def test_equal_states_override_nothing() -> None:
    assert overrides(BASE, BASE) == ()


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (_repository(freeze=Freeze(reason="a fair")), ("freeze", "repository", None, "a fair")),
        (_repository(limits=Limits(deletions=99)), ("limits", "repository", "deletions 10", "deletions 99")),
        (_repository(maintenance=(NIGHT,)), ("windows", "repository", None, "sat,sun 22:00 for 4h")),
        (_repository(fights=Fights(limit=9)), ("fights", "repository", None, "9 within 1h")),
        (_enclave(drift="quarantine"), ("drift", "enclave/blue", None, "quarantine")),
        (
            site(nodes=[NodeShape(), NodeShape(drift="report")], enclaves=[EnclaveShape(name="blue", count=1)]),
            ("drift", "node/n2", None, "report"),
        ),
        (
            site(nodes=2, enclaves=[EnclaveShape(name="blue", count=1)], switch_drift="report"),
            ("drift", "switch/tor-1", None, "report"),
        ),
        (_enclave(suspend=True), ("suspend", "enclave/blue", None, "suspended")),
        (_enclave(disruption=Disruption(max_unavailable=2)), ("budget", "enclave/blue", None, "at most 2 missing")),
        (
            _enclave(maintenance=(NIGHT, NIGHT)),
            ("windows", "enclave/blue", None, "; ".join(["sat,sun 22:00 for 4h"] * 2)),
        ),
        (
            site(nodes=[NodeShape(), NodeShape(cleared=7)], enclaves=[EnclaveShape(name="blue", count=1)]),
            ("cleared", "node/n2", None, "up to record 7"),
        ),
    ],
)
def test_what_a_commit_holds_or_forgives_is_told_and_so_is_its_end(
    after: DesiredState, told: tuple[str, str, str | None, str | None]
) -> None:
    what, subject, was, now = told
    assert _told(BASE, after) == [told]
    assert _told(after, BASE) == [(what, subject, now, was)]


def test_deadlines_trust_and_evidence_signers_are_told() -> None:
    rules = BASE.repository.spec.trust.rules
    evidence = BASE.repository.spec.evidence.model_copy(update={"signers": ("other@example.org",)})
    after = _repository(boot_deadline=timedelta(hours=1), trust=TrustSpec(rules=(*rules, *rules)), evidence=evidence)
    assert [found[:2] for found in _told(BASE, after)] == [
        ("deadlines", "repository"),
        ("evidence", "repository"),
        ("trust", "repository"),
    ]
    assert "boot 1h, confirm" in (_told(BASE, after)[0][3] or "")


def test_without_a_state_before_everything_that_stands_is_told() -> None:
    assert {found.what for found in overrides(None, _repository(freeze=Freeze(reason="a fair")))} == {
        "freeze",
        "limits",
        "trust",
        "evidence",
        "deadlines",
    }
