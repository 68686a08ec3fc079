"""What a branch begins with that goes on from a closed year: heads, and the blobs that they lean on.

That these are what the year before ended with is checked where the history is (``evidence.yearly``); whether that year
holds is the audit's of its closing commit to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.audit.blobs import BlobKeeper
from reconciler.evidence.audit.flaws import Findings
from reconciler.evidence.audit.layout import head_path
from reconciler.evidence.raw import read_enrolment
from reconciler.evidence.segments import LogReader
from reconciler.model.record import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The heads of nodes, and the journal's as it stands on the branch, that a year began with."""

    heads: Mapping[str, Head] = field(default_factory=dict)
    journal: bytes | None = None


def read_carried(beginning: Beginning, *, blobs: BlobKeeper, found: Findings) -> None:
    """Read the blobs that the heads of ``beginning`` lean on: they went over into the new year."""
    logs = LogReader(blobs)
    for node, head in sorted(beginning.heads.items()):
        blobs.name(head.enrolment, head.ima.link if head.ima else None)
        try:
            if head.enrolment is not None:
                read_enrolment(blobs, head.enrolment)
            if head.ima is not None:
                logs.read(head.ima)
        except TrustError as error:
            found.refuse(head_path(node), error)
