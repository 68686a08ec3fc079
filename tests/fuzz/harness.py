"""Run a target on one input, or on mutated inputs one after the other, and say what must not be.

1. Only errors of our own taxonomy (``RingfenceError``) leave a target. 2. What Python allocates while it runs is at
most ``CONSTANT + factor * len(input)`` bytes; every ``MEASURED``th input and every long one is measured, because
measuring is slow. 3. An input is done within ``DEADLINE_S``, which is generous: it finds what hangs, not what is slow.

An input that is not long and has an outcome that was not seen before joins those that are mutated. A run is determined
by its seed, but for keys and signatures, which are made anew; time decides only where it ends.
"""

from __future__ import annotations

import hashlib
import re
import signal
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from typing import NoReturn

from reconciler.errors.taxonomy import RingfenceError
from tests.fuzz.mutate import PLAIN, Mutation, mutate, splices

CONSTANT = 1 << 17
"""What a target may allocate whatever the input, in bytes."""

DEADLINE_S = 20
MEASURED = 64
_LONG = 1 << 14
_MAX_KEPT = 512
_DIGITS = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|\d+|'[^']*'")


class HangError(BaseException):
    """An input was not done in time; no ``except Exception`` may swallow it."""


class FindingError(AssertionError):
    """Something that a target must not do; the message says how to see it again."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A parser or several in a row: ``run`` is tried on mutated ``seeds``.

    ``mutations`` know the format, and are used as often as those of any bytes. ``factor`` bounds the memory in bytes a
    byte of input. ``brief`` is the number of inputs in a brief run. A text that ``run`` returns tells outcomes apart.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    mutations: Sequence[Mutation]
    factor: int
    brief: int


@dataclass(kw_only=True)
class Tally:
    """What a run did: how many inputs, how many kinds of outcome, the most memory, the longest time."""

    inputs: int = 0
    seconds: float = 0.0
    kept: int = 0
    accepted: int = 0
    most: float = 0.0
    most_of: tuple[int, int] = (0, 0)
    slowest: tuple[float, int] = (0.0, 0)

    def __str__(self) -> str:
        """Return one line."""
        peak, size = self.most_of
        took, length = self.slowest
        return (
            f"{self.inputs} inputs in {self.seconds:.0f} s ({self.inputs / max(self.seconds, 0.001):,.0f}/s),"
            f" {self.accepted} accepted, {self.kept} outcomes; most memory {self.most:.1f} bytes a byte"
            f" ({peak} for {size}); slowest {took:.2f} s for {length} bytes"
        )


def fuzz(target: Target, *, seed: str, inputs: int | None = None, seconds: float | None = None) -> Tally:
    """Try the seeds, then mutated ones until so many ``inputs`` or ``seconds``; raise FindingError on a finding."""
    random = Random(f"{target.name} {seed}")  # noqa: S311 - a run must be repeatable; nothing is kept secret by it
    kept, seen, tally = list(target.seeds), set[str](), Tally()
    mutations = [PLAIN, (splices(kept),), target.mutations or PLAIN, target.mutations or PLAIN]
    begin = time.monotonic()
    for data in target.seeds:
        seen.add(_try(target, data, seed=seed, tally=tally, is_measured=False))  # So that caches are warm.
    while (inputs is None or tally.inputs < inputs) and (seconds is None or time.monotonic() - begin < seconds):
        chosen = kept[random.randrange(len(kept))]
        data = mutate(random, chosen, random.choice(mutations))
        is_measured = tally.inputs % MEASURED == 0 or len(data) > _LONG
        outcome = _try(target, data, seed=seed, tally=tally, is_measured=is_measured)
        if outcome not in seen and len(kept) < _MAX_KEPT and len(data) <= _LONG:
            seen.add(outcome)
            kept.append(data)
        tally.seconds, tally.kept = time.monotonic() - begin, len(seen)
    return tally


def _try(target: Target, data: bytes, *, seed: str, tally: Tally, is_measured: bool) -> str:
    tally.inputs += 1
    begin = time.perf_counter()
    try:
        outcome, peak = attempt(target, data, is_measured=is_measured)
    except (Exception, HangError) as error:  # noqa: BLE001 - whatever is foreign is what is looked for
        _report(target, data, seed=seed, number=tally.inputs, error=error)
    if not is_measured:
        tally.slowest = max(tally.slowest, (time.perf_counter() - begin, len(data)))
    tally.accepted += not outcome.startswith("!")
    share = max(0, peak - CONSTANT) / max(len(data), 1)
    if share >= tally.most and peak > tally.most_of[0]:
        tally.most, tally.most_of = share, (peak, len(data))
    return outcome


def attempt(target: Target, data: bytes, *, is_measured: bool = True) -> tuple[str, int]:
    """Run ``target`` on ``data``; return a text for the kind of outcome, and the peak of memory if that is measured."""
    peak = 0
    with _deadline(), _measuring(is_measured) as measured:
        try:
            outcome = str(target.run(data))
        except RingfenceError as error:
            outcome = f"!{type(error).__name__} {_DIGITS.sub('#', str(error))}"
        peak = measured()
    if peak > CONSTANT + target.factor * len(data):
        raise MemoryError(f"{peak} bytes for an input of {len(data)}, the factor is {target.factor}")
    return outcome, peak


def _report(target: Target, data: bytes, *, seed: str, number: int, error: BaseException) -> NoReturn:
    name = f"ringfence-fuzz-{target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path = Path(tempfile.gettempdir()) / name
    path.write_bytes(data)
    raise FindingError(
        f"{target.name}: {type(error).__name__}: {error}\n  input {number} of seed {seed!r}, {len(data)} bytes,"
        f" is in {path}\n  again: python -m tests.fuzz --input {path} {target.name}"
    ) from error


@contextmanager
def _measuring(is_measured: bool) -> Iterator[Callable[[], int]]:  # noqa: FBT001 - it says what the name says
    if not is_measured:
        yield lambda: 0
        return
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@contextmanager
def _deadline() -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise HangError(f"not done within {DEADLINE_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
