"""A forge's bell on the spool: one process hears the forge, another one looks at its repository.

It carries nothing but a count. Whoever hears it looks at the repository as it is; a ring too many costs one look.
"""

from __future__ import annotations

from reconciler.drivers.spool.database import Database, note_change


class ForgeBell:
    """The bell on one spool."""

    def __init__(self, database: Database) -> None:
        """Use ``database``."""
        self._database = database

    def ring(self) -> None:
        """Say that a forge has called, and wake the loop."""
        with self._database.write() as sql:
            sql.execute("UPDATE forge SET rings = rings + 1")
            note_change(sql)

    def wake(self) -> None:
        """Wake the loop only: what a ring was about is here."""
        with self._database.write() as sql:
            note_change(sql)

    def rings(self) -> int:
        """Return how often it has rung."""
        with self._database.read() as sql:
            count: int = sql.execute("SELECT rings FROM forge").fetchone()[0]
        return count
