"""Write initramfs archives (cpio "newc") that are the same bytes for the same content.

Rules: sorted by path, parents before children, owner 0:0, time 0, inodes counted
from 1. Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file or symbolic link (content is its target then); directories come by themselves."""

    content: bytes
    mode: int = stat.S_IFREG | 0o644

    @classmethod
    def program(cls, content: bytes) -> Entry:
        """Make a file that may be run."""
        return cls(content=content, mode=stat.S_IFREG | 0o755)

    @classmethod
    def link(cls, target: str) -> Entry:
        """Make a symbolic link."""
        return cls(content=target.encode("utf-8"), mode=stat.S_IFLNK | 0o777)


def archive(entries: Mapping[str, Entry], *, last: str = "") -> bytes:
    """Return the archive of ``entries`` (absolute paths); ``last`` names the one to be unpacked at the very end."""
    directories = {str(parent) for path in entries for parent in PurePosixPath(path).parents} - {"/"}
    rows = dict.fromkeys(directories, Entry(content=b"", mode=stat.S_IFDIR | 0o755)) | dict(entries)
    order = sorted(rows, key=lambda path: (path == last, path))
    parts = [_record(path.lstrip("/"), entry=rows[path], inode=number) for number, path in enumerate(order, 1)]
    parts.append(_record(_TRAILER, entry=Entry(content=b"", mode=0), inode=0))
    return b"".join(parts)


def _record(name: str, *, entry: Entry, inode: int) -> bytes:
    encoded = name.encode("utf-8") + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + encoded) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
