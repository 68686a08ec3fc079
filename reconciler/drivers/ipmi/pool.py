"""A small pool of worker processes: hard deadlines over a client that may hang.

Rules: one request at a time per worker and per BMC; the deadline counts from the call,
waiting included; a worker that overruns it or breaks is killed by its pid and replaced;
workers share the pool's fate, because their standard input ends with it. BMCs that gave
no answer the last time may hold all workers but one, and those that did so twice are
left alone for a while, so that the dead do not keep the others waiting.
"""

from __future__ import annotations

import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.drivers.ipmi.messages import Reply, Request
from reconciler.drivers.patience import Patience
from reconciler.errors.taxonomy import TransientError

_WORKER = "reconciler.drivers.ipmi.worker"
_END_S = 1.0
_LINE_LIMIT = 4096


class _Worker:
    """One worker process and its two pipes."""

    def __init__(self) -> None:
        """Start it; it imports its client while the caller does something else."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    def ask(self, request: Request, *, end_s: float) -> Reply:
        """Return the reply to ``request``; TimeoutError after ``end_s``, OSError or ValueError if the worker broke."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:  # not with the pipes above
            raise OSError("a worker without pipes")
        stdin.write(request.encode())
        line = b""
        while not line.endswith(b"\n"):
            poller = select.poll()
            poller.register(stdout, select.POLLIN)
            if not poller.poll(max(0.0, end_s - time.monotonic()) * 1000):
                raise TimeoutError
            chunk = os.read(stdout.fileno(), _LINE_LIMIT)
            line += chunk
            if not chunk or len(line) > _LINE_LIMIT:
                raise OSError("a worker ended or babbles")
        return Reply.decode(line)

    def end(self, *, grace_s: float = 0.0) -> None:
        """End the process, gently within ``grace_s``, and reap it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=_END_S)


class WorkerPool:
    """A fixed number of workers, shared by all BMCs of a site."""

    def __init__(self, *, size: int = 2, patience: Patience | None = None) -> None:
        """Start ``size`` workers, all at once."""
        self._patience = patience or Patience()
        self._for_suspects = threading.BoundedSemaphore(max(1, size - 1))
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for _ in range(size):
            self._idle.put(_Worker())
        self._size = size
        self._is_closed = False
        self._locks: defaultdict[tuple[str, int], threading.Lock] = defaultdict(threading.Lock)

    def ask(self, request: Request, *, subject: str, deadline_s: float) -> Reply:
        """Return the reply to ``request``, or raise TransientError at the deadline at the latest."""
        end_s, bmc = time.monotonic() + deadline_s, (request.address, request.port)
        self._patience.check(bmc, subject=subject)
        if not self._locks[bmc].acquire(timeout=deadline_s):
            raise TransientError(subject, "its BMC is busy with an earlier call", reason="BmcBusy")
        try:
            with self._lane(bmc, subject=subject, end_s=end_s), self._worker(subject, end_s=end_s) as worker:
                return self._noted(bmc, worker.ask(request, end_s=end_s))
        except TimeoutError as error:
            self._patience.failed(bmc)
            raise TransientError(subject, f"no answer within {deadline_s:g} s", reason="BmcSilent") from error
        except (OSError, ValueError, TypeError) as error:
            raise TransientError(subject, "the worker process broke", reason="BmcWorkerBroke") from error
        finally:
            self._locks[bmc].release()

    def _noted(self, bmc: tuple[str, int], reply: Reply) -> Reply:
        if reply.outcome == "unreachable":
            self._patience.failed(bmc)
        else:
            self._patience.answered(bmc)
        return reply

    @contextmanager
    def _lane(self, bmc: tuple[str, int], *, subject: str, end_s: float) -> Iterator[None]:
        """Let a BMC that gave no answer the last time wait for others of its kind, and leave the rest a worker."""
        if not self._patience.is_suspect(bmc):
            yield
            return
        if not self._for_suspects.acquire(timeout=max(0.0, end_s - time.monotonic())):
            raise _no_worker(subject)
        try:
            yield
        finally:
            self._for_suspects.release()

    @contextmanager
    def _worker(self, subject: str, *, end_s: float) -> Iterator[_Worker]:
        """Lend an idle worker; it comes back unharmed, or another one in its place."""
        try:
            worker = self._idle.get(timeout=max(0.0, end_s - time.monotonic()))
        except queue.Empty as error:
            raise _no_worker(subject) from error
        try:
            yield worker
        except BaseException:
            worker.end()
            if not self._is_closed:
                self._idle.put(_Worker())
            raise
        if self._is_closed:
            worker.end()
        else:
            self._idle.put(worker)

    def close(self) -> None:
        """End every worker; those that are busy now end with their call."""
        self._is_closed = True
        for _ in range(self._size):
            try:
                worker = self._idle.get(timeout=_END_S)
            except queue.Empty:
                return
            worker.end(grace_s=_END_S)


def _no_worker(subject: str) -> TransientError:
    hint = "are many BMCs dead, or is the pool small?"
    return TransientError(subject, "all workers are busy", reason="BmcWorkersBusy", hint=hint)
