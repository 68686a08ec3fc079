"""This machine's interfaces behind the wire port: a worker process, in the network namespace that they are in.

The worker is started by its path, with nothing of this process in it; it ends when its standard input does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from reconciler.drivers import wire_worker
from reconciler.errors.taxonomy import DeviceError, InputError, TransientError, cut

_END_S = 5.0
_MANY = 5_000


class WireProcess:
    """Raw frames on interfaces (``ports.wire.Wires``)."""

    def __init__(self, *, enter: Sequence[str] = ()) -> None:
        """Work where the words ``enter`` lead, which run a program there; start nothing before it is needed."""
        self._argv = [*enter, sys.executable, "-I", str(Path(wire_worker.__file__))]
        self._process: subprocess.Popen[str] | None = None

    def open(self, interfaces: Collection[str]) -> Mapping[str, str]:
        """Listen on ``interfaces``; return the address of each, empty if it cannot be heard."""
        names = sorted(interfaces)
        answer = self._ask({"open": names})
        if "refused" in answer:
            hint = "run it as root, or give it CAP_NET_RAW"
            message = f"may not be opened: {answer['refused'].lower()}"
            raise InputError("raw sockets", message, reason="WireRefused", hint=hint)
        return {name: answer["addresses"].get(name, "") for name in names}

    def send(self, frames: Iterable[tuple[str, bytes]]) -> None:
        """Put frames on the wire, in order."""
        words = [[name, data.hex()] for name, data in frames]
        for start in range(0, len(words), _MANY):
            self._ask({"send": words[start : start + _MANY]})

    def listen(self, seconds: float, *, until: Collection[tuple[str, str]] = ()) -> Mapping[str, frozenset[str]]:
        """Listen for ``seconds``, or until all of ``until`` came in; return the marks that came in, by interface."""
        answer = self._ask({"listen": seconds, "until": [list(pair) for pair in until]})
        if answer["down"]:
            hint = "look at its cable, and at what else uses it"
            raise DeviceError(f"interface {answer['down'][0]}", "went down", reason="WireDown", hint=hint)
        return {name: frozenset(marks) for name, marks in answer["heard"].items()}

    def close(self) -> None:
        """End the worker."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            with suppress(OSError):
                if process.stdin:
                    process.stdin.close()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        process = self._process or self._start()
        line = ""
        if process.stdin and process.stdout:
            with suppress(OSError):
                process.stdin.write(f"{json.dumps(order)}\n")
                process.stdin.flush()
                line = process.stdout.readline()
        if not line:
            told = cut(process.stderr.read().strip()) if process.stderr else ""
            self.close()
            hint = "is what the settings say under probe.enter right, and may you do it?"
            raise DeviceError("wires", told or "the worker ended", reason="WireLost", hint=hint)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _start(self) -> subprocess.Popen[str]:
        try:
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        except OSError as error:
            message = f"cannot be started: {(error.strerror or 'unknown').lower()}"
            raise TransientError(f"program {self._argv[0]}", message, reason="WireLost") from error
        return self._process
