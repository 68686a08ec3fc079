"""How long a device that gave no answer is left alone, so that nobody waits for it over and over.

Rules: the first failure costs nothing, because a packet may be lost; from the second in a row on, calls within a pause
fail at once, and the pause doubles up to a limit; an answer, also a refusal, ends it. A pause is never longer than a
pass, so that a device that is back is found by the next one. Nothing here says what a device does meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from reconciler.errors.taxonomy import TransientError

FIRST_S, LONGEST_S = 5.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Silence:
    failures: int
    until_s: float


class Patience:
    """What is known of the devices that do not answer; safe to share between threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know of none."""
        self._clock = clock
        self._lock = threading.Lock()
        self._silent: dict[Hashable, _Silence] = {}

    def check(self, device: Hashable, *, subject: str) -> None:
        """Raise TransientError if ``device`` is being left alone."""
        with self._lock:
            silence = self._silent.get(device)
        left_s = silence.until_s - self._clock() if silence else 0.0
        if silence and left_s > 0:
            message = f"gave no answer {silence.failures} times in a row, and is asked again in {left_s:.0f} s"
            raise TransientError(subject, message, reason="DeviceLeftAlone")

    def is_suspect(self, device: Hashable) -> bool:
        """Return whether the last call to ``device`` was in vain."""
        with self._lock:
            return device in self._silent

    def failed(self, device: Hashable) -> None:
        """Note that ``device`` gave no answer."""
        with self._lock:
            known = self._silent.get(device)
            failures = known.failures + 1 if known else 1
            pause_s = 0.0 if failures == 1 else min(LONGEST_S, FIRST_S * 2.0 ** min(failures - 2, 8))
            self._silent[device] = _Silence(failures=failures, until_s=self._clock() + pause_s)

    def answered(self, device: Hashable) -> None:
        """Note that ``device`` is there."""
        with self._lock:
            self._silent.pop(device, None)
