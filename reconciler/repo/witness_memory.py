"""What a witness remembers, in a folder of its own: the head that it stands by, and proofs of what it refused.

Rules: one process at a time uses a folder; a head is on disk, flushed, before this returns; a file is the old one or
the new one, whole; a memory that cannot be read is an error and never an empty one. A proof is never written over.
What may be remembered is decided in ``evidence.witness``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from reconciler.errors.taxonomy import InputError, TransientError, TrustError
from reconciler.evidence.canonical import canonical_value
from reconciler.evidence.witness import Seen

_ORIGIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}")
_SEEN = "seen.json"


def check_origin(origin: str) -> str:
    """Return ``origin`` if it is one that ringfence gives a log (``site-a/evidence``); InputError otherwise."""
    if not _ORIGIN.fullmatch(origin):
        hint = "it is the name in ringfence.yaml, a slash, and the evidence branch"
        raise InputError("origin", f"{origin[:64]!r} is no name of a log", reason="OriginMalformed", hint=hint)
    return origin


class WitnessMemory:
    """The state folder of one witness; to be closed by ``with``."""

    def __init__(self, folder: Path) -> None:
        """Open ``folder``, made if needed. TransientError: another process uses it. InputError: it cannot be used."""
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(folder, f"cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            hint = "one witness uses one folder; wait for the other one"
            raise TransientError(f"state folder {folder.name}", "is in use", reason="StateInUse", hint=hint) from error

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let another process use the folder."""
        os.close(self._lock)

    def origins(self) -> list[str]:
        """Return the logs that are remembered here."""
        found = (path.parent.relative_to(self._folder).as_posix() for path in self._folder.glob(f"*/*/{_SEEN}"))
        return sorted(origin for origin in found if _ORIGIN.fullmatch(origin))

    def recall(self, origin: str) -> Seen | None:
        """Return the head of ``origin`` that the witness stands by, None if it never saw one."""
        path = self._place(origin) / _SEEN
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(path, f"cannot be read: {error.strerror}") from error
        try:
            seen = Seen.model_validate_json(content)
        except ValidationError:
            seen = None
        if seen is None or seen.origin != origin:
            hint = "restore it from a copy; without it, the witness cannot know what it signed"
            raise TrustError(f"state of {origin}", "cannot be read", reason="StateMalformed", hint=hint)
        return seen

    def remember(self, seen: Seen) -> None:
        """Write ``seen`` down for good, in place of what was remembered of its log; TransientError if that fails."""
        self._put(self._place(seen.origin), {_SEEN: canonical_value(seen)})

    def keep_proof(self, origin: str, *, files: dict[str, bytes]) -> Path:
        """Keep ``files`` by name as the proof of one refusal, and return their folder; the same ones are kept once.

        TransientError: they could not be written.
        """
        digest = hashlib.sha256(b"".join(name.encode() + b"\0" + files[name] + b"\0" for name in sorted(files)))
        folder = self._place(origin) / "refused" / digest.hexdigest()[:16]
        if not all((folder / name).is_file() for name in files):
            self._put(folder, files)
        return folder

    def _place(self, origin: str) -> Path:
        return self._folder / check_origin(origin)

    def _put(self, folder: Path, files: dict[str, bytes]) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, content in files.items():
                _write(folder / name, content)
            for each in folder.parents:
                _flush_folder(each)
                if each == self._folder:
                    break
        except OSError as error:
            hint = "nothing is signed until it can be; is the disk full?"
            message = f"cannot be written: {error.strerror}"
            raise TransientError(
                f"state folder {self._folder.name}", message, reason="StateUnwritable", hint=hint
            ) from error


def _unusable(path: Path, message: str) -> InputError:
    hint = "give a folder that this user may write: --state FOLDER"
    return InputError(f"state {path.name}", message, reason="StateUnusable", hint=hint)


def _write(path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
