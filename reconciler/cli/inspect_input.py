"""What the inspectors are given, read with a bound, and every fault of it told by the file's name.

Whoever inspects a file has it already, so a file that cannot be parsed is bad input here and not a broken trust: the
parsers' MalformedError becomes an InputError once, in ``parsing``, with what they say of the place kept. Special files
are read as they come, so that a kernel's own log and a shell's pipe can be named; nothing is read past the bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from reconciler.attest.reader import MalformedError
from reconciler.cli.printable import printable
from reconciler.errors.taxonomy import InputError

MAX_FILE = 64 << 20
"""The longest file that is read, and the most that the files of one option may have together, in bytes."""

MAX_FILES = 4096
"""How many files of a folder are read."""


def read_file(path: Path, *, hint: str, limit: int = MAX_FILE) -> bytes:
    """Return the content of ``path``: one byte at least, ``limit`` at most; or raise InputError with ``hint``."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise refused(path, _why(error), hint=hint) from None
    if not data:
        raise refused(path, "is empty", hint=hint)
    if len(data) > limit:
        raise refused(path, f"is longer than {limit} bytes", hint=hint)
    return data


def read_files(paths: Sequence[Path], *, hint: str) -> dict[str, bytes]:
    """Return the content of each of ``paths`` by its name; of a folder, of its files but hidden ones, in order."""
    found: dict[str, bytes] = {}
    left = MAX_FILE
    for given in paths:
        for path in _files_of(given, hint=hint):
            content = read_file(path, hint=hint, limit=left)
            left -= len(content)
            found[printable(str(path))] = content
    return found


def _files_of(folder: Path, *, hint: str) -> list[Path]:
    """Return the files in ``folder``, or itself if it is none."""
    try:
        if not folder.is_dir():
            return [folder]
        found = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise refused(folder, _why(error), hint=hint) from None
    if not found:
        raise refused(folder, "is a folder without files", hint=hint)
    if len(found) > MAX_FILES:
        raise refused(folder, f"is a folder of more than {MAX_FILES} files", hint=hint)
    return found


def _why(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "is a folder"
        case PermissionError():
            return "may not be read by this user"
        case _:
            return f"cannot be read: {(error.strerror or 'unknown').lower()}"


def refused(path: Path | str, message: str, *, hint: str, reason: str = "FileUnreadable") -> InputError:
    """Return the error that says what is wrong with ``path``, with no character that could move a cursor."""
    return InputError(printable(str(path)), printable(message), reason=reason, hint=hint)


@contextmanager
def parsing(path: Path | str, *, hint: str) -> Iterator[None]:
    """Turn what a parser says against the content of ``path`` into an InputError."""
    try:
        yield
    except MalformedError as error:
        raise refused(path, str(error), hint=hint, reason="FileMalformed") from None


def parse_hex(text: str, *, option: str, hint: str, limit: int) -> bytes:
    """Return the bytes that ``text`` gives in hexadecimal digits: one at least, ``limit`` at most."""
    if not text:
        raise refused(option, "is empty", hint=hint, reason="OptionInvalid")
    try:
        # Spaces, which fromhex takes, are no digits.
        value = bytes.fromhex(text if text.isalnum() else "-")
    except ValueError:
        raise refused(option, "is not in hexadecimal digits", hint=hint, reason="OptionInvalid") from None
    if len(value) > limit:
        raise refused(
            option, f"has {len(value)} bytes, at most {limit} are possible", hint=hint, reason="OptionInvalid"
        )
    return value


def parse_time(text: str | None, *, option: str) -> datetime:
    """Return the time that ``text`` gives by ISO 8601, in UTC if it does not say otherwise; without it, now."""
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        hint = "give a time by ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z"
        raise refused(option, "is not a time", hint=hint, reason="OptionInvalid") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
