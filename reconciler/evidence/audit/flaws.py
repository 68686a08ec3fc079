"""What an audit finds: flaws with a code and a severity, and figures of what was checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import RingfenceError
from reconciler.model.record import Head

MOST = 1000
"""How many flaws are told; more are counted."""


class Severity(StrEnum):
    """What a flaw means for the record, worst first."""

    BROKEN = "broken"
    """The evidence is not what was written: altered, missing, unsigned, in another order."""
    FORBIDDEN = "forbidden"
    """The evidence holds, and tells of something that the desired state did not allow, or that is not so."""
    DOUBTFUL = "doubtful"
    """It may be honest (a clock that was set back, an older desired state in force again); somebody has to look."""


_FORBIDDEN = frozenset(
    {
        "RulesDiffer",
        "VerdictDiffers",
        "AcceptanceDiffers",
        "FreshnessDiffers",
        "GateSkipped",
        "RecordStray",
        "AttemptStray",
        "NodeNotAllowed",
        "ImageDiffers",
        "PolicyDiffers",
        "KeyNotListed",
        "PortsDiffer",
        "RejectionStands",
        "EnrolmentDiffers",
        "IllegalPhaseStep",
    }
)
_DOUBTFUL = frozenset({"TimeReversed", "CommitBackwards", "CommitUnreadable"})
_ORDER = tuple(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Something that should not be on the evidence branch, or is missing there.

    ``path`` is a file of the branch or names a commit of it; ``code`` is stable.
    """

    path: str
    code: str
    message: str

    @property
    def severity(self) -> Severity:
        """Return what it means for the record."""
        if self.code in _DOUBTFUL:
            return Severity.DOUBTFUL
        return Severity.FORBIDDEN if self.code in _FORBIDDEN else Severity.BROKEN


@dataclass(slots=True, kw_only=True)
class Figures:
    """What was checked; ``bytes`` are those of the files that were read, ``commits`` those of the branch."""

    files: int = 0
    bytes: int = 0
    lines: int = 0
    statements: int = 0
    rounds: int = 0
    leaves: int = 0
    entries: int = 0
    verdicts: int = 0
    blobs: int = 0
    checkpoints: int = 0
    commits: int = 0


@dataclass(slots=True, kw_only=True)
class Findings:
    """What an audit found; ``heads`` are the sums of the records by node, ``size`` and ``root`` those of the log.

    ``keys`` are the evidence keys of all states that records name, by key id; ``omitted`` is how many flaws there are
    beside ``flaws``.
    """

    flaws: list[Flaw] = field(default_factory=list)
    omitted: int = 0
    heads: dict[str, Head] = field(default_factory=dict)
    origin: str = ""
    size: int = 0
    root: bytes = b""
    keys: dict[str, Ed25519PublicKey] = field(default_factory=dict)
    checked: Figures = field(default_factory=Figures)

    @property
    def records(self) -> int:
        """Return how many records there are, in statements and in rounds."""
        return self.checked.statements + self.checked.leaves

    @property
    def verdicts(self) -> int:
        """Return how many verdicts were computed again."""
        return self.checked.verdicts

    def add(self, path: str, code: str, message: str) -> None:
        """Note a flaw."""
        if len(self.flaws) < MOST:
            self.flaws.append(Flaw(path=path, code=code, message=message))
        else:
            self.omitted += 1

    def refuse(self, path: str, error: RingfenceError) -> None:
        """Note what ``error`` says of ``path``."""
        self.add(path, error.reason, f"{error.subject}: {error.message}")

    def sort(self) -> None:
        """Put the worst flaws first, those of one severity in the order in which they were found."""
        self.flaws.sort(key=lambda flaw: _ORDER.index(flaw.severity))
