"""An auditor at a clone: questions by the command line, a report in a file, and a branch that was tampered with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from reconciler.cli.evidence import audit
from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.author import Author
from reconciler.evidence.journal import Followed, KeyRotated
from reconciler.evidence.journal_entries import journal_entries
from reconciler.evidence.overrides import overrides
from reconciler.repo.desired import load_desired
from reconciler.repo.snapshot import read_commit
from tests.support.commands import Told, is_harmless
from tests.support.estate import Estate, estate
from tests.support.sites import EnclaveShape, site
from tests.support.world_agent import Malice

DAY = "2026-03-03"
EPOCH = {"SOURCE_DATE_EPOCH": "1940659200"}


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """Return a site on which one node served and left, and one was rejected."""
    blue = EnclaveShape(name="blue", count=2)
    made = estate(tmp_path_factory.mktemp("estate"), desired=site(nodes=2, enclaves=[blue]))
    made.world.machines["n2"].malice = Malice.TAMPERED
    made.settle(rounds=16)
    made.become("main", site(nodes=2))
    made.settle(rounds=4)
    commit = made.git.head("main") or ""
    author = Author(sign=made.key.sign, key_id=made.key.key_id, commit=commit, tree=made.git.tree_of(commit))
    standing = overrides(None, load_desired(read_commit(made.git, commit)))
    followed = Followed(commit=commit, tree=author.tree, is_compared=False, overrides=standing)
    rotated = KeyRotated(name="common", after=2, why="a node that knew it left")
    entries, _ = journal_entries(None, [followed, rotated], author=author, at=made.world.clock.now())
    made.ledger.append(entries)
    return made


def ask(asked: Estate, *words: str | Path, environment: dict[str, str] | None = None) -> Told:
    app = typer.Typer()
    app.command()(audit)
    result = CliRunner().invoke(app, ["--repo", str(asked.repo.path), *map(str, words)], env=environment)
    error = result.exception
    if isinstance(error, RingfenceError):
        return Told(code=error.exit_code, out=result.stdout, err=f"{error.message} ({error.hint})")
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return Told(code=result.exit_code, out=result.stdout, err=result.stderr)


def tampered(asked: Estate, folder: Path) -> Estate:
    """Return a copy in which somebody who has the evidence key took a record away."""
    made = asked.copy(folder)
    made.repo.keys = {**made.repo.keys, "evidence": asked.repo.path.parent / "evidence-key"}
    tip = made.git.head("evidence") or ""
    (path, *_) = [entry.path for entry in made.git.files(tip, under="statements/") if b"n1-3" in entry.path]
    made.repo.point("evidence", made.repo.commit({path: None}, signer="evidence", parents=[tip]))
    return made


def test_without_a_question_only_the_audit_is_told(audited: Estate) -> None:
    told = ask(audited)
    assert (told.code, told.out.splitlines()[-1]) == (0, "everything holds")
    assert "question" not in ask(audited, "-o", "json").document


def test_a_moment_is_answered_after_the_audit(audited: Estate) -> None:
    told = ask(audited, "--at", f"{DAY} 12:01:30")
    before, _, after = told.out.partition("everything holds")
    assert "verdicts computed again" in before
    assert "enclave blue, 1 member:" in after
    assert "rejected, 1 node:" in after
    assert is_harmless(told.out)


def test_json_has_the_audit_the_question_and_the_answer(audited: Estate) -> None:
    found = ask(audited, "--at", f"{DAY}T12:01:30Z", "--enclave", "blue", "-o", "json").document
    assert (found["flaws"], found["question"]["at"]) == ([], "2026-03-03T12:01:30Z")
    one = {node["node"]: node for node in found["answer"]["nodes"]}["n1"]
    assert (one["standing"], one["imageName"], one["keys"][0]["name"]) == ("member", "worker", "common")
    assert one["lastProof"]["evidence"]["ekCertificate"]["subject"] == "CN=EK of n1"


def test_a_day_is_answered_with_who_was_in_which_enclave(audited: Estate) -> None:
    found = ask(audited, "--between", DAY, DAY, "-o", "json").document["answer"]
    (blue,) = found["enclaves"]
    assert (blue["name"], [member["node"] for member in blue["members"]]) == ("blue", ["n1"])
    assert blue["members"][0]["endedBy"][-1] == "returned"
    assert [node["name"] for node in found["nodes"]] == ["n1", "n2"]
    assert {event["event"] for entry in found["journal"] for event in entry["events"]} == {"followed", "key-rotated"}


def test_what_happened_under_a_commit_is_told_by_the_beginning_of_its_id(audited: Estate) -> None:
    first, second = [step for step, _ in audited.git.first_parents(audited.git.head("main") or "", past=None)]
    told = ask(audited, "--commit", second[:8])
    assert second[:12] in told.out
    assert "returned" in told.out
    assert first[:12] not in told.out.partition("desired states:")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--at", "yesterday"), "is no time"),
        (("--at", DAY), "is a day, not a moment"),
        (("--between", "2026-03-04", DAY), "is no span of time"),
        (("--at", f"{DAY}T12:00Z", "--between", DAY, DAY), "two questions"),
        (("--node", "n9"), "on record are: n1, n2"),
        (("--enclave", "red"), "on record are: blue"),
        (("--commit", "0000"), "no record names it"),
    ],
)
def test_a_question_that_cannot_be_answered_is_an_error(audited: Estate, words: tuple[str, ...], said: str) -> None:
    told = ask(audited, *words)
    assert told.code == 2
    assert said in told.err


def test_a_report_is_written_whole_and_the_same_each_time(audited: Estate, tmp_path: Path) -> None:
    paths = [tmp_path / "one.html", tmp_path / "two.html"]
    for path in paths:
        told = ask(audited, "--report", path, environment=EPOCH)
        assert (told.code, told.out.splitlines()[-1]) == (0, "everything holds")
    one, two = (path.read_text(encoding="utf-8") for path in paths)
    assert one == two
    assert sorted(tmp_path.iterdir()) == paths
    assert "2031-07-01 08:00:00" in one
    assert "Signed by</dt><dd>operator@example.org (SHA256:" in one
    assert "Tree head signed by</dt><dd>ringfence/evidence (SHA256:" in one
    assert (audited.git.head("evidence") or "?") in one


def test_a_report_about_a_moment_comes_with_the_answer(audited: Estate, tmp_path: Path) -> None:
    told = ask(audited, "--at", f"{DAY}T12:01:30Z", "--report", tmp_path / "r.html")
    assert "enclave blue, 1 member:" in told.out
    assert "Where each node stood at 2026-03-03 12:01:30 UTC" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [("--at", f"{DAY} 12:01:30"), ("--node", "n9"), ("--between", DAY, DAY)])
def test_a_branch_with_flaws_says_so_first_and_exits_3(audited: Estate, tmp_path: Path, words: tuple[str, ...]) -> None:
    bad = tampered(audited, tmp_path)
    told = ask(bad, *words, "--report", tmp_path / "r.html")
    assert told.code == 3
    assert told.out.startswith(("broken: ", "forbidden: "))
    assert ask(bad, *words, "-o", "json").document["flaws"]
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.index("✗") < page.index('id="audited"')


def test_a_report_that_cannot_be_written_is_an_error(audited: Estate, tmp_path: Path) -> None:
    told = ask(audited, "--report", tmp_path / "nowhere" / "r.html")
    assert (told.code, "cannot be written" in told.err) == (2, True)
    assert ask(audited, "--report", tmp_path / "r.html", environment={"SOURCE_DATE_EPOCH": "today"}).code == 2


def test_the_json_of_an_answer_is_json(audited: Estate) -> None:
    assert json.loads(ask(audited, "--node", "n2", "-o", "json").out)["question"]["node"] == "n2"
