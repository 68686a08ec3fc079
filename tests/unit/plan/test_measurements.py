"""What a change of images and policies does to measurements."""

from __future__ import annotations

from dataclasses import replace

from reconciler.attest.prediction.uki import ImageMeasurements
from reconciler.model.desired import DesiredState
from reconciler.plan.measurements import image_changes, pinned_pcrs, policy_changes
from tests.support.sites import EnclaveShape, site

BLUE = EnclaveShape(name="blue", count=1)
BASE = site(nodes=1, enclaves=[BLUE])


def test_equal_states_change_nothing() -> None:
    assert image_changes(BASE, BASE) == ()
    assert policy_changes(BASE, BASE) == ()


def test_another_build_changes_the_values_that_it_alone_extends_and_its_events_in_pcr_4() -> None:
    head = site(nodes=1, enclaves=[BLUE], measured="again")
    worker = next(change for change in image_changes(BASE, head) if change.image == "worker")
    assert worker.used_by == ("blue",)
    m = head.images["worker"].spec.measurements
    assert worker.after[4] == ", ".join(m.pcr4)
    whole = ImageMeasurements(digest="", command_line="", pcr4=m.pcr4, pcr9=m.pcr9, pcr11=m.pcr11, pcr12=m.pcr12)
    assert {pcr: worker.after[pcr] for pcr in (9, 11, 12)} == whole.values()
    assert worker.before != worker.after


def test_an_image_that_comes_or_goes_has_one_side_only() -> None:
    less = replace(BASE, images={name: image for name, image in BASE.images.items() if name != "worker-2"})
    (gone,) = image_changes(BASE, less)
    (come,) = image_changes(less, BASE)
    assert (gone.image, gone.after, gone.used_by) == ("worker-2", {}, ())
    assert (come.before, come.after) == ({}, gone.before)


def _with_policy(**changes: object) -> DesiredState:
    policy = BASE.policies["measured-boot"]
    changed = policy.model_copy(update={"spec": policy.spec.model_copy(update=changes)})
    return replace(BASE, policies={**BASE.policies, "measured-boot": changed})


def test_a_policy_that_takes_firmware_references_newly_pins_their_pcrs() -> None:
    head = _with_policy(firmware=BASE.policies["pinned"].spec.firmware)
    (change,) = policy_changes(BASE, head)
    assert (change.pins, change.unpins, change.used_by) == ((0, 2, 7), (), ("blue",))
    (back,) = policy_changes(head, BASE)
    assert (back.pins, back.unpins) == ((), (0, 2, 7))


def test_quoted_pcrs_come_and_go() -> None:
    pcrs = BASE.policies["measured-boot"].spec.pcrs
    head = _with_policy(pcrs=(*pcrs[1:], 14))
    (change,) = policy_changes(BASE, head)
    assert (change.quotes, change.unquotes) == ((14,), (pcrs[0],))


def test_a_policy_that_does_not_mind_the_image_pins_none_of_its_pcrs() -> None:
    assert pinned_pcrs(BASE.policies["measured-boot"].spec) == {4, 9, 11, 12}
    assert pinned_pcrs(_with_policy(unsafe_any_image=True).policies["measured-boot"].spec) == frozenset()


def test_a_policy_that_is_new_pins_all_that_it_pins() -> None:
    less = replace(BASE, policies={"measured-boot": BASE.policies["measured-boot"]})
    (come,) = policy_changes(less, BASE)
    (gone,) = policy_changes(BASE, less)
    assert come.policy == "pinned"
    assert come.pins == gone.unpins == (0, 2, 4, 7, 9, 11, 12)
