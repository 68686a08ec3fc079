"""A suggested policy is one that the repository reads, and that the boot it came from satisfies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reconciler.attest.eventlog.log import replay_log
from reconciler.attest.facts.assertions import check_facts
from reconciler.attest.facts.collect import collect_facts
from reconciler.cli.policy import app
from reconciler.errors.taxonomy import InputError
from reconciler.model.families import Family
from reconciler.model.kinds import AppraisalPolicy
from reconciler.repo.documents import parse_documents

LOG = Path(__file__).parents[1] / "attest/eventlog/data/ovmf-uki.eventlog"


@pytest.mark.parametrize("words", [[], ["--everything"]])
def test_the_boot_that_a_policy_was_suggested_by_satisfies_it(words: list[str]) -> None:
    done = CliRunner().invoke(app, ["suggest", str(LOG), "--name", "good", *words])
    assert done.exit_code == 0, done.output
    (raw,), findings = parse_documents(done.output.encode(), path="policies/good.yaml")
    assert list(findings) == []
    policy = AppraisalPolicy.model_validate_json(json.dumps(raw.value))
    replayed = replay_log(LOG.read_bytes(), bank="sha256")
    facts = collect_facts(replayed, family=Family.UEFI, quoted=policy.spec.pcrs, bank="sha256")
    asserted = {assertion.fact for assertion in policy.spec.facts}
    assert {"secureBoot", "firmwareBlobs"} <= asserted
    assert ("bootApplications" in asserted) == (words != [])
    assert list(check_facts(facts, policy.spec.facts)) == []


@pytest.mark.parametrize("words", [["absent.log"], [str(LOG), "--family", "bios"], [__file__]])
def test_what_is_no_log_is_told(words: list[str]) -> None:
    done = CliRunner().invoke(app, ["suggest", *words])
    assert isinstance(done.exception, InputError)
    assert done.exception.hint
