"""Light nodes: processes that relive a recorded boot, as command lines and as files about them.

A light node's ``light.json`` says what it relives: which log (none: the recorded firmware
with the events of the image that it fetched), and which event's digest is changed where.
It is read at each power-on, so a change counts from the next one. Each node lives in a pid
and a mount namespace of its own: whoever ends its first process ends all of it.
"""

from __future__ import annotations

import enum
import sys
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors.taxonomy import InputError
from reconciler.lab import layout, recorded, relive
from reconciler.lab.topology import LIGHT_INTERFACE, VirtualNode

BASE_LOG = Path(__file__).with_name("ovmf.eventlog")
"""Recorded from a machine of this lab (OVMF, 256 MiB, one network card) that booted some image."""

_TAKEN_LOG = "relived.eventlog"
_LIFE = (
    'mount -t tmpfs -o mode=700,size=64m tmpfs "$1" && "$2" -m reconciler.lab.firmware "$3"\n'
    'busybox ip link set "$4" down; busybox ip addr flush dev "$4"'
)


class Place(enum.StrEnum):
    """Where an event's digest is changed."""

    BOTH = "both"
    SENT = "sent"
    EXTENDED = "extended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a light node relives. ``log`` is the name of a file beside it, ``event`` 0 changes nothing."""

    log: str = ""
    event: int = 0
    place: Place = Place.BOTH


def run_folder(node: VirtualNode) -> Path:
    """Return the folder that is a light node's memory: a tmpfs which only the node itself sees."""
    return layout.RUN / "light" / node.name


def argv(node: VirtualNode) -> list[str]:
    """Return the command of one power-on; the node's folder is among its arguments and names it."""
    return [
        "nsenter", f"--net=/run/netns/{node.namespace}", "--",
        "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
        "sh", "-c", _LIFE, "sh", str(run_folder(node)), sys.executable, node.name, LIGHT_INTERFACE,
    ]  # fmt: skip


def unplug_argv(node: VirtualNode) -> list[str]:
    """Return the command that leaves a light node's interface as a machine without power would."""
    inside = ["nsenter", f"--net=/run/netns/{node.namespace}", "--"]
    return [*inside, "sh", "-c", f"ip link set {LIGHT_INTERFACE} down; ip addr flush dev {LIGHT_INTERFACE}"]


def _script_file(home: Path) -> Path:
    return home / "light.json"


def script_of(home: Path) -> Script:
    """Return what the light node whose folder is ``home`` relives."""
    found = layout.read_json(_script_file(home)) or {}
    return Script(log=str(found.get("log", "")), event=int(found.get("event", 0)), place=Place(found.get("in", "both")))


def is_tampered(home: Path) -> bool:
    """Say whether a digest of the log is changed."""
    return script_of(home).event != 0


def write_script(home: Path, script: Script) -> None:
    """Keep what the light node relives from its next power-on."""
    content = {"log": script.log, "event": script.event, "in": script.place.value}
    layout.write_json(_script_file(home), content)


def log_of(home: Path, script: Script) -> tuple[bytes, str]:
    """Return the log that a node relives (without the events of an image that it fetches), and how to call it."""
    path = home / script.log if script.log else BASE_LOG
    return path.read_bytes(), f"event log {script.log or 'of the lab'}"


def load_log(file: Path) -> bytes:
    """Return a recorded log from ``file``; InputError where it cannot be read, used or relived."""
    subject = f"event log {file}"
    try:
        with file.open("rb") as stream:
            content = stream.read(recorded.MAX_LOG + 1)
    except OSError as error:
        raise InputError(
            subject, f"cannot be read: {error.strerror}", reason="LabLogMissing", hint="give a readable file"
        ) from error
    relive.check(recorded.read(content, subject=subject), subject=subject)
    return content


def take_log(home: Path, content: bytes) -> None:
    """Keep ``content`` as what the light node relives; a change of one of the former log's digests is forgotten."""
    layout.write_file(home / _TAKEN_LOG, content)
    write_script(home, Script(log=_TAKEN_LOG))


def logs_for(log: bytes, script: Script, *, subject: str) -> tuple[bytes, bytes]:
    """Return the log that the TPM is brought to and the log that is sent."""
    if not script.event:
        return log, log
    changed = recorded.flipped(log, event=script.event, subject=subject)
    return (
        log if script.place is Place.SENT else changed,
        log if script.place is Place.EXTENDED else changed,
    )
