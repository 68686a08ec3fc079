"""The phase table: what is in it may happen, everything else is a bug."""

from __future__ import annotations

from itertools import product

import pytest

from reconciler.errors.taxonomy import InvariantError
from reconciler.model.phase import STEPS, Phase, check_step, to_mermaid


@pytest.mark.parametrize(("before", "after"), [*product(Phase, Phase)])
def test_only_steps_of_the_table_are_legal(before: Phase, after: Phase) -> None:
    if before is after or (before, after) in STEPS:
        assert check_step(before, after) is after
    else:
        with pytest.raises(InvariantError) as caught:
            check_step(before, after)
        assert caught.value.reason == "IllegalPhaseStep"


def test_nothing_leads_into_an_enclave_but_the_airlock() -> None:
    assert [before for before, after in STEPS if after is Phase.ENCLAVE] == [Phase.AIRLOCK]


def test_a_rejected_node_can_only_become_free() -> None:
    assert [after for before, after in STEPS if before is Phase.REJECTED] == [Phase.FREE]


def test_the_picture_has_a_line_for_each_step() -> None:
    lines = to_mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> FREE"]
    assert len(lines) == 2 + len(STEPS)
    assert "    REJECTED --> FREE: cleared by a commit" in lines
