"""One SQLite file with short transactions, shared by two processes.

Rules: write-ahead log, so readers never wait for the writer; every write is one
immediate transaction that is committed or rolled back; the file is its owner's only;
times are whole microseconds since 1970 (UTC). SQLite's errors end here. Commits survive
the death of both processes; after a power cut the last ones may be missing, whole.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.errors.taxonomy import InputError, TransientError, cut

_LAYOUT = 3
_SCHEMA = """
CREATE TABLE published (id INTEGER PRIMARY KEY CHECK (id = 1), desired TEXT NOT NULL);
CREATE TABLE listening (id INTEGER PRIMARY KEY CHECK (id = 1), since INTEGER NOT NULL, beat INTEGER NOT NULL);
CREATE TABLE wake (id INTEGER PRIMARY KEY CHECK (id = 1), changes INTEGER NOT NULL);
INSERT INTO wake VALUES (1, 0);
CREATE TABLE forge (id INTEGER PRIMARY KEY CHECK (id = 1), rings INTEGER NOT NULL);
INSERT INTO forge VALUES (1, 0);
CREATE TABLE images (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, inode INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE assignments (
    node TEXT PRIMARY KEY, enclave TEXT NOT NULL, image TEXT NOT NULL, pcrs TEXT NOT NULL, attempt TEXT NOT NULL,
    assigned_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE sessions (
    serial INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL UNIQUE,
    node TEXT NOT NULL REFERENCES assignments (node) ON DELETE CASCADE,
    started_at INTEGER NOT NULL, ek_certificate BLOB NOT NULL, ak_public BLOB NOT NULL,
    seed BLOB NOT NULL, secret BLOB NOT NULL, credential_blob BLOB NOT NULL, encrypted_secret BLOB NOT NULL,
    returned BLOB, network TEXT, seen_at INTEGER
);
CREATE INDEX sessions_of_node ON sessions (node, serial);
CREATE TABLE challenges (
    serial INTEGER PRIMARY KEY AUTOINCREMENT, nonce BLOB NOT NULL UNIQUE,
    session TEXT NOT NULL REFERENCES sessions (session) ON DELETE CASCADE,
    desired TEXT NOT NULL, issued_at INTEGER NOT NULL, is_used INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX challenges_of_session ON challenges (session, serial);
CREATE TABLE evidence (
    session TEXT PRIMARY KEY REFERENCES sessions (session) ON DELETE CASCADE,
    nonce BLOB NOT NULL, desired TEXT NOT NULL, challenged_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    ephemeral TEXT NOT NULL, quote BLOB NOT NULL, signature BLOB NOT NULL, pcrs TEXT NOT NULL, event_log BLOB NOT NULL,
    ima_log BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE answers (
    serial INTEGER PRIMARY KEY AUTOINCREMENT, nonce BLOB NOT NULL UNIQUE,
    session TEXT NOT NULL REFERENCES sessions (session) ON DELETE CASCADE,
    status TEXT NOT NULL, keys TEXT NOT NULL, reattest_s INTEGER NOT NULL, answered_at INTEGER NOT NULL, receipts TEXT
);
CREATE INDEX answers_of_session ON answers (session, serial);
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now_utc() -> datetime:
    """Return the time of this machine's clock."""
    return datetime.now(UTC)


def to_stamp(moment: datetime) -> int:
    """Return ``moment`` as it stands in the file."""
    return (moment - _EPOCH) // _MICROSECOND


def from_stamp(stamp: int) -> datetime:
    """Return the moment that stands in the file as ``stamp``."""
    return _EPOCH + stamp * _MICROSECOND


class Database:
    """One connection; threads take turns on it."""

    def __init__(self, path: Path, *, busy_s: float = 5.0) -> None:
        """Open the file at ``path``, and lay it out if it is new."""
        self._lock = threading.RLock()
        with _translated():
            _create(path)
            self._connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
        with self.write() as sql:
            layout = sql.execute("PRAGMA user_version").fetchone()[0]
            if layout == 0:
                for statement in _SCHEMA.split(";\n"):
                    sql.execute(statement)
                sql.execute(f"PRAGMA user_version = {_LAYOUT}")
        if layout not in {0, _LAYOUT}:
            self.close()
            raise InputError(
                "spool",
                f"has layout {layout}, not {_LAYOUT}",
                reason="SpoolLayout",
                hint="it holds nothing that lasts: stop both processes and move it away",
            )

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give one transaction that is alone in writing: all of it happens, or nothing."""
        with self._transaction("BEGIN IMMEDIATE") as sql:
            yield sql

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give one consistent view."""
        with self._transaction("BEGIN") as sql:
            yield sql

    def version(self) -> int:
        """Return a number that changes whenever another connection has written anything; very cheap."""
        with self._lock, _translated():
            number: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return number

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated():
            self._connection.execute(begin)
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _create(path: Path) -> None:
    """Make the file, readable by its owner only, unless it is there.

    One that is there is not even opened: closing it would drop the locks that SQLite holds on it in this process
    (POSIX locks belong to process and file), and another process would then take the write-ahead log away.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def note_change(sql: sqlite3.Connection) -> None:
    """Count a change made by a node, in the transaction that makes it."""
    sql.execute("UPDATE wake SET changes = changes + 1")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise TransientError("spool", cut(f"is busy or away: {error}"), reason="SpoolAway") from error
