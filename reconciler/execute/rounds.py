"""The round of a pass: members that proved themselves again are recorded together, in one signed statement.

1. Only what is a repetition belongs into it: an accepted member of that enclave, in the attempt and the session that
   are on record, that is given no keys with it and waits for nothing.
2. Each verdict passes its gate before the round is written; one that does not, or that cannot be packed, is left to its
   own action, which then fails by itself.
3. The round is put together and written when the first of its actions is due, once; if that fails, all of them have
   failed, and none of them is recorded in another way in this pass: it may be on the branch all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from reconciler.errors.taxonomy import RingfenceError, TransientError
from reconciler.evidence.author import News
from reconciler.execute import gates
from reconciler.execute.records import Recorder
from reconciler.model.phase import Phase
from reconciler.plan.actions import Action, RecordEvidence


class Round:
    """What a plan records of members that proved themselves again."""

    def __init__(self, records: Recorder, *, plan: Sequence[Action]) -> None:
        """Take the ``plan``; nothing is looked for and nothing written yet."""
        self._records = records
        self._plan = plan
        self._lock = threading.Lock()
        self._has_begun = False
        self._nodes: frozenset[str] = frozenset()
        self._error: RingfenceError | None = None

    def write(self, node: str) -> bool:
        """Record the round, unless that is done, and return whether the proof of ``node`` is in it.

        Raises what kept the round from being recorded, if ``node`` belongs into it.
        """
        with self._lock:
            if not self._has_begun:
                self._has_begun = True
                self._write()
        if node in self._nodes and self._error is not None:
            raise self._error
        return node in self._nodes

    def _write(self) -> None:
        found = [self._repetition(action) for action in self._plan if isinstance(action, RecordEvidence)]
        news = [item for item in found if item is not None]
        self._nodes = frozenset(item.node for item in news)
        # Whatever ends this in the middle, nobody else begins anew.
        self._error = TransientError("round", "was perhaps not recorded", reason="EvidenceInterrupted")
        try:
            if news:
                self._records.write_round(news)
        except RingfenceError as error:
            self._error = error
        else:
            self._error = None

    def _repetition(self, action: RecordEvidence) -> News | None:
        head = self._records.head(action.subject)
        if head is None or head.phase is not Phase.ENCLAVE or head.nonce is None:
            return None
        if action.keys or action.after or action.follows:
            return None
        try:
            accepted = gates.check_verdict(action.accepted, node=action.subject, enclave=action.enclave)
            is_same = (head.attempt, head.enclave) == (accepted.attempt, accepted.enclave)
            return self._records.repeated(accepted) if is_same and self._records.is_enrolled(accepted) else None
        except RingfenceError:
            return None
