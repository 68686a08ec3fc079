"""What was audited, and what came of it: the values that a report begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.evidence.audit import Flaw


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFacts:
    """One desired state: when its commit was made (as it says itself), by whom it is signed and written, and its title.

    ``signer`` is empty if nobody who was allowed to then is known to have signed it.
    """

    made_at: datetime
    signer: str
    author: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """The newest head of the log of all records; ``signers`` are whose signatures on it hold, ``problem`` if none."""

    origin: str
    size: int
    root: str
    signers: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessHead:
    """A head of the log that a witness stands by, and when it says that it did."""

    witness: str
    size: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """One audit: of which repository, at which commits, when, by which version, and what it found.

    ``root`` is the first commit of the desired state's history, ``trusted`` the newest one that was followed,
    ``evidence`` the newest commit of the evidence branch. ``remarks`` are what is worth saying and no flaw,
    ``omitted`` is how many flaws are not listed, ``writers`` say who signed which commits of the evidence.
    """

    repository: str
    root: str
    trusted: str
    evidence: str
    audited_at: datetime
    version: str
    records: int
    verdicts: int
    flaws: Sequence[Flaw]
    omitted: int = 0
    writers: Sequence[str] = ()
    remarks: Sequence[str] = ()
    tree_head: TreeHead | None = None
    witnesses: Sequence[WitnessHead] = ()
    commits: Mapping[str, CommitFacts] = field(default_factory=dict)
