"""Images whose measurements cannot be those of an image: then no node that boots it is ever trusted.

Rules: one digest has one set of measurements. The form is that of the images which ``ringfence image predict`` knows;
another form is a doubt, because the measurements may come from another tool. That they are right is not checked here:
nobody but the file itself knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import AppraisalPolicy, Enclave, Image, Measurements
from reconciler.model.policy import compose
from reconciler.repo.catalogue import Catalogue, Located
from reconciler.repo.policies import policies_of

_FIRST_SECTION = hashlib.sha256(b".linux\0").hexdigest()


def check_images(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for each image of which another document says that it measures something else."""
    first: dict[str, Located[Image]] = {}
    for image in found.all(Image).values():
        earlier = first.setdefault(image.document.spec.digest, image)
        if earlier.document.spec.measurements != image.document.spec.measurements:
            message = f"has the digest of image {earlier.name} and other measurements, and one file measures one way"
            place = earlier.place("spec", "measurements")
            hint = f"see {place}; derive both again: ringfence image predict FILE"
            yield image.find("spec", "measurements", code="ImagesDisagree", message=message, hint=hint)


def doubt_images(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for each image in attested use whose measurements have no image's form."""
    specs = policies_of(found)
    users: dict[str, set[str]] = {}
    for enclave in found.all(Enclave).values():
        users.setdefault(enclave.document.spec.image, set()).add(enclave.document.spec.policy)
    for name, policies in sorted(users.items()):
        image = found.all(Image).get(name)
        composed = [compose(policy, policies=specs) for policy in policies & found.all(AppraisalPolicy).keys()]
        if image and any(policy.image and not policy.unsafe_any_image for policy in composed):
            for field, odd in islice(_oddities(image.document.spec.measurements), 1):
                message = f"{odd}; every node that boots image {name} would be rejected"
                hint = f"derive the measurements from the file: ringfence image predict FILE --name {name}"
                yield image.find("spec", "measurements", field, code="ImageNotPredicted", message=message, hint=hint)


def _oddities(found: Measurements) -> Iterator[tuple[str, str]]:
    if len(found.pcr4) != 2:  # noqa: PLR2004 - the image itself, and the kernel inside
        yield "pcr4", f"pcr4 has {len(found.pcr4)} digests, and an image measures two there: itself and its kernel"
    if len(found.pcr9) != 2:  # noqa: PLR2004 - the command line, and the initial file system
        yield "pcr9", f"pcr9 has {len(found.pcr9)} digests, and a kernel measures two there: command line and initrd"
    if len(found.pcr11) % 2 or found.pcr11[0] != _FIRST_SECTION:
        yield "pcr11", "pcr11 does not begin with the section .linux and hold a name and a content for each section"
    if found.pcr12:
        yield "pcr12", "pcr12 is not empty, and an image by itself measures nothing there"
