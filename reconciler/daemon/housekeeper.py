"""Keeps the objects of the repository in order, in a thread of its own, so that no pass ever waits for it.

Rules: one run at a time; a run that fails is said once and tried again later, and it stops nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from reconciler.errors.taxonomy import RingfenceError
from reconciler.repo.upkeep import Upkeep

_INTERVAL_S = 60.0
_AFTER_FAILURE_S = 900.0
_GRACE_S = 5.0


class Housekeeper:
    """Looks every ``interval_s`` whether ``upkeep`` is due."""

    def __init__(
        self, upkeep: Upkeep, *, report: Callable[[RingfenceError], None], interval_s: float = _INTERVAL_S
    ) -> None:
        """Do nothing yet; ``report`` tells people of a failure."""
        self._upkeep = upkeep
        self._report = report
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="housekeeper", daemon=True)
        self._said = ""

    def start(self) -> None:
        """Begin; the first look is at once, for processes that live shorter than an interval."""
        self._thread.start()

    def close(self) -> None:
        """Stop. A run under way is waited for a moment and may then end by itself: it leaves nothing half done."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_GRACE_S)

    def _work(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            pause = self._interval_s
            try:
                if self._upkeep.is_due():
                    self._upkeep.run()
                self._said = ""
            except RingfenceError as error:
                pause = max(pause, _AFTER_FAILURE_S)
                if self._said != error.reason:
                    self._said = error.reason
                    self._report(error)
