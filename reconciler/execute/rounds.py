"""The round of a pass: members that proved themselves again are recorded together, in one signed statement.

Rules: only what is a repetition belongs into it: an accepted member, in the session that is on record, that is given no
keys with it. Each verdict passes its gate before the round is written; one that does not is left to its own action,
which then fails by itself. The round is written when the first of its actions is due, once; if that fails, all of them
have failed.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from reconciler.attest.verdict import Accepted
from reconciler.errors.taxonomy import RingfenceError
from reconciler.execute import gates
from reconciler.execute.records import Recorder
from reconciler.model.phase import Phase
from reconciler.plan.actions import Action, RecordEvidence


class Round:
    """What a plan records of members that proved themselves again."""

    def __init__(self, records: Recorder, *, plan: Sequence[Action]) -> None:
        """Find the repetitions in ``plan``; nothing is written yet."""
        self._records = records
        found = (self._repetition(action) for action in plan if isinstance(action, RecordEvidence))
        self._verdicts: dict[str, Accepted] = {verdict.node: verdict for verdict in found if verdict is not None}
        self._lock = threading.Lock()
        self._is_written = False
        self._error: RingfenceError | None = None

    def has(self, node: str) -> bool:
        """Return whether the proof of ``node`` is recorded with the round."""
        return node in self._verdicts

    def write(self) -> None:
        """Record the round, unless that is done; raise what kept it from being recorded."""
        with self._lock:
            if not self._is_written:
                try:
                    self._records.write_round(list(self._verdicts.values()))
                except RingfenceError as error:
                    self._error = error
                self._is_written = True
        if self._error is not None:
            raise self._error

    def _repetition(self, action: RecordEvidence) -> Accepted | None:
        head = self._records.head(action.subject)
        if head is None or head.phase is not Phase.ENCLAVE or action.keys or action.after or head.nonce is None:
            return None
        try:
            accepted = gates.check_verdict(action.accepted, node=action.subject, enclave=action.enclave)
        except RingfenceError:
            return None
        return accepted if head.attempt == accepted.attempt and self._records.is_enrolled(accepted) else None
