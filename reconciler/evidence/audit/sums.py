"""The sums on the branch, compared with what they sum up: heads of nodes, the trusted commit, the observation."""

from __future__ import annotations

import json
from collections.abc import Callable

from pydantic import ValidationError

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.audit.archive import Archive, Branch
from reconciler.evidence.audit.flaws import Findings
from reconciler.evidence.audit.layout import LATEST, OBSERVATION, TRUSTED, WRITER, Kind, Listing, head_path
from reconciler.evidence.canonical import canonical_value, is_canonical
from reconciler.evidence.lease import parse_lease
from reconciler.evidence.yearly import CLOSING, OPENING, parse_opening
from reconciler.model.record import Head
from reconciler.model.recorded import RecordedObservation


def check_node_heads(branch: Branch, *, listing: Listing, found: Findings) -> None:
    """Compare each ``head.json`` with the sum of the node's records in ``found``."""
    due = {head_path(node): head for node, head in found.heads.items()}
    for path in sorted(due.keys() | listing.left[Kind.HEAD]):
        content = branch.read(path)
        if content is None:
            found.add(path, "HeadMismatch", "the node has records, and no head")
        elif path not in due or content != canonical_value(due[path]):
            found.add(path, *_why(content, head=due.get(path)))
    listing.left[Kind.HEAD].clear()


def _why(content: bytes, *, head: Head | None) -> tuple[str, str]:
    try:
        told = Head.model_validate_json(content)
    except ValidationError:
        return "HeadMalformed", "it is not a head that ringfence writes"
    if head is None:
        return "HeadMismatch", "it is the head of a node without records"
    which = f"it tells of record {told.sequence}, the newest is {head.sequence}"
    same = "it is not the sum of the node's records" if told.sequence == head.sequence else which
    return "HeadMismatch", same


def check_sums(branch: Branch, *, archive: Archive, listing: Listing, found: Findings) -> None:
    """Look at ``trusted.json``, ``observation.json`` and what says who writes which year, each if it is there."""
    checks: tuple[tuple[str, str, Callable[[bytes], str | None]], ...] = (
        (TRUSTED, "TrustedMalformed", _trusted_commit),
        (OBSERVATION, "ObservationMalformed", _observed_commit),
    )
    for path, code, read in checks:
        if listing.take(Kind.SUM, path):
            commit = read(branch.read(path) or b"")
            if commit is None:
                found.add(path, code, "it is not what ringfence writes")
            elif archive.commits(commit) is None:
                found.add(path, "CommitStray", f"commit {commit[:12]} is not in the trusted history")
    _check_writing(branch, listing=listing, found=found)


def _check_writing(branch: Branch, *, listing: Listing, found: Findings) -> None:
    """Look at the lease, at what the year began with, and at the tree head that it was closed with."""
    parsed: tuple[tuple[str, Callable[[bytes], object]], ...] = ((WRITER, parse_lease), (OPENING, parse_opening))
    for path, parse in parsed:
        if listing.take(Kind.SUM, path):
            try:
                parse(branch.read(path) or b"")
            except TrustError as error:
                found.refuse(path, error)
    if listing.take(Kind.SUM, CLOSING) and branch.read(CLOSING) != branch.read(LATEST):
        found.add(CLOSING, "ClosingDiffers", "it is not the newest tree head of the year that it closes")


def _trusted_commit(content: bytes) -> str | None:
    try:
        commit = json.loads(content)["commit"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return commit if isinstance(commit, str) and is_canonical(content, {"commit": commit}) else None


def _observed_commit(content: bytes) -> str | None:
    try:
        observation = RecordedObservation.model_validate_json(content)
    except ValidationError:
        return None
    return observation.commit if canonical_value(observation) == content else None
