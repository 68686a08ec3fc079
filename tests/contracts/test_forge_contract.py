"""The forge port: the same cases for GitHub, GitLab and Gitea, against a stand-in that models their interfaces."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.drivers.forge.http import Wire
from reconciler.drivers.forge.notice import MAX_BODY, marked, post
from reconciler.drivers.forge.projects import connect
from reconciler.errors.taxonomy import DeviceError, InputError, RingfenceError, TransientError
from reconciler.ports.forge import Forge, State, Status
from tests.support.forge import CHANGE, COMMIT, OURS, PROJECT, TOKEN, StandIn, Trouble, standing_in

TOP = Path(__file__).parents[2]
PLAN = "### Plan\n\nNothing to do.\n"


@pytest.fixture(params=["github", "gitlab", "gitea"])
def there(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with standing_in(request.param) as forge:
        yield forge


def reach(there: StandIn, *, project: str = PROJECT, token: str = TOKEN) -> Forge:
    return connect(there.kind, base=there.url, project=project, token=token, pause=lambda _: None)


def put(there: StandIn, body: str = PLAN, *, marker: str = "plan") -> str:
    return post(reach(there), change=CHANGE, body=body, marker=marker, author=OURS)


def test_a_comment_is_made_once_and_then_replaced(there: StandIn) -> None:
    assert put(there) == "created"
    assert put(there, "### Plan\n\nn1 joins.\n") == "updated"
    assert there.bodies() == ["<!-- ringfence:plan -->\n### Plan\n\nn1 joins.\n"]


def test_a_text_that_has_not_changed_is_not_sent(there: StandIn) -> None:
    put(there)
    there.calls.clear()
    assert put(there) == "unchanged"
    assert {call.split()[0] for call in there.calls} == {"GET"}


def test_our_comment_is_found_on_a_later_page_among_those_of_others(there: StandIn) -> None:
    for number in range(250):
        there.add(f"remark {number}", author="somebody", system=number % 7 == 0)
    mine = there.add(marked("old", marker="plan"))
    for number in range(60):
        there.add(f"remark {number}", author="somebody")
    assert put(there) == "updated"
    assert there.comments[mine - 1]["body"] == marked(PLAN, marker="plan")
    assert len(there.comments) == 311


def test_a_comment_with_our_marker_that_somebody_else_wrote_is_left_alone(there: StandIn) -> None:
    theirs = there.add(marked("all is well", marker="plan"), author="mallory")
    assert put(there) == "created"
    assert there.comments[theirs - 1]["body"] == marked("all is well", marker="plan")


def test_another_marker_is_another_comment(there: StandIn) -> None:
    put(there)
    assert put(there, marker="validate") == "created"
    assert len(there.comments) == 2
    there.add(f"> {marked('quoted', marker='third')}")
    assert put(there, marker="third") == "created"


def test_line_ends_that_a_forge_has_changed_are_no_change(there: StandIn) -> None:
    there.add(marked(PLAN, marker="plan").replace("\n", "\r\n"))
    assert put(there) == "unchanged"


def test_a_long_text_is_cut_and_closed(there: StandIn) -> None:
    long = "<details>\n<summary>n</summary>\n\n```\n" + "é line of a plan\n" * 10_000 + "```\n</details>\n"
    assert put(there, long) == "created"
    (body,) = there.bodies()
    assert len(body.encode()) <= MAX_BODY
    assert body.count("```") == 2
    assert body.count("</details>") == 1
    assert "Cut here" in body
    assert put(there, long) == "unchanged"


@pytest.mark.parametrize("state", list(State))
def test_a_status_can_be_set_again(there: StandIn, state: State) -> None:
    status = Status(commit=COMMIT, state=state, context="ringfence/plan", description="x" * 400, target="https://ci/1")
    reach(there).set_status(status)
    reach(there).set_status(status)
    assert {said["name"] for said in there.statuses} == {"ringfence/plan"}
    assert {said["target_url"] for said in there.statuses} == {"https://ci/1"}


def test_who_we_are_is_asked_and_may_stay_unknown(there: StandIn) -> None:
    assert reach(there).whoami() == OURS
    there.tells_who = False
    assert reach(there).whoami() is None


@pytest.mark.parametrize("status", [429, 500, 502, 503, 0])
def test_a_forge_that_is_busy_is_asked_again(there: StandIn, status: int) -> None:
    there.troubles += [Trouble(status=status, headers={"Retry-After": "1"})] * 2
    assert put(there) == "created"


def test_a_forge_that_stays_away_is_given_up(there: StandIn) -> None:
    there.troubles += [Trouble(status=503)] * 20
    with pytest.raises(TransientError) as caught:
        put(there)
    assert caught.value.reason == "ForgeAway"
    assert len(there.calls) == 4


def test_making_a_comment_is_never_tried_twice(there: StandIn) -> None:
    forge = reach(there)
    there.troubles.append(Trouble(status=502))
    with pytest.raises(TransientError):
        forge.create_comment(CHANGE, "x")
    assert len(there.calls) == 1
    assert there.comments == []


REFUSALS = [
    pytest.param(Trouble(status=401), DeviceError, "ForgeRefuses", id="401"),
    pytest.param(Trouble(status=403), DeviceError, "ForgeRefuses", id="403"),
    pytest.param(Trouble(status=404), InputError, "ForgeMissing", id="404"),
    pytest.param(Trouble(status=422), InputError, "ForgeAnswer", id="422"),
    pytest.param(Trouble(status=302, headers={"Location": "http://127.0.0.1:1/"}), InputError, "ForgeAnswer", id="302"),
    pytest.param(Trouble(status=200, body="<html>"), InputError, "ForgeAnswer", id="a page"),
    pytest.param(Trouble(status=200, body='{"a": 1}'), InputError, "ForgeAnswer", id="no list"),
    pytest.param(Trouble(status=200, body='[{"id": "x"}]'), InputError, "ForgeAnswer", id="no number"),
    pytest.param(Trouble(status=400, body="{broken"), InputError, "ForgeAnswer", id="an error in no form"),
    pytest.param(Trouble(status=400, body='{"message": {"a": ["b"]}}'), InputError, "ForgeAnswer", id="400"),
]


@pytest.mark.parametrize(("trouble", "kind", "reason"), REFUSALS)
def test_a_refusal_is_told_apart_and_not_repeated(
    there: StandIn, trouble: Trouble, kind: type[RingfenceError], reason: str
) -> None:
    there.troubles.append(trouble)
    with pytest.raises(kind) as caught:
        put(there)
    assert caught.value.reason == reason
    assert caught.value.hint
    assert TOKEN not in f"{caught.value}{caught.value.hint}"
    assert len(there.calls) == 1


def test_a_rate_limit_that_is_told_as_a_refusal_is_waited_for(there: StandIn) -> None:
    there.troubles.append(Trouble(status=403, headers={"x-ratelimit-remaining": "0"}))
    assert put(there) == "created"


def test_a_wrong_token_is_refused(there: StandIn) -> None:
    with pytest.raises(DeviceError):
        post(reach(there, token=TOKEN[:-1]), change=CHANGE, body=PLAN, marker="plan", author=OURS)


def test_a_token_that_may_only_read_is_told_so(there: StandIn) -> None:
    there.may_write = False
    with pytest.raises(DeviceError) as caught:
        put(there)
    assert "fork" in caught.value.hint


@pytest.mark.parametrize(
    "base", ["http://forge.example/api", "ftp://h/", "https://user:pw@h/", "https:///x", "https://h/?x=1", ""]
)
def test_an_address_that_would_show_the_token_is_refused(base: str) -> None:
    with pytest.raises(InputError) as caught:
        Wire(base, headers={})
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("project", ["", "x", "../x", "a/b/c", "a/..", "a/b?c"])
def test_a_project_that_would_lead_elsewhere_is_refused(project: str) -> None:
    with pytest.raises(InputError):
        connect("github", base="https://api.github.com", project=project, token="t")  # noqa: S106  # no token


def test_a_marker_is_a_plain_word() -> None:
    with pytest.raises(InputError):
        marked("x", marker="--> x")


def ringfence(*words: str, cwd: Path, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(TOP), "RINGFENCE_FORGE_TOKEN": token}
    command = [sys.executable, "-m", "reconciler.cli.main", "forge", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_commands_do_what_the_port_does(there: StandIn, tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_text(PLAN)
    where = ("--kind", there.kind, "--url", there.url, "--project", PROJECT)
    comment = ("comment", *where, "--change", str(CHANGE), "--file", "plan.md")
    status = ("status", *where, "--commit", COMMIT, "--state", "success", "--description", "valid")
    outputs = [ringfence(*words, cwd=tmp_path).stdout for words in (comment, comment, status)]
    assert outputs == ["comment created\n", "comment unchanged\n", "status success\n"]
    missing = ringfence(*comment, cwd=tmp_path, token="")
    assert missing.returncode == 2
    assert "hint: set RINGFENCE_FORGE_TOKEN" in missing.stderr
    refused = ringfence(*comment, cwd=tmp_path, token="INSECURE-wrong")  # noqa: S106  # no token
    assert refused.returncode == 4
    assert "INSECURE" not in refused.stderr
