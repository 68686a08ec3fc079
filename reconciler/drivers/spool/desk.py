"""The attestation port on the spool: what nodes have sent, and what they are told.

``changes`` and ``wait_for_change`` are beside the port: they wake the loop when a node
did something. The evidence is handed over as it came; nothing of it is judged here.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from reconciler.drivers.spool.database import Database, from_stamp, now_utc, to_stamp
from reconciler.model.observed import Answered, AnswerStatus, Presence, Session
from reconciler.model.submission import Activation, Evidence
from reconciler.ports.attestation import Answer

SILENCE = timedelta(seconds=5)
"""A service that has not beaten for so long is not listening."""
_KEPT_ANSWERS = 2
_POLL_S = 0.01
_SESSIONS = """
SELECT s.*, a.attempt, a.enclave, e.nonce, e.desired, e.challenged_at, e.received_at, e.ephemeral, e.quote,
    e.signature, e.pcrs, e.event_log, e.ima_log, w.nonce AS answered_nonce, w.status, w.answered_at, w.receipts
FROM sessions s JOIN assignments a ON a.node = s.node
LEFT JOIN evidence e ON e.session = s.session
LEFT JOIN answers w ON w.serial = (SELECT max(serial) FROM answers WHERE session = s.session)
WHERE s.returned IS NOT NULL ORDER BY s.serial
"""


class SpoolDesk:
    """The adapter of ``ports.attestation.AttestationDesk``."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = now_utc) -> None:
        """Work on ``database``."""
        self._database = database
        self._now = now

    def publish(self, commit: str) -> None:
        """Bind every challenge issued from now on to ``commit``."""
        with self._database.write() as sql:
            sql.execute(
                "INSERT INTO published VALUES (1, ?) ON CONFLICT DO UPDATE SET desired = excluded.desired", (commit,)
            )

    def listening_since(self) -> datetime | None:
        """Return since when the service has been listening without a break; None while it is not."""
        with self._database.read() as sql:
            row = sql.execute("SELECT since, beat FROM listening").fetchone()
        if row is None or self._now() - from_stamp(row["beat"]) > SILENCE:
            return None
        return from_stamp(row["since"])

    def sessions(self) -> Mapping[str, Session]:
        """Return each node's newest activated session of its current attempt, with its newest evidence."""
        with self._database.read() as sql:
            return {row["node"]: _session(row) for row in sql.execute(_SESSIONS)}

    def answer(self, answer: Answer) -> None:
        """Leave ``answer`` for the node to fetch; for a session that has ended, or a second time, nothing happens."""
        keys = [[k.name, k.version, base64.b64encode(k.wrapped).decode()] for k in answer.keys]
        with self._database.write() as sql:
            sql.execute(
                "INSERT OR IGNORE INTO answers (nonce, session, status, keys, reattest_s, answered_at)"
                " SELECT nonce, session, ?, ?, ?, ? FROM evidence WHERE session = ? AND nonce = ?",
                (
                    answer.status.value,
                    json.dumps(keys if answer.status is AnswerStatus.ACCEPTED else []),
                    answer.reattest_s,
                    to_stamp(self._now()),
                    answer.session,
                    answer.nonce,
                ),
            )
            sql.execute(
                "DELETE FROM answers WHERE session = ?1 AND serial NOT IN"
                " (SELECT serial FROM answers WHERE session = ?1 ORDER BY serial DESC LIMIT ?2)",
                (answer.session, _KEPT_ANSWERS),
            )

    def changes(self) -> int:
        """Return a count that rises with every change that a node makes."""
        with self._database.read() as sql:
            count: int = sql.execute("SELECT changes FROM wake").fetchone()[0]
        return count

    def wait_for_change(self, timeout_s: float, *, since: int | None = None) -> int:
        """Return the count as soon as it is not ``since`` (by default: what it is now), or after ``timeout_s``.

        Give ``since`` the count from before the last look at the sessions, and no change is missed in between.
        """
        end_s = time.monotonic() + timeout_s
        seen = self.changes() if since is None else since
        while (count := self.changes()) == seen and (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(_POLL_S, left_s))
        return count


def _session(row: sqlite3.Row) -> Session:
    return Session(
        session=row["session"],
        node=row["node"],
        attempt=row["attempt"],
        started_at=from_stamp(row["started_at"]),
        evidence=None if row["nonce"] is None else _evidence(row),
        answered=None
        if row["answered_nonce"] is None
        else Answered(
            nonce=row["answered_nonce"],
            status=AnswerStatus(row["status"]),
            answered_at=from_stamp(row["answered_at"]),
            receipts=None if row["receipts"] is None else json.loads(row["receipts"]),
        ),
        presence=None
        if row["network"] is None
        else Presence(network=row["network"], seen_at=from_stamp(row["seen_at"])),
    )


def _evidence(row: sqlite3.Row) -> Evidence:
    return Evidence(
        node=row["node"],
        enclave=row["enclave"],
        commit=row["desired"],
        attempt=row["attempt"],
        session=row["session"],
        nonce=row["nonce"],
        ephemeral=row["ephemeral"],
        ek_certificate=row["ek_certificate"],
        ak_public=row["ak_public"],
        activation=Activation(
            seed=row["seed"],
            secret=row["secret"],
            credential_blob=row["credential_blob"],
            encrypted_secret=row["encrypted_secret"],
            returned=row["returned"],
        ),
        quote=row["quote"],
        signature=row["signature"],
        pcrs={int(number): bytes.fromhex(value) for number, value in json.loads(row["pcrs"]).items()},
        event_log=row["event_log"],
        ima_log=row["ima_log"],
        challenged_at=from_stamp(row["challenged_at"]),
        received_at=from_stamp(row["received_at"]),
    )
