"""Every error that Ringfence raises, sorted by what the loop does next.

``RingfenceError`` itself is never raised. ``reason`` is a stable CamelCase code with
a page in the docs; ``subject`` is the thing that is wrong (``node n1``); ``hint``
says what to do next. Messages are lower case, carry no secret, and foreign text in
them is cut by ``cut``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

_FOREIGN_TEXT_LIMIT = 256


def cut(text: str) -> str:
    """Return foreign error text on one line, at most 256 characters long."""
    line = " ".join(text.split())
    return line if len(line) <= _FOREIGN_TEXT_LIMIT else line[: _FOREIGN_TEXT_LIMIT - 1] + "…"


class Severity(StrEnum):
    """Whether a finding refuses the repository, or only asks whether it is meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One thing that is wrong in the state repository, or looks so, and where.

    ``line`` and ``column`` count from 1; 0 means that the whole file is meant.
    """

    path: str
    line: int = 0
    column: int = 0
    code: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    @property
    def place(self) -> str:
        """Return ``file:line:column``, or ``file`` where there is no position."""
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path


class RingfenceError(Exception):
    """The root of the taxonomy; one of its subclasses is raised, never itself."""

    exit_code: ClassVar[int]

    def __init__(self, subject: str, message: str, *, reason: str, hint: str = "") -> None:
        """Say what (``subject``) is wrong (``message``), under which code, and what next."""
        super().__init__(f"{subject}: {message}")
        self.subject = subject
        self.message = message
        self.reason = reason
        self.hint = hint


class InputError(RingfenceError):
    """The repository or the command line must change: stalled until then."""

    exit_code = 2

    def __init__(
        self,
        subject: str,
        message: str,
        *,
        reason: str,
        hint: str = "",
        findings: tuple[Finding, ...] = (),
    ) -> None:
        """Say what is wrong; ``findings`` lists every place when there are several."""
        super().__init__(subject, message, reason=reason, hint=hint)
        self.findings = findings


class TrustError(RingfenceError):
    """A check failed: never retried, fail closed."""

    exit_code = 3


class DeviceError(RingfenceError):
    """A device refuses or rejects our credentials: stalled until the operator acts."""

    exit_code = 4


class TransientError(RingfenceError):
    """Something is unreachable or busy: try later, with back-off."""

    exit_code = 5


class InvariantError(RingfenceError):
    """Our own bug: the pass stops and isolation is kept as it is."""

    exit_code = 70
