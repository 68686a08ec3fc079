"""What was read before, by content: documents by git blob id, and trees that were found valid.

It saves time and decides nothing: only what was valid is kept, each entry is bound to its key and to this program's
sources by a digest, and whatever does not fit is as good as not there. So the file may be deleted at any time.

1. The folder and the file belong to this user, and nobody else may write or read them; otherwise there is no cache.
   Whoever can write there runs as this user already: the digests find damage, they do not keep out an owner.
2. The file's name holds a digest of the sources and libraries that read documents: another version, another file.
3. Every value is checked against its digest, which covers its key. A file that SQLite cannot read is deleted.

Trust is never kept here: whether a commit may be followed is asked anew (``repo.trust``).
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_ROOMS = ("errors", "model", "attest", "repo")
_LIBRARIES = ("pydantic", "pydantic-core", "ruamel.yaml", "cryptography")
_MAX_BYTES = 1 << 30
_BATCH = 500
_DIGEST_SIZE = 16
_WAIT_S = 1.0
_TABLES = "CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, digest BLOB, value BLOB) WITHOUT ROWID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a valid state repository holds."""

    nodes: int
    enclaves: int


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder for caches (XDG base directories), or None if ``environment`` names no home."""
    base = environment.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):
        home = environment.get("HOME", "")
        base = f"{home}/.cache" if home.startswith("/") else ""
    return Path(base) / "ringfence" if base else None


@cache
def program_digest() -> str:
    """Return a digest of everything that decides what a document means: our sources and the libraries' versions."""
    top = Path(__file__).parent.parent
    digest = hashlib.sha256(f"{sys.version}\n{[version(name) for name in _LIBRARIES]}\n".encode())
    for source in sorted(path for room in _ROOMS for path in (top / room).rglob("*.py")):
        content = source.read_bytes()
        digest.update(f"{source.relative_to(top)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


class DocumentCache:
    """One file of remembered documents; use ``open_cache``."""

    def __init__(self, path: Path, *, program: str) -> None:
        """Use the file at ``path`` for what the program with the digest ``program`` read."""
        self._path = path
        self._program = program.encode()
        self._connection: sqlite3.Connection | None = None

    def documents(self, blobs: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the documents, as JSON, of those of ``blobs`` that are remembered."""
        found: dict[str, tuple[str, ...]] = {}
        keys = (b"blob " + blob.encode() for blob in blobs)
        while some := list(islice(keys, _BATCH)):
            for key, value in self._attempt(partial(self._read, some)) or ():
                found[key[5:].decode()] = tuple(value.decode().split("\n"))
        return found

    def remember(self, documents: Mapping[str, Sequence[str]]) -> None:
        """Remember the documents of blobs that are valid."""
        self._store((b"blob " + blob.encode(), "\n".join(texts).encode()) for blob, texts in documents.items())

    def counts(self, tree: str) -> Counts | None:
        """Return what the tree holds if it was found valid as a whole, None if that is not known."""
        for _, value in self._attempt(partial(self._read, [b"tree " + tree.encode()])) or ():
            nodes, enclaves = value.split(b" ")
            return Counts(nodes=int(nodes), enclaves=int(enclaves))
        return None

    def remember_valid(self, tree: str, *, counts: Counts) -> None:
        """Remember that ``tree`` is valid as a whole."""
        self._store([(b"tree " + tree.encode(), b"%d %d" % (counts.nodes, counts.enclaves))])

    def close(self) -> None:
        """Close the file."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _read(self, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
        marks = ",".join("?" * len(keys))
        # Only question marks are put into the text.
        query = f"SELECT key, digest, value FROM entries WHERE key IN ({marks})"  # noqa: S608  # see the line above
        rows = self._opened().execute(query, keys)
        return [(key, value) for key, digest, value in rows if digest == self._digest(key, value)]

    def _store(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        rows = [(key, self._digest(key, value), value) for key, value in entries]
        if rows:
            self._attempt(partial(self._write, rows))

    def _write(self, rows: list[tuple[bytes, bytes, bytes]]) -> None:
        connection = self._opened()
        with connection:
            (size,) = connection.execute(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            ).fetchone()
            if size > _MAX_BYTES:
                connection.execute("DELETE FROM entries")
            connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows)

    def _digest(self, key: bytes, value: object) -> bytes:
        if not isinstance(value, bytes):
            return b""
        return hashlib.blake2b(key + b"\n" + value, key=self._program[:64], digest_size=_DIGEST_SIZE).digest()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(self._path, timeout=_WAIT_S, check_same_thread=False)
            # Power loss may damage the file; that is found when it is read.
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute(_TABLES)
        return self._connection

    def _attempt(self, work: Callable[[], T]) -> T | None:
        """Return what ``work`` returns, None if the file cannot be used: if it is damaged, it is deleted."""
        try:
            return work()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            busy = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
            self.close()
            if not busy:
                self._path.unlink(missing_ok=True)
            return None


def open_cache(folder: Path | None) -> DocumentCache | None:
    """Return the cache in ``folder``, or None if there can be none that only this user reads and writes."""
    if folder is None:
        return None
    program = program_digest()
    path = folder / f"documents-{program[:16]}.sqlite"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(folder):
            return None
        if not path.exists():
            for older in _others(folder):
                older.unlink(missing_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
        return DocumentCache(path, program=program) if _is_ours(path) else None
    except OSError:
        return None


def _others(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("documents-*.sqlite*") if path.is_file())


def _is_ours(path: Path) -> bool:
    found = path.lstat()
    is_plain = stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)
    return is_plain and found.st_uid == os.geteuid() and not found.st_mode & 0o077
