"""Verdicts: the only values that open a gate, and why.

Only ``attest.appraise`` builds one; a test walks the syntax tree to hold that.
A verdict has no truth value: ask what it *is*.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NoReturn

from reconciler.attest.endorsement.endorsed import Endorsement
from reconciler.model.submission import BootClock


class Trustworthiness(IntEnum):
    """A trustworthiness tier of EAR (draft-ietf-rats-ear, AR4SI section 2.3)."""

    AFFIRMING = 2
    WARNING = 32
    CONTRAINDICATED = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that speaks against a node.

    ``code`` is stable CamelCase with a page in the docs; ``event`` counts from 0 in the event log; ``expected`` and
    ``found`` are hexadecimal digests or short text.
    """

    code: str
    message: str
    pcr: int | None = None
    bank: str | None = None
    event: int | None = None
    event_type: str | None = None
    expected: str | None = None
    found: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """The part of EAR's trustworthiness vector that Ringfence judges."""

    instance_identity: Trustworthiness
    configuration: Trustworthiness
    executables: Trustworthiness
    hardware: Trustworthiness


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """What both verdicts say: whom, for what and in which boot they are about.

    ``weakenings`` are the policy's own, ``workarounds`` those that this boot's log needed. ``endorsement`` is what the
    EK's certificate was trusted by, None if it was not.
    """

    node: str
    enclave: str
    commit: str
    attempt: str
    session: str
    nonce: bytes
    vector: Vector
    weakenings: tuple[str, ...] = ()
    workarounds: tuple[str, ...] = ()
    endorsement: Endorsement | None = None

    def __bool__(self) -> NoReturn:
        """Refuse: a verdict is matched, never tested for truth."""
        raise TypeError("a verdict has no truth value; match Accepted or Rejected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(_Verdict):
    """The evidence verified under the policy; ``ephemeral`` is the quote-bound key's age recipient."""

    ephemeral: str
    clock: BootClock

    __bool__ = _Verdict.__bool__


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(_Verdict):
    """The evidence does not verify; ``reasons`` are all of them, at least one."""

    reasons: tuple[Reason, ...]

    __bool__ = _Verdict.__bool__


Verdict = Accepted | Rejected
