"""The boot port on the spool: what is served to whom, in which attempt.

An assignment begins an attempt and ends the node's earlier sessions with everything
that hangs on them, in the same transaction. It serves nothing itself.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from reconciler.drivers.spool.database import Database, from_stamp, now_utc, to_stamp
from reconciler.drivers.spool.images import ImageStore
from reconciler.model.observed import Assignment

_ATTEMPT_BYTES = 16


class SpoolBootService:
    """The adapter of ``ports.boot.BootService``."""

    def __init__(self, database: Database, *, images: Path, now: Callable[[], datetime] = now_utc) -> None:
        """Serve images from the folder ``images``."""
        self._database = database
        self._images = ImageStore(images, database=database)
        self._now = now

    def assignments(self) -> Mapping[str, Assignment]:
        """Return what is served now, by node."""
        with self._database.read() as sql:
            return {row["node"]: _assignment(row) for row in sql.execute("SELECT * FROM assignments")}

    def assign(self, node: str, *, enclave: str, image: str, pcrs: tuple[int, ...]) -> Assignment:
        """Serve ``image`` to ``node`` in a fresh attempt; earlier sessions of the node end here."""
        self._images.verified(image)
        fields = (
            node,
            enclave,
            image,
            json.dumps(pcrs),
            secrets.token_hex(_ATTEMPT_BYTES),
            to_stamp(self._now()),
        )
        with self._database.write() as sql:
            sql.execute("DELETE FROM assignments WHERE node = ?", (node,))
            sql.execute("INSERT INTO assignments VALUES (?, ?, ?, ?, ?, ?)", fields)
            return _assignment(sql.execute("SELECT * FROM assignments WHERE node = ?", (node,)).fetchone())

    def withdraw(self, node: str) -> None:
        """Serve nothing to ``node`` any more and end its sessions."""
        with self._database.write() as sql:
            sql.execute("DELETE FROM assignments WHERE node = ?", (node,))


def _assignment(row: sqlite3.Row) -> Assignment:
    return Assignment(
        node=row["node"],
        enclave=row["enclave"],
        image=row["image"],
        pcrs=tuple(json.loads(row["pcrs"])),
        attempt=row["attempt"],
        assigned_at=from_stamp(row["assigned_at"]),
    )
