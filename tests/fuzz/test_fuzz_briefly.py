"""Every fuzz target for a few seconds, on the same inputs each time; ``make fuzz`` goes on for as long as one likes."""

from __future__ import annotations

import pytest

from reconciler.attest.reader import MalformedError
from tests.fuzz.harness import CONSTANT, FindingError, Target, fuzz
from tests.fuzz.mutate import PLAIN
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_parsers_raise_only_our_errors_and_stay_within_their_memory(name: str) -> None:
    target = TARGETS[name]
    tally = fuzz(target, seed="briefly", inputs=target.brief)
    assert tally.accepted, "no input was accepted: the seeds are not valid"
    assert tally.accepted < tally.inputs, "every input was accepted: nothing is refused"


def _target(run: object) -> Target:
    return Target(name="made-up", run=run, seeds=[b"seed"], mutations=PLAIN, factor=8, brief=0)  # type: ignore[arg-type]


def test_our_own_errors_are_no_findings() -> None:
    def refuse(_data: bytes) -> None:
        raise MalformedError("input", "it is refused")

    assert fuzz(_target(refuse), seed="1", inputs=5).accepted == 0


@pytest.mark.parametrize(
    "run",
    [
        lambda data: {}[data],
        lambda data: b"".join([b"A" * (2 * CONSTANT), data]),
    ],
    ids=["a foreign error", "too much memory"],
)
def test_a_finding_is_kept_in_a_file(run: object, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(FindingError, match=r"input \d+ of seed '1', \d+ bytes, is in .*ringfence-fuzz-made-up"):
        fuzz(_target(run), seed="1", inputs=40)
