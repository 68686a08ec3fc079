"""How fast a device may be worked: so many transactions at once and a second, and back-off. Bookkeeping only.

Rules: times are those of a monotonic clock, given by the caller; a device that failed is
left alone for a moment that doubles with every further failure up to a few seconds, and
any answer from it ends that; after every transaction there is an instant in which those
whom it served can say what they want next, so that it is done together. Not held here: a lock; the caller has one.
"""

from __future__ import annotations

import math
from collections import deque

_FIRST_BREAK_S = 0.1
_LONGEST_BREAK_S = 2.0
_WINDOW_S = 1.0
_GATHER_S = 0.003


class Pace:
    """The pace of one device."""

    def __init__(self, *, at_once: int, per_second: int) -> None:
        """Allow ``at_once`` transactions side by side, and ``per_second`` to begin in any second."""
        self._at_once = at_once
        self._begun_s: deque[float] = deque(maxlen=per_second)
        self._running = 0
        self._failures = 0
        self._rested_s = -math.inf

    def delay(self, now_s: float) -> float:
        """Return how many seconds to wait before one more may begin; infinite until a running one has ended."""
        if self._running >= self._at_once:
            return math.inf
        is_full = len(self._begun_s) == self._begun_s.maxlen
        due_s = self._begun_s[0] + _WINDOW_S if is_full else -math.inf
        return max(due_s - now_s, self._rested_s - now_s, 0.0)

    def begin(self, now_s: float) -> None:
        """Note that a transaction begins."""
        self._running += 1
        self._begun_s.append(now_s)

    def end(self, now_s: float, *, is_away: bool, jitter: float = 0.0) -> None:
        """Note that a transaction has ended; ``is_away`` if the device did not answer.

        ``jitter``, between 0 and 1, takes up to half of the break away, so that several who wait do not come as one.
        """
        self._running -= 1
        if not is_away:
            self._failures, self._rested_s = 0, now_s + _GATHER_S
            return
        whole_s = min(_FIRST_BREAK_S * 2**self._failures, _LONGEST_BREAK_S)
        self._failures = min(self._failures + 1, 16)
        self._rested_s = now_s + whole_s * (1 - jitter / 2)
