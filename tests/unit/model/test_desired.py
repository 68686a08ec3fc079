"""The desired state as a value: what it knows of images."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.desired import DatedImage
from tests.support.sites import site


def test_an_image_is_found_in_this_commit_first_and_then_in_earlier_ones() -> None:
    before, now = site(), site(revision=1, measured="rebuilt")
    old, new = before.images["worker-2"], now.images["worker-2"]
    known = {
        old.spec.digest: DatedImage(commit=before.commit, name="worker-2", image=old),
        new.spec.digest: DatedImage(commit=before.commit, name="older", image=new),
    }
    now = replace(now, former_images=known)
    assert now.find_image(new.spec.digest) == DatedImage(commit=now.commit, name="worker-2", image=new)
    assert now.find_image(old.spec.digest) == known[old.spec.digest]
    assert now.find_image("sha256:" + "0" * 64) is None
