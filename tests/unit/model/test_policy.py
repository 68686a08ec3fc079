"""What a policy may say, what several say together, and what they lack."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.model.policy import (
    IMAGE_PCRS,
    AppraisalPolicySpec,
    Workaround,
    compose,
    is_circular,
    lacks,
)

DIGEST, OTHER = "a" * 64, "b" * 64
FILE, OTHER_FILE = "sha256:" + DIGEST, "sha256:" + OTHER


def policy(**fields: Any) -> AppraisalPolicySpec:  # noqa: ANN401 - any field of a policy, as in YAML
    return AppraisalPolicySpec.model_validate_json(json.dumps(fields))


@pytest.mark.parametrize("pcrs", [[1, 1], [2, 0]])
def test_pcrs_are_listed_once_in_ascending_order(pcrs: list[int]) -> None:
    with pytest.raises(ValidationError, match="once each, in ascending order"):
        policy(pcrs=pcrs)


@pytest.mark.parametrize("missing", IMAGE_PCRS)
def test_a_policy_that_leaves_out_a_pcr_that_proves_the_image_is_incomplete(missing: int) -> None:
    pcrs = [pcr for pcr in IMAGE_PCRS if pcr != missing]
    assert any(f"pcrs lacks {missing}," in lack for lack in lacks(policy(pcrs=pcrs, image="derived")))
    assert list(lacks(policy(pcrs=list(IMAGE_PCRS), image="derived"))) == []


@pytest.mark.parametrize(
    "fields", [{}, {"pcrs": [0, 7]}, {"pcrs": list(IMAGE_PCRS), "image": "derived", "unsafeAnyImage": True}]
)
def test_a_policy_that_asserts_nothing_is_incomplete(fields: dict[str, Any]) -> None:
    assert any("asserts nothing" in lack for lack in lacks(policy(**fields)))


@pytest.mark.parametrize(
    ("fields", "pcr"),
    [
        ({"facts": [{"fact": "secureBoot", "equals": True}]}, "7"),
        ({"firmware": [{"profile": "ovmf", "pcrs": {"3": [DIGEST]}}]}, "3"),
        ({"nodes": [{"node": "n1", "pcrs": {"1": [DIGEST]}}]}, "1"),
        ({"ima": {"digests": {"/bin/true": [FILE]}}}, "10"),
    ],
)
def test_what_is_asserted_must_be_quoted(fields: dict[str, Any], pcr: str) -> None:
    (lack,) = lacks(policy(pcrs=[0], unsafeAnyImage=True, **fields))
    assert lack.startswith(f"pcrs lacks {pcr},")


def test_a_policy_that_does_not_mind_the_image_has_to_say_so() -> None:
    facts = [{"fact": "secureBoot", "equals": True}]
    assert list(lacks(policy(pcrs=[7], facts=facts))) == ["it does not say what may be booted: give image: derived"]
    assert list(lacks(policy(pcrs=[7], facts=facts, unsafeAnyImage=True))) == []


def test_an_included_policy_must_hold_as_well() -> None:
    base = policy(pcrs=[0, 7], facts=[{"fact": "secureBoot", "equals": True}])
    top = policy(
        include=["base"], pcrs=list(IMAGE_PCRS), image="derived", nodes=[{"node": "n1", "pcrs": {"0": [DIGEST]}}]
    )
    whole = compose("top", policies={"base": base, "top": top})
    assert whole.pcrs == IMAGE_PCRS
    assert (whole.image, whole.facts, whole.nodes) == (top.image, base.facts, top.nodes)
    assert whole.include == ()


def test_allow_lists_grow_by_inclusion_and_weakenings_stay_visible() -> None:
    one = policy(ima={"digests": {"/a": [FILE]}}, unsafeUnexplained={"0": [DIGEST]})
    two = policy(
        include=["one"],
        ima={"digests": {"/a": [OTHER_FILE], "/b": [FILE]}, "unsafeAllowViolations": True},
        unsafeAnyImage=True,
        unsafeUnexplained={"0": [OTHER]},
        unsafeWorkarounds=["duplicate-separator"],
    )
    whole = compose("two", policies={"one": one, "two": two})
    assert whole.ima is not None
    assert {path: set(digests) for path, digests in whole.ima.digests.items()} == {
        "/a": {FILE, OTHER_FILE},
        "/b": {FILE},
    }
    assert set(whole.unsafe_unexplained["0"]) == {DIGEST, OTHER}
    assert whole.unsafe_workarounds == (Workaround.DUPLICATE_SEPARATOR,)
    assert whole.weakenings() == (
        "unsafeAnyImage",
        "unsafeUnexplained: PCR 0",
        "unsafeWorkarounds: duplicate-separator",
        "unsafeAllowViolations",
    )
    assert policy(image="derived").weakenings() == ()


def test_a_boot_aggregate_that_one_part_ignores_is_ignored_by_the_whole() -> None:
    strict, loose = policy(ima={}), policy(include=["strict"], ima={"bootAggregate": "unsafeIgnored"})
    assert compose("loose", policies={"strict": strict, "loose": loose}).weakenings() == (
        "bootAggregate: unsafeIgnored",
    )


def test_each_policy_counts_once_however_often_it_is_included() -> None:
    base = policy(firmware=[{"profile": "ovmf", "pcrs": {"0": [DIGEST]}}])
    parts = {"base": base, "left": policy(include=["base"]), "right": policy(include=["base"])}
    whole = compose("top", policies=parts | {"top": policy(include=["left", "right", "absent"])})
    assert whole.firmware == base.firmware
    assert whole.ima is None


def test_a_circle_is_found_by_every_policy_on_it() -> None:
    parts = {"a": policy(include=["b"]), "b": policy(include=["a"]), "c": policy(include=["a"])}
    assert [is_circular(name, policies=parts) for name in ("a", "b", "c", "absent")] == [True, True, False, False]
    assert compose("a", policies=parts).pcrs == ()


@pytest.mark.parametrize("pcr", ["4", "8", "10"])
def test_the_image_cannot_be_waved_through_as_unexplained(pcr: str) -> None:
    with pytest.raises(ValidationError):
        policy(unsafeUnexplained={pcr: [DIGEST]})
