"""What the agent is told: by its measured command line, and by arguments for tests and light nodes.

Rules: the pin comes from the kernel's command line (``ringfence.pin=`` with 64
hexadecimal digits, exactly once) unless an argument gives it; without a pin there
are no settings, so the agent cannot run.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors.taxonomy import InputError

_PIN = re.compile(r"[0-9a-f]{64}")
_PARAMETER = "ringfence.pin="


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that may differ between a node, a light node and a test."""

    pin: str
    tcti: str
    event_log: Path
    ima_log: Path
    keys: Path
    workload: Path
    run: Path
    busybox: str
    interface: str
    port: int
    services: tuple[str, ...]
    rounds: int


def parse_pin(command_line: str) -> str:
    """Return the pin on a kernel command line; raise InputError unless there is exactly one good one."""
    values = [word.removeprefix(_PARAMETER) for word in command_line.split() if word.startswith(_PARAMETER)]
    if len(values) != 1 or not _PIN.fullmatch(values[0]):
        raise InputError(
            "command line",
            f"{_PARAMETER} must stand there once, with 64 lower-case hexadecimal digits",
            reason="PinMissing",
            hint="without a pin nobody could be trusted; build the image with --pin",
        )
    return values[0]


def load_settings(arguments: Sequence[str]) -> Settings:
    """Read the arguments and the command line file they name."""
    parser = argparse.ArgumentParser(prog="ringfence-agent", description="prove this node and receive its keys")
    parser.add_argument("--command-line", type=Path, default=Path("/proc/cmdline"))
    parser.add_argument("--pin", help="instead of the command line's (tests and light nodes)")
    parser.add_argument("--tcti", default="device:/dev/tpmrm0")
    parser.add_argument("--event-log", type=Path, default=Path("/sys/kernel/security/tpm0/binary_bios_measurements"))
    parser.add_argument("--ima-log", type=Path, default=Path("/sys/kernel/security/ima/binary_runtime_measurements"))
    parser.add_argument("--keys", type=Path, default=Path("/run/ringfence/keys"))
    parser.add_argument("--workload", type=Path, default=Path("/etc/ringfence/workload"))
    parser.add_argument("--run", type=Path, default=Path("/run/ringfence"))
    parser.add_argument("--busybox", default="/bin/busybox")
    parser.add_argument("--interface", default="", help="default: the first one with hardware behind it")
    parser.add_argument("--port", type=int, default=8443)
    parser.add_argument(
        "--service",
        action="append",
        default=[],
        help="address/prefix of the service in the airlock, then in the enclave, instead of DHCP",
    )
    parser.add_argument("--rounds", type=int, default=0, help="stop after so many accepted proofs; 0: never")
    given = parser.parse_args(arguments)
    if given.pin is None:
        pin = parse_pin(given.command_line.read_text(encoding="ascii", errors="replace"))
    else:
        pin = parse_pin(_PARAMETER + given.pin)
    return Settings(
        pin=pin,
        tcti=given.tcti,
        event_log=given.event_log,
        ima_log=given.ima_log,
        keys=given.keys,
        workload=given.workload,
        run=given.run,
        busybox=given.busybox,
        interface=given.interface,
        port=given.port,
        services=tuple(given.service),
        rounds=given.rounds,
    )
