"""What an attacker would do to a node, so that it can be seen to be caught.

``tamper_image``: the node's airlock is pointed at a rogue boot server, which serves the
same image with one more word on its command line. ``tamper_pcr``: the node's own
workload, already trusted, is told to extend a PCR that nothing explains. ``tamper_event``: a
light node's TPM, or the log that it sends, or both, get another digest for one event.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from reconciler.errors.taxonomy import InputError
from reconciler.lab import dhcp, enter, layout, lifecycle, light, recorded, relive
from reconciler.lab.layout import StateDir

ADDITION = b" tampered=1"

_SECTION = struct.Struct("<8sIIIIIIHHI")
_MAX_PCR = 23


def _sections(uki: bytes) -> Iterator[tuple[int, str, int, int, int, int]]:
    """Yield (header offset, name, virtual size, virtual address, raw size, raw offset) of a PE file's sections."""
    try:
        (start,) = struct.unpack_from("<I", uki, 0x3C)
        count, optional = struct.unpack_from("<H12xH", uki, start + 6)
        if uki[:2] != b"MZ" or uki[start : start + 4] != b"PE\0\0":
            raise InputError("image", "is no PE file", reason="LabImageInvalid")
        for index in range(count):
            at = start + 24 + optional + index * _SECTION.size
            name, virtual, address, raw, offset, *_ = _SECTION.unpack_from(uki, at)
            yield at, name.rstrip(b"\0").decode("latin-1"), virtual, address, raw, offset
    except struct.error as error:
        raise InputError("image", "is no whole PE file", reason="LabImageInvalid") from error


def changed(uki: bytes) -> bytes:
    """Return the image with ``ADDITION`` on its command line; nothing else is moved.

    The words go into the padding behind the ``.cmdline`` section's content, as far as
    there is any, or else replace the command line's end.
    """
    for at, name, virtual, _, raw, offset in _sections(uki):
        if name != ".cmdline":
            continue
        old = uki[offset : offset + min(virtual, raw)]
        line = old.rstrip(b"\0\n ") + ADDITION
        if len(line) > raw:
            line = line[: raw - len(ADDITION) - len(line)] + ADDITION
        made = bytearray(uki)
        made[offset : offset + raw] = line.ljust(raw, b"\0")
        struct.pack_into("<I", made, at + 8, len(line))
        return bytes(made)
    raise InputError("image", "has no .cmdline section", reason="LabImageInvalid", hint="give a unified kernel image")


def newest_image(state: StateDir) -> Path:
    """Return the image that was put into the image service's folder last."""
    found = [path for path in state.images.iterdir() if path.is_file() and not path.name.startswith(".")]
    if not found:
        raise InputError(
            f"folder {state.images}", "holds no image", reason="LabImageMissing", hint="say which with --uki FILE"
        )
    return max(found, key=lambda path: path.stat().st_mtime_ns)


def _point(state: StateDir) -> None:
    """Point every airlock at its image service, or at the rogue one where there is a tampered image."""
    nodes, _ = lifecycle.configuration(state)
    text = dhcp.boot_options(nodes, tampered={path.stem for path in state.rogue.glob("*.efi")})
    done = enter.call(state, ["sh", "-c", 'printf %s "$1" >/run/ringfence/boot-options', "sh", text])
    if done.returncode:
        raise InputError("lab", "its boot options could not be written", reason="LabNotUp")
    lifecycle.hang_up(state)


def tamper_image(state: StateDir, node: str, *, uki: Path | None = None) -> Path:
    """Have ``node`` boot a changed copy of ``uki`` (or of the newest image) from now on; return the copy."""
    enter.require_running(state)
    lifecycle.node_of(state, node)
    source = uki or newest_image(state)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise InputError(f"image {source}", "cannot be read", reason="LabImageMissing") from error
    target = state.rogue / f"{node}.efi"
    layout.write_file(target, changed(content))
    _point(state)
    return target


def tamper_pcr(state: StateDir, node: str, *, pcr: int) -> None:
    """Have ``node``'s workload extend ``pcr`` when it next asks for a job."""
    if not 0 <= pcr <= _MAX_PCR:
        raise InputError("--pcr", "must be 0 to 23", reason="LabPcrInvalid")
    if lifecycle.node_of(state, node).is_light:
        hint = "change what its TPM is extended with: ringfence lab tamper NODE --event N"
        raise InputError(f"node {node}", "runs no workload, for it is light", reason="LabNodeLight", hint=hint)
    layout.write_file(state.jobs / node, f"extend-pcr {pcr}\n")


def relive_log(state: StateDir, node: str, *, file: Path | None) -> None:
    """Have light node ``node`` relive the log in ``file`` from its next power-on, or the lab's own (None)."""
    home = state.node(lifecycle.light_node_of(state, node).name)
    if file is None:
        light.write_script(home, light.Script())
        return
    light.take_log(home, light.load_log(file))


def tamper_event(state: StateDir, node: str, *, event: int, place: light.Place = light.Place.BOTH) -> None:
    """Have light node ``node`` relive its log with one bit of event ``event``'s digest flipped, from its next power-on.

    Raises InputError for an event that is not there, is not extended, or is hashed by the TPM itself.
    """
    home = state.node(lifecycle.light_node_of(state, node).name)
    script = light.Script(log=light.script_of(home).log, event=event, place=place)
    log, subject = light.log_of(home, script)
    extended, _ = light.logs_for(log, script, subject=subject)
    relive.check(recorded.read(extended, subject=subject), subject=subject)
    light.write_script(home, script)


def undo(state: StateDir, node: str) -> None:
    """Take back everything that was done to ``node``; it boots the assigned image again, and relives its whole log."""
    if lifecycle.node_of(state, node).is_light:
        light.write_script(state.node(node), light.Script(log=light.script_of(state.node(node)).log))
    (state.jobs / node).unlink(missing_ok=True)
    (state.rogue / f"{node}.efi").unlink(missing_ok=True)
    if enter.running(state) is not None:
        _point(state)
