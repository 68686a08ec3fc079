"""Judging a pass's evidence: what was judged before by the same is not judged again."""

from __future__ import annotations

from dataclasses import replace

from reconciler.execute.judge import JudgeMemory, judge
from tests.support.stages import Stage, at_stage


def test_the_same_evidence_held_against_the_same_is_judged_once() -> None:
    draft = at_stage(Stage.MEMBER).draft()
    memory = JudgeMemory()
    first = judge(draft.desired, observed=draft.observed, memory=memory)
    again = judge(draft.desired, observed=draft.observed, memory=memory)
    assert first["n1"] is again["n1"]
    node = draft.desired.nodes["n1"]
    firmware = node.spec.firmware.model_copy(update={"profile": "another"})
    changed = node.model_copy(update={"spec": node.spec.model_copy(update={"firmware": firmware})})
    other = replace(draft.desired, nodes={**draft.desired.nodes, "n1": changed})
    fresh = judge(other, observed=draft.observed)
    assert judge(other, observed=draft.observed, memory=memory) == fresh
    assert first["n1"] is not judge(other, observed=draft.observed, memory=memory)["n1"]
    nobody = replace(draft.observed, nodes={})
    assert judge(draft.desired, observed=nobody, memory=memory) == {}
    assert judge(draft.desired, observed=draft.observed, memory=memory)["n1"] is not first["n1"]
