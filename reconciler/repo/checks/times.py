"""Times that are too short for what has to happen in them.

Source for the limits: a quote of a hardware TPM takes up to a second, and the answer travels through a queue; the
fastest firmware needs several seconds. Of a key the two newest versions are kept, and members learn of a new one with
their next proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from reconciler.errors.taxonomy import Finding
from reconciler.model.base import format_duration
from reconciler.model.kinds import Enclave, Key, Repository
from reconciler.repo.catalogue import Catalogue

LEAST_REATTEST = timedelta(seconds=5)
LEAST_DEADLINE = timedelta(seconds=10)
LEAST_ROTATION = timedelta(hours=1)


def check_times(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for every time that is too short."""
    for repository in found.all(Repository).values():
        spec = repository.document.spec
        for name, value in (("bootDeadline", spec.boot_deadline), ("confirmDeadline", spec.confirm_deadline)):
            if value < LEAST_DEADLINE:
                message = f"spec.{name} is {format_duration(value)}; the least is {format_duration(LEAST_DEADLINE)}"
                hint = "by then a node is rejected; give it the time that its slowest start takes, and some more"
                yield repository.find("spec", name, code="OutOfRange", message=message, hint=hint)
    for enclave in found.all(Enclave).values():
        value = enclave.document.spec.reattest
        if value < LEAST_REATTEST:
            message = f"spec.reattest is {format_duration(value)}; the least is {format_duration(LEAST_REATTEST)}"
            hint = "a TPM takes up to a second for a quote; 30s is usual"
            yield enclave.find("spec", "reattest", code="OutOfRange", message=message, hint=hint)
    yield from _check_rotations(found)


def _check_rotations(found: Catalogue) -> Iterator[Finding]:
    rotations = {n: rotation for n, key in found.all(Key).items() if (rotation := key.document.spec.rotation)}
    for name, rotation in rotations.items():
        if rotation < LEAST_ROTATION:
            message = f"spec.rotation is {format_duration(rotation)}; the least is {format_duration(LEAST_ROTATION)}"
            hint = "every member receives every version; 30d is usual"
            yield found.all(Key)[name].find("spec", "rotation", code="OutOfRange", message=message, hint=hint)
    for enclave in found.all(Enclave).values() if rotations else ():
        reattest = enclave.document.spec.reattest
        for name in enclave.document.spec.keys:
            if name in rotations and LEAST_ROTATION <= rotations[name] < reattest:
                message = f"spec.rotation is {format_duration(rotations[name])}; members of {enclave.name} prove"
                message += f" themselves every {format_duration(reattest)} only"
                hint = f"a new version comes with a proof: rotate at most that often, or see {enclave.place('spec')}"
                yield found.all(Key)[name].find("spec", "rotation", code="OutOfRange", message=message, hint=hint)
