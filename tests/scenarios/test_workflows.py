"""The state repository's pipelines: they call what exists, pin what they use, and do what they say, run for real.

The scripts are run by ``sh`` in a state repository, against a stand-in for the forge. ``ringfence plan`` is replaced by
one line, because a plan's own tests are elsewhere; every other command is the real one.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.documents import FILES
from tests.support.forge import CHANGE, COMMIT, PROJECT, TOKEN, StandIn, standing_in

TOP = Path(__file__).parents[2]
TEMPLATE = TOP / "state-repo-template"
PIPELINES = {
    "github": ".github/workflows/ringfence.yml",
    "gitlab": ".gitlab-ci.yml",
    "gitea": ".gitea/workflows/ringfence.yml",
}
NETWORK = "site/networks/blue-net.yaml"
ANNOUNCED = {("plan", "--base"), ("plan", "--head")}
"""Options that another branch of this project brings; remove them from here when it is merged."""


def pipeline(kind: str) -> dict[str, Any]:
    found = YAML(typ="safe").load((TEMPLATE / PIPELINES[kind]).read_text())
    assert isinstance(found, dict)
    return found


def scripts(kind: str) -> list[str]:
    """Return what a pipeline runs, one shell script a step."""
    if kind == "gitlab":
        return ["\n".join(pipeline(kind)["ringfence"]["script"])]
    return [step["run"] for step in pipeline(kind)["jobs"]["plan"]["steps"] if "run" in step]


def commands(kind: str) -> Iterator[list[str]]:
    for script in scripts(kind):
        for call in re.findall(r"\bringfence ((?:[a-z-]+ )?[^;&|}>\n]*)", script):
            yield shlex.split(call.split(" 2>")[0])


@cache
def help_of(words: tuple[str, ...]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler.cli.main", *words, "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(TOP), "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", PIPELINES)
def test_pipelines_call_commands_and_options_that_exist(kind: str) -> None:
    called = list(commands(kind))
    assert {words[0] for words in called} == {"validate", "codeowners", "plan", "forge"}
    for words in called:
        name = tuple(words[: 2 if words[0] == "forge" else 1])
        options = [word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)]
        wanted = [option for option in options if (words[0], option) not in ANNOUNCED]
        missing = [option for option in wanted if not re.search(rf"{option}[ ,]", help_of(name))]
        assert missing == [], words


@pytest.mark.parametrize("kind", ["github", "gitea"])
def test_actions_are_pinned_and_no_expression_stands_in_a_script(kind: str) -> None:
    """An expression in a script would let the title of a pull request be run."""
    job = pipeline(kind)["jobs"]["plan"]
    assert [
        step["uses"] for step in job["steps"] if not re.search(r"@v\d+\.\d+\.\d+$", step.get("uses", "@v0.0.0"))
    ] == []
    assert [script for script in scripts(kind) if "${{" in script] == []


def test_the_pipelines_of_the_three_forges_differ_only_in_names() -> None:
    assert pipeline("github")["permissions"] == {"contents": "read", "pull-requests": "write", "statuses": "write"}
    bodies = {re.sub(r"(?s)^.*(state=success)", r"\1", scripts(kind)[-1]).splitlines()[1] for kind in PIPELINES}
    assert len(bodies) == 1


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    program = tmp_path / "bin" / "ringfence"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = plan ]; then echo "### Plan"; exit 0; fi\n'
        f'PYTHONPATH="{TOP}" exec "{sys.executable}" -m reconciler.cli.main "$@"\n'
    )
    (tmp_path / "bin" / "git").write_text(f"#!/bin/sh\necho {COMMIT}\n")
    for name in ("ringfence", "git"):
        (tmp_path / "bin" / name).chmod(0o755)
    return folder


def run(kind: str, state: Path, forge: StandIn) -> subprocess.CompletedProcess[str]:
    base = forge.url if kind != "gitea" else forge.url.removesuffix("/api/v1")
    environment = {
        "PATH": f"{state.parent / 'bin'}:{os.environ['PATH']}",
        "API": base,
        "SERVER": base,
        "PROJECT": PROJECT,
        "CHANGE": str(CHANGE),
        "BASE": COMMIT,
        "HEAD": COMMIT,
        "PAGE": "https://ci.example/1",
        "CI_API_V4_URL": base,
        "CI_PROJECT_ID": PROJECT,
        "CI_MERGE_REQUEST_IID": str(CHANGE),
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_COMMIT_SHA": COMMIT,
        "CI_JOB_URL": "https://ci.example/1",
        "RINGFENCE_FORGE_TOKEN": TOKEN,
    }
    return subprocess.run(
        ["sh", "-e", "-c", scripts(kind)[-1]],
        cwd=state,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("kind", PIPELINES)
def test_a_pipeline_comments_and_sets_the_status_and_the_next_run_updates_both(kind: str, state: Path) -> None:
    with standing_in(kind) as forge:
        good = run(kind, state, forge)
        assert good.returncode == 0, good.stderr
        assert forge.bodies() == ["<!-- ringfence:plan -->\n### Plan\n"]
        (state / "site/networks/blue-net.yaml").write_bytes(
            FILES["site/networks/blue-net.yaml"].replace(b"200", b"5000")
        )
        bad = run(kind, state, forge)
        assert bad.returncode == 1, bad.stderr
        (body,) = forge.bodies()
        assert "    error: site/networks/blue-net.yaml:" in body
        ends = [status["state"] for status in forge.statuses]
        assert ends == ["success", "failed" if kind == "gitlab" else "failure"]
        assert TOKEN not in f"{good.stdout}{good.stderr}{bad.stdout}{bad.stderr}"
