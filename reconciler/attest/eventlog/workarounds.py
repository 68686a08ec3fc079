"""Named workarounds: the known deviations of real firmware, each allowed by name or not at all.

Nothing here is a default. A policy names the workarounds that it allows; a finding that
one of them excuses is no reason against the node any more, but it is reported as a use,
so that a verdict shows what it rests on. A finding that no workaround names always counts.

Sources: ATTESTATION.md, "Event log"; shim issue of 2019 on its authority events; Intel
TDX guest logs (CCEL), which map PCR 1 and 7 to one register and fill their area with ff.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from reconciler.attest.verdict import Reason
from reconciler.model.policy import Workaround


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong with a log, and the workaround that excuses it, if there is one."""

    reason: Reason
    excuse: Workaround | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A workaround that was allowed and needed, and the reason that it excused."""

    workaround: Workaround
    excused: Reason


def reasons_of(findings: Iterable[Finding], *, allowed: Collection[Workaround]) -> Iterator[Reason]:
    """Yield the reasons of those ``findings`` that no ``allowed`` workaround excuses."""
    return (finding.reason for finding in findings if finding.excuse is None or finding.excuse not in allowed)


def uses_of(findings: Iterable[Finding], *, allowed: Collection[Workaround]) -> Iterator[Use]:
    """Yield what the ``allowed`` workarounds excused of ``findings``."""
    return (
        Use(workaround=finding.excuse, excused=finding.reason)
        for finding in findings
        if finding.excuse is not None and finding.excuse in allowed
    )
