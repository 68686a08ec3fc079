"""``plan --base --head``: real commits, a real evidence branch, a simulated site behind it, and what people read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from reconciler.cli import planning
from reconciler.cli.error_text import error_lines
from reconciler.cli.proposal import Proposal, in_force, propose
from reconciler.cli.proposal_report import headline, report_of
from reconciler.cli.report import to_markdown, to_text
from reconciler.errors.taxonomy import InputError, RingfenceError, TrustError
from reconciler.model.facts import FactAssertion
from reconciler.plan.pin import parse_pin
from reconciler.plan.recorded import record_of
from tests.support.commands import Told
from tests.support.estate import Estate, documents_of, estate
from tests.support.sites import EnclaveShape, site

GOLDEN = Path(__file__).parent / "golden" / "proposal.md"
PAGE = Path(__file__).parents[3] / "docs" / "pull-requests.md"
BLUE = EnclaveShape(name="blue", count=2)
GREEN = EnclaveShape(name="green", names=("n4",), keys=("disk",))
BASE = site(nodes=5, enclaves=[BLUE, GREEN])
LATER = timedelta(minutes=4)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    made = estate(tmp_path_factory.mktemp("template"), desired=BASE)
    made.settle()
    return made


@pytest.fixture
def settled(template: Estate, tmp_path: Path) -> Estate:
    """Return a repository of the test's own; the site is shared, and only looked at."""
    return template.copy(tmp_path)


def _proposal(found: Estate, *, head: str = "feature", base: str = "main", later: timedelta = LATER) -> Proposal:
    now = found.world.clock.now() + later
    return propose(found.git, base=in_force(found.git, base), head=head, now=now, seen=None)


def _less_blue_and_another_image(found: Estate, *, signer: str | None = "alice") -> None:
    """Commit to ``feature`` what the golden report is about."""
    shapes = [replace(BLUE, count=1), GREEN, EnclaveShape(name="red", names=("n5",), policy="pinned")]
    files = documents_of(site(nodes=5, enclaves=shapes))
    files["images/worker-2.yaml"] = documents_of(site(nodes=1, measured="again"))["images/worker-2.yaml"]
    green = GREEN.name
    enclave = json.loads(files[f"tenants/acme/enclaves/{green}.yaml"])
    enclave["spec"]["image"] = "worker-2"
    files[f"tenants/acme/enclaves/{green}.yaml"] = json.dumps(enclave).encode()
    found.commit("feature", files, signer=signer)


def _main_wants_more(found: Estate) -> None:
    """Commit to ``main`` what nobody has carried out yet, under a branch that is merged later."""
    files = documents_of(site(nodes=5, enclaves=[replace(BLUE, count=2), replace(GREEN, names=("n3", "n4"))]))
    found.commit("main", {"tenants/acme/enclaves/green.yaml": files["tenants/acme/enclaves/green.yaml"]})


def _normal(text: str) -> str:
    return re.sub(r"`[0-9a-f]{12}`", "`0123456789ab`", text)


def test_a_proposal_as_markdown_is_as_it_was_looked_at(settled: Estate) -> None:
    _less_blue_and_another_image(settled)
    text = _normal(to_markdown(report_of(_proposal(settled))))
    assert text == GOLDEN.read_text()
    shown = text.split("<details><summary>Steps", maxsplit=1)[0].rstrip()
    assert f"```markdown\n{shown}\n```" in PAGE.read_text(), "the page shows another report"


def test_what_the_change_does_is_told_from_what_is_pending(settled: Estate) -> None:
    _main_wants_more(settled)
    settled.become("feature", site(nodes=5, enclaves=[BLUE, replace(GREEN, names=("n3", "n4", "n5"))]))
    found = _proposal(settled)
    assert (set(found.change.new.nodes), set(found.change.pending.nodes)) == ({"n5"}, {"n3"})
    text = to_markdown(report_of(found))
    assert "**1 node joins; 1 port changes VLAN.** 1 node more has steps pending already." in text
    assert "<details><summary>Pending on main already (1)</summary>" in text


def test_a_branch_that_fell_behind_is_planned_as_merged(settled: Estate) -> None:
    head = documents_of(site(nodes=5, enclaves=[replace(BLUE, count=1), GREEN]))
    settled.commit("feature", {"tenants/acme/enclaves/blue.yaml": head["tenants/acme/enclaves/blue.yaml"]})
    _main_wants_more(settled)
    found = _proposal(settled)
    assert found.behind == 1
    assert set(found.change.new.nodes) == {"n2"}, "what main asks for meanwhile is not taken back"
    assert set(found.change.pending.nodes) == {"n3"}
    assert found.refusals == ()
    branches = settled.repo.git("for-each-ref", "--format=%(refname:short)")
    assert branches.split() == ["evidence", "feature", "main"]


def test_a_branch_that_does_not_merge_is_refused(settled: Estate) -> None:
    path = "tenants/acme/enclaves/blue.yaml"
    for branch, count in (("feature", 1), ("main", 3)):
        settled.commit(branch, {path: documents_of(site(nodes=5, enclaves=[replace(BLUE, count=count)]))[path]})
    with pytest.raises(InputError) as caught:
        _proposal(settled)
    assert caught.value.reason == "MergeConflict"


def test_commits_that_would_not_be_followed_are_told_and_planned_all_the_same(settled: Estate) -> None:
    _less_blue_and_another_image(settled, signer=None)
    found = _proposal(settled)
    assert [error.reason for error in found.refusals] == ["UnsignedCommit"]
    assert found.change.new.nodes
    assert "Would not be followed as it stands: UnsignedCommit" in to_text(report_of(found))


def test_foreign_words_are_shown_as_code(settled: Estate) -> None:
    _less_blue_and_another_image(settled, signer=None)
    text = to_markdown(report_of(_proposal(settled)))
    assert re.search(r"UnsignedCommit: `commit [0-9a-f]{12}: by Test <test@localhost> is not signed`", text)


def test_running_nodes_that_a_policy_would_reject_are_named_with_the_reason(settled: Estate) -> None:
    policy = BASE.policies["measured-boot"]
    strict = policy.spec.model_copy(update={"facts": (FactAssertion(fact="secureBoot", equals=True),)})
    changed = replace(BASE, policies={**BASE.policies, "measured-boot": policy.model_copy(update={"spec": strict})})
    settled.become("feature", changed)
    found = _proposal(settled)
    assert [(outlook.node, outlook.fate.value) for outlook in found.outlooks] == [
        ("n1", "rejected"),
        ("n2", "rejected"),
        ("n4", "rejected"),
    ]
    assert headline(found) == "3 nodes would be REJECTED."
    assert "FactMismatch" in to_text(report_of(found))


def test_documents_that_change_nothing_change_nothing(settled: Estate) -> None:
    label = json.loads(documents_of(BASE)["site/nodes/n5.yaml"])
    label["metadata"]["labels"]["rack"] = "r1"
    settled.commit("feature", {"site/nodes/n5.yaml": json.dumps(label).encode()})
    found = _proposal(settled)
    assert found.change.is_empty()
    assert headline(found) == "Nothing changes on the hardware."


def test_a_change_that_takes_back_what_is_pending_says_so(settled: Estate) -> None:
    _main_wants_more(settled)
    settled.become("feature", BASE)
    found = _proposal(settled)
    assert set(found.change.dropped.nodes) == {"n3"}
    assert headline(found) == "Less is done than is due now."
    assert "No longer done, if this is merged" in to_markdown(report_of(found))


def test_a_node_that_is_new_in_the_inventory_joins_and_is_not_seen_yet(settled: Estate) -> None:
    shapes = [BLUE, replace(GREEN, names=("n4", "n6"))]
    settled.become("feature", site(nodes=6, enclaves=shapes))
    found = _proposal(settled)
    assert found.unseen == ("n6",)
    assert found.change.new.nodes["n6"].held == "its power state is not known"
    assert "Not seen yet, so nothing is planned for it: n6" in to_text(report_of(found))


def test_an_old_record_is_warned_of(settled: Estate) -> None:
    settled.become("feature", BASE)
    text = to_text(report_of(_proposal(settled, later=timedelta(days=3))))
    assert "as seen 3 days ago (2026-03-0" in text
    assert "The record is old: is the reconciler running" in text


def test_a_node_that_moved_since_is_warned_of(settled: Estate) -> None:
    settled.become("feature", BASE)
    ground = in_force(settled.git, "main")
    draft = settled.engine.draft(settled.world.desired)
    old = record_of(draft.observed, desired=draft.desired)
    old = old.model_copy(update={"observed_at": old.observed_at - timedelta(hours=2)})
    heads = {name: seen.head for name, seen in draft.observed.nodes.items() if seen.head}
    found = propose(settled.git, base=ground, head="feature", now=settled.world.clock.now(), seen=(old, heads))
    assert found.moved == ("n1", "n2", "n4")
    assert "Brought somewhere else since" in to_text(report_of(found))


def test_without_an_evidence_branch_everything_is_unseen(tmp_path: Path) -> None:
    made = estate(tmp_path, desired=BASE)
    made.become("feature", site(nodes=5, enclaves=[BLUE]))
    found = _proposal(made)
    assert found.is_blind
    assert set(found.change.dropped.nodes) == {"n4"}
    assert "There is no recorded observation in this clone" in to_markdown(report_of(found))
    assert "Nothing was ever seen of this site." in to_text(report_of(found))


def test_an_evidence_branch_by_a_stranger_is_not_believed(settled: Estate) -> None:
    settled.become("feature", BASE)
    settled.commit("evidence", {"observation.json": b"{}"}, signer="mallory")
    with pytest.raises(TrustError) as caught:
        _proposal(settled)
    assert caught.value.reason == "EvidenceForeign"


def test_a_base_whose_head_is_not_followed_is_planned_from_what_is_in_force(settled: Estate) -> None:
    settled.commit("main", {"site/nodes/n1.yaml": b"kind: Nothing"})
    settled.become("feature", site(nodes=5, enclaves=[BLUE]))
    found = _proposal(settled)
    assert set(found.change.new.nodes) == {"n4"}
    assert "Not in force on main" in to_text(report_of(found))


def test_a_base_that_nobody_may_have_signed_is_shown_as_it_is(tmp_path: Path) -> None:
    made = estate(tmp_path, desired=BASE)
    root = made.repo.commit(
        {**documents_of(BASE), "trust/allowed_signers": made.repo.allowed("bob", "carol")}, signer=None
    )
    made.repo.point("stranger", root)
    with pytest.raises(RingfenceError):
        in_force(made.git, "stranger")
    files = documents_of(BASE)
    signers = made.repo.git("show", "main:trust/allowed_signers").encode()
    made.repo.point("stranger", made.repo.commit({**files, "trust/allowed_signers": signers}, signer=None))
    ground = in_force(made.git, "stranger")
    assert [error.reason for error in ground.refusals] == ["UnsignedCommit"]


# The command.

APP = Typer(pretty_exceptions_enable=False)
APP.command()(planning.plan)


def _plan(found: Estate, *words: str) -> Told:
    result = CliRunner().invoke(APP, ["--repo", str(found.repo.path), *words], env={"RINGFENCE_SETTINGS": ""})
    error = result.exception
    if isinstance(error, RingfenceError):
        return Told(code=error.exit_code, out=result.stdout, err="\n".join(error_lines(error)))
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return Told(code=result.exit_code, out=result.stdout, err=result.stderr)


def test_the_plan_of_what_is_in_force_is_made_from_the_record_without_settings(settled: Estate) -> None:
    told = _plan(settled)
    assert (told.code, told.err) == (0, "")
    assert "nothing to do" in told.out
    assert re.search(r"the site as seen \d+ days ago \(2026-03-03T12:02:00Z\); members whose recorded proof", told.out)
    assert "warning: the record is old" in told.out
    assert json.loads(_plan(settled, "-o", "json").out)["observed"]["how"] == "recorded"


def test_exit_codes_with_and_without_the_flag(settled: Estate) -> None:
    settled.become("feature", site(nodes=5, enclaves=[BLUE]))
    change, nothing = ("--head", "feature"), ("--base", "main", "--head", "main")
    assert [_plan(settled, *words).code for words in (change, nothing)] == [0, 0]
    flag = "--detailed-exitcode"
    assert [_plan(settled, *words, flag).code for words in (change, nothing, ())] == [2, 0, 0]
    missing = ("--head", "nowhere")
    assert (_plan(settled, *missing).code, _plan(settled, *missing, flag).code) == (2, 1)
    settled.commit("broken", {"site/nodes/n1.yaml": b"kind: Nothing"})
    assert (_plan(settled, "--head", "broken").code, _plan(settled, "--head", "broken", flag).code) == (2, 1)
    settled.commit("main", {"x": b"y"}, signer="mallory")
    assert (_plan(settled).code, _plan(settled, flag).code) == (3, 1)


def test_findings_of_the_head_are_shown_in_the_comment_and_on_standard_error(settled: Estate, tmp_path: Path) -> None:
    settled.commit("feature", {"site/nodes/n1.yaml": b"kind: Nothing"})
    told = _plan(settled, "--head", "feature", "-o", "markdown", "--out", str(tmp_path / "plan.json"))
    assert told.code == 2
    assert "**Not valid: " in told.out
    assert "| `site/nodes/n1.yaml" in told.out
    assert "error: site/nodes/n1.yaml" in told.err
    assert not (tmp_path / "plan.json").exists()
    assert json.loads(_plan(settled, "--head", "feature", "-o", "json").out)["findings"]


def test_the_written_plan_is_a_pin_of_the_merge_and_its_observation(tmp_path: Path) -> None:
    settled = estate(tmp_path, desired=BASE)
    settled.settle()
    _less_blue_and_another_image(settled)
    file = tmp_path / "plan.json"
    told = _plan(settled, "--base", "main", "--head", "feature", "--out", str(file), "-o", "json")
    document = json.loads(file.read_text())
    assert document["summary"].startswith("1 node joins; 1 node leaves; 1 node restarts;")
    assert json.loads(told.out)["changes"] == document["changes"]
    pin = parse_pin(document)
    settled.repo.point("main", settled.repo.git("rev-parse", "feature"))
    settled.world.trust(in_force(settled.git, "main").desired)
    settled.world.start_process()
    draft = settled.engine.draft(settled.world.desired)
    assert draft.plan.commit != document["commit"] or draft.desired.tree == document["tree"]
    pin.check_first(draft.plan, tree=draft.desired.tree)


def test_a_clone_that_knows_origin_only_will_do(settled: Estate, tmp_path: Path) -> None:
    _less_blue_and_another_image(settled)
    settled.repo.git("clone", "-q", str(settled.repo.path), str(tmp_path / "clone"), cwd=tmp_path)
    clone = Estate(repo=settled.repo, world=settled.world, key=settled.key)
    clone.repo.path = tmp_path / "clone"
    clone.repo.git("checkout", "-q", "--detach", "origin/feature")
    clone.repo.git("branch", "-q", "-D", "main")
    told = _plan(clone, "--base", "main", "--head", "HEAD")
    assert told.code == 0
    assert "as seen " in told.out


def test_looking_without_settings_says_what_is_missing(settled: Estate) -> None:
    told = _plan(settled, "--live")
    assert told.code == 2
    assert "settings: are not named" in told.err


def test_without_a_record_the_plan_of_what_is_in_force_needs_a_look(tmp_path: Path) -> None:
    told = _plan(estate(tmp_path, desired=BASE))
    assert told.code == 2
    assert "observation: none is recorded in this clone" in told.err


def test_a_key_that_is_too_old_by_the_change_is_told_with_its_age(settled: Estate) -> None:
    settled.become("feature", site(nodes=5, enclaves=[BLUE, GREEN], rotation="30d"))
    assert headline(_proposal(settled)) == "Nothing changes on the hardware."
    found = _proposal(settled, later=timedelta(days=31))
    old = "because it is 31 days old; its rotation is 30 days"
    assert headline(found) == f"Key common is rotated, {old}; key disk is rotated, {old}."
    rows = [line for line in to_markdown(report_of(found)).splitlines() if line.startswith("| common")]
    assert [cell.strip() for cell in rows[0].strip("|").split("|")][3] == "-", "nobody is shut out"
