"""New objects, put into the repository as one pack: whole and flushed, or not at all.

Rules:
1. a pack is written in a folder of its own, read back by ``git index-pack``, flushed, and only then moved to the
   others, its index last: git never sees half of one;
2. every new object is in it, whether the repository seems to have it or not: git skips what "exists", even if its file
   is damaged, and looks into packs first, so that a damaged loose object no longer matters once it is written again;
3. what a dead writer left in such folders is removed; nothing that git itself wrote is, unless it is older than an hour
   and named as unfinished.
Nothing refers to the objects yet: that is the caller's next step.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from reconciler.errors.taxonomy import TransientError, cut
from reconciler.repo.git import Git

_UNFINISHED = ("tmp_pack_*", "tmp_idx_*", "tmp_rev_*", "tmp_midx_*", ".tmp-*")
_LEFT_OVER_S = 3600.0
_OWN_S = 60.0
"""A folder of ours lives for milliseconds."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class PackStore:
    """The objects of the repository ``git``."""

    def __init__(self, git: Git) -> None:
        """Nothing is read yet."""
        self._git = git
        self._objects: Path | None = None

    @property
    def objects(self) -> Path:
        """Return the folder that the repository keeps its objects in."""
        if self._objects is None:
            self._objects = self._git.own_path("objects")
        return self._objects

    def add(self, pack: bytes) -> None:
        """Put the objects of ``pack`` into the repository.

        TransientError: there is no room, or the disk fails; then nothing of it is there.
        """
        try:
            folder = Path(tempfile.mkdtemp(prefix=f"ringfence-{os.getpid()}-", dir=self.objects))
        except OSError as error:
            raise disk_trouble(error) from error
        try:
            self._add(pack, folder=folder)
        except OSError as error:
            raise disk_trouble(error) from error
        except TransientError as error:
            raise (_unread(error) if error.reason == "GitFailed" else error) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _add(self, pack: bytes, *, folder: Path) -> None:
        name = f"pack-{hashlib.sha1(pack, usedforsecurity=False).hexdigest()}"
        made, index = folder / f"{name}.pack", folder / f"{name}.idx"
        _write_flushed(made, pack)
        # Outside of any repository it compares with nothing that might be damaged, and reads each object back.
        self._git.run("index-pack", str(made), environment={"GIT_DIR": os.devnull})  # 1
        flush(index)
        target = self.objects / "pack"
        target.mkdir(exist_ok=True)
        for path in (made, index):
            path.chmod(0o444)
            path.replace(target / path.name)
        flush(target)

    def sweep(self) -> int:
        """Remove what writers that died left behind, and return how many files and folders that were."""
        own = [path for path in self.objects.glob("ringfence-*") if _is_older(path, time.time() - _OWN_S)]
        found = [path for path in own if not _is_alive(path.name.split("-")[1])]
        before = time.time() - _LEFT_OVER_S
        for pattern in _UNFINISHED:
            found += [path for path in (self.objects / "pack").glob(pattern) if _is_older(path, before)]
        for pattern in ("[0-9a-f][0-9a-f]/tmp_obj_*", "tmp_objdir-*", "tmp_obj_*"):
            found += [path for path in self.objects.glob(pattern) if _is_older(path, before)]
        for path in found:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
        return len(found)


def disk_trouble(error: OSError) -> TransientError:
    """Return what ``error`` of the disk below the repository means, and what to do."""
    if error.errno in _FULL:
        hint = "make room on the disk of the repository; nothing is lost, and it is tried again"
        return TransientError("evidence", "there is no room to write it", reason="DiskFull", hint=hint)
    hint = "look at the disk of the repository and at who owns its files; nothing of it was written"
    return TransientError("evidence", f"cannot be written: {error.strerror}", reason="EvidenceUnwritten", hint=hint)


def flush(path: Path) -> None:
    """Let what was written to the file or folder at ``path`` reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_flushed(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _is_alive(process: str) -> bool:
    """Return whether ``process`` (a number) runs on this machine, perhaps as another program meanwhile."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        return True
    return True


def _is_older(path: Path, than: float) -> bool:
    try:
        return path.lstat().st_mtime < than
    except OSError:
        return False


def _unread(error: TransientError) -> TransientError:
    hint = "is the disk of the repository full, or failing? Nothing of it was kept, and it is tried again"
    message = f"could not be read back as it was written: {cut(error.message)}"
    return TransientError("evidence", message, reason="EvidenceUnwritten", hint=hint)
