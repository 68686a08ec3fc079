"""Recording what was last seen (``observation.json`` on the evidence branch), so that others can plan without metal.

Rules: written after a pass, and only if the facts differ from those on record or the record is older than ten
minutes, so that an idle loop does not grow the branch. A pass that has just changed the hardware is not recorded: what
it saw is no longer so, and the next one looks again. That the branch is busy stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from reconciler.errors.taxonomy import TransientError, TrustError
from reconciler.evidence.canonical import canonical_value
from reconciler.execute.outcome import Done, Outcome
from reconciler.execute.passes import Draft
from reconciler.model.recorded import RecordedObservation
from reconciler.plan.pin import is_change
from reconciler.plan.recorded import parse_recorded, record_of

FRESH = timedelta(minutes=10)


class ObservationLedger(Protocol):
    """Where the newest observation stands."""

    def observation(self) -> bytes | None:
        """Return what was written last, None if nothing was."""
        ...

    def set_observation(self, content: bytes) -> None:
        """Replace what was written last."""
        ...


class Recorder:
    """Keeps the recorded observation up to date, pass by pass."""

    def __init__(self, ledger: Callable[[], ObservationLedger]) -> None:
        """Write to whatever ``ledger`` gives: the desired state may name another branch one day."""
        self._ledger = ledger
        self._last: RecordedObservation | None = None
        self._has_read = False

    def note(self, draft: Draft, outcomes: Mapping[str, Outcome]) -> None:
        """Record what ``draft`` observed, if that is due after a pass that ended with ``outcomes``."""
        try:
            self._note(draft, outcomes)
        except TransientError:
            return  # The next pass tries again; nothing is decided by this file.

    def _note(self, draft: Draft, outcomes: Mapping[str, Outcome]) -> None:
        last, at = self._read(), draft.observed.observed_at
        is_old = last is None or at - last.observed_at >= FRESH
        facts = (draft.plan.observation, draft.desired.commit)
        differs = last is None or (last.fingerprint, last.commit) != facts
        has_moved = any(is_change(a) and isinstance(outcomes.get(a.id), Done) for a in draft.plan.actions)
        if is_old or (differs and not has_moved):
            found = record_of(draft.observed, desired=draft.desired)  # Not before it is needed: sites are large.
            self._ledger().set_observation(canonical_value(found))
            self._last = found

    def _read(self) -> RecordedObservation | None:
        if not self._has_read:
            content = self._ledger().observation()
            try:
                self._last = parse_recorded(content) if content else None
            except TrustError:
                self._last = None  # Another release wrote it: it is replaced.
            self._has_read = True
        return self._last
