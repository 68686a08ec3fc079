"""Plans and errors as people read them: hardware words, a table for a pull request, and lines for standard error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.cli.error_text import error_lines
from reconciler.cli.render import Progress, plan_markdown, plan_text
from reconciler.cli.words import describe
from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import DeviceError, Finding, InputError, TrustError
from reconciler.execute.outcome import Blocked, Done, Failed, Waiting
from reconciler.plan import actions as a
from reconciler.plan.plan import Held, Problem
from reconciler.repo.signers import AllowedSigners
from tests.support.sites import EnclaveShape, site
from tests.support.stages import Stage, at_stage

PORT = a.Port(interface="eno1", switch="tor-1", port="swp1", vlan=200)
PARKED = replace(PORT, interface="eno2", port="swp2", vlan=999)
DIGEST = "sha256:" + "5" * 64
BASE: dict[str, Any] = {"subject": "n1", "why": "test"}
BLUE: dict[str, Any] = {"enclave": "blue", "accepted": None}
PORTS = (PORT, PARKED)

WORDS: list[tuple[a.Action, str]] = [
    (a.PowerOff(**BASE), "power off (BMC 127.0.0.1:6230:623)"),
    (a.PowerOn(**BASE), "power on and boot from the network (BMC 127.0.0.1:6230:623)"),
    (
        a.Park(**BASE, ports=PORTS),
        "park switch tor-1 port swp1 → access VLAN 200, switch tor-1 port swp2 → access VLAN 999",
    ),
    (a.EnterAirlock(**BASE, ports=PORTS), "move into its airlock: switch tor-1 port swp1 → access VLAN 200"),
    (
        a.Admit(**BASE, **BLUE, ports=PORTS, keys=()),
        "admit to enclave blue: switch tor-1 port swp1 → access VLAN 200",
    ),
    (
        a.AssignImage(**BASE, enclave="blue", image="worker", digest=DIGEST, pcrs=(4,)),
        "serve image worker (sha256:555555555555…)",
    ),
    (a.RecordEvidence(**BASE, **BLUE, keys=()), "record its evidence"),
    (a.RecordEvidence(**BASE, **BLUE, keys=("a", "b")), "record its evidence, and that it gets a, b"),
    (a.ReleaseKeys(**BASE, **BLUE, keys=(), reattest_s=30), "tell it that it is trusted"),
    (
        a.ReleaseKeys(**BASE, **BLUE, keys=("a", "b"), reattest_s=30),
        "give it a, b, encrypted to the quote-bound key",
    ),
    (a.Confirm(**BASE, network="blue-net"), "see it call from inside blue-net"),
    (a.RotateKey(subject="common", why="test", past=3), "rotate past version 3"),
    (a.RecordRejection(**BASE, causes=("one", "two"), rejected=None), "record its rejection: one; two"),
    (a.Attest(**BASE), "wait for its TPM evidence"),
    (a.AskAgain(**BASE, session="s", nonce=b""), "ask for evidence under the newest commit"),
    (a.Withdraw(**BASE), "serve it no image any more"),
    (a.ReturnToPool(**BASE), "return it to the pool"),
]


@pytest.mark.parametrize(("action", "words"), WORDS, ids=[f"{i}-{action.verb}" for i, (action, _) in enumerate(WORDS)])
def test_each_action_is_told_in_hardware_words(action: a.Action, words: str) -> None:
    assert describe(action, site(nodes=1)) == words


def test_there_are_words_for_every_kind_of_action() -> None:
    assert {action.verb for action, _ in WORDS} == set(a.ACTIONS)


def test_plan_as_text_groups_by_subject_and_counts() -> None:
    draft = at_stage(Stage.FRESH).draft()
    lines = plan_text(draft.plan, draft.desired).splitlines()
    assert lines[0] == f"plan for commit {draft.desired.commit[:12]}"
    assert lines[2] == "n1: enclave blue asks for it"
    assert lines[3] == "  1. move into its airlock: switch tor-1 port swp1 → access VLAN 101"
    assert lines[-1] == "8 actions on 1 nodes"


def test_an_empty_plan_says_so() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    assert plan_text(draft.plan, draft.desired).splitlines()[-1] == "nothing to do"
    markdown = plan_markdown(draft.plan, draft.desired)
    assert "Nothing to do." in markdown
    assert "mermaid" not in markdown


def test_problems_drift_and_keys_are_told() -> None:
    runner = at_stage(Stage.MEMBER, desired=site(nodes=1, enclaves=[EnclaveShape(name="blue", count=2)]))
    runner.world.befall("power-button", node="n1")
    runner.world.trust(site(nodes=1, enclaves=[EnclaveShape(name="blue", count=2)], revision=1))
    draft = runner.draft()
    text = plan_text(draft.plan, draft.desired)
    assert "drift: node/n1 should be on, in enclave blue, and is power off, eno1 access 200" in text
    assert "problem: enclave/blue: 1 of 2 nodes: no other free node matches" in text
    assert "- problem: enclave/blue:" in plan_markdown(draft.plan, draft.desired)


def test_plan_as_markdown_has_a_table_for_each_node_and_the_graph() -> None:
    runner = at_stage(Stage.MEMBER)
    runner.world.trust(site(nodes=2, revision=1))
    draft = runner.draft()
    markdown = plan_markdown(draft.plan, draft.desired)
    assert "**n1**: enclave blue no longer asks for it" in markdown
    assert "**key common**: n1 knew it" in markdown
    assert "| 1 | `power-off/n1` | power off (BMC 127.0.0.1:6230:623) |" in markdown
    assert "```mermaid\nflowchart LR\n" in markdown
    assert markdown.count("```") == 2


def test_an_error_is_a_line_and_its_hint_another() -> None:
    error = TrustError("node r3u07", "quote not signed by the enrolled AK", reason="X", hint="look at it")
    assert error_lines(error) == ["error: node r3u07: quote not signed by the enrolled AK", "hint: look at it"]
    assert error_lines(TrustError("node n1", "no", reason="X")) == ["error: node n1: no"]


def test_findings_are_shown_where_they_are() -> None:
    findings = (
        Finding(path="a.yaml", line=3, column=7, code="Bad", message="is bad", hint="mend it"),
        Finding(path="b.yaml", code="Worse", message="is worse"),
    )
    error = InputError("repository", "2 findings", reason="Invalid", findings=findings)
    assert error_lines(error) == [
        "error: a.yaml:3:7: is bad [Bad]",
        "hint: mend it",
        "error: b.yaml: is worse [Worse]",
    ]
    assert error_lines(InputError("repository", "is empty", reason="Invalid")) == ["error: repository: is empty"]


def test_progress_tells_ends_and_says_each_wait_and_trouble_once(capsys: pytest.CaptureFixture[str]) -> None:
    draft = at_stage(Stage.FRESH).draft()
    draft = replace(draft, plan=replace(draft.plan, problems=(Problem(subject="node/n2", message="is odd"),)))
    refusal = TrustError("commit abc", "nobody signed it", reason="Unsigned")
    sight = Sight(desired=draft.desired, signers=AllowedSigners(signers=()), refusals=(refusal,))
    progress = Progress()
    action = a.Withdraw(**BASE)
    progress.action(action, Done())
    for _ in range(2):
        progress.pass_begins(sight, draft)
        progress.action(action, Waiting(what="its evidence"))
        progress.action(action, None)
        progress.action(action, Blocked(by="park/n1"))
    progress.action(action, Done())
    progress.action(action, Failed(error=DeviceError("node n1", "it refuses", reason="Refused", hint="go there")))
    said = [line.split(" s  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert said == [
        "n1             withdraw/n1",
        "error: commit abc: nobody signed it",
        "problem: node/n2: is odd",
        "n1             waiting for its evidence",
        "n1             serve it no image any more",
        "n1             FAILED: serve it no image any more",
        "error: node n1: it refuses",
        "hint: go there",
    ]


def test_what_is_held_is_told_apart_from_problems() -> None:
    draft = at_stage(Stage.FRESH).draft()
    held = Held(subject="node/n1", due="to join enclave blue", why="the repository is frozen: a fair")
    plan = replace(draft.plan, actions=(), held=(held,), drift=(), problems=())
    line = "held: node/n1 waits to join enclave blue: the repository is frozen: a fair"
    assert line in plan_text(plan, draft.desired).splitlines()
    assert f"- {line}" in plan_markdown(plan, draft.desired).splitlines()
