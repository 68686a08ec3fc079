"""The service's side of the spool: sessions, challenges, evidence, answers, presence.

Rules: a session belongs to the node whose airlock it was opened in and to that node's
current attempt, and ends with it; activating one ends the node's older ones. A nonce is
random, bound to the commit published when it was issued, expires, and is used once.
Evidence is kept, not judged. Per node only the newest few rows are kept, whatever it
sends. A refusal (``RefusedError``) tells nothing about its reason.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from reconciler.drivers.spool.database import Database, from_stamp, note_change, now_utc, to_stamp
from reconciler.drivers.spool.desk import SILENCE
from reconciler.drivers.spool.images import ImageStore
from reconciler.errors.taxonomy import TrustError
from reconciler.model.observed import AnswerStatus
from reconciler.ports.attestation import Answer, WrappedKey

CHALLENGE_LIFE = timedelta(minutes=1)
"""Longer than any TPM takes to quote, shorter than a machine that turned bad could live on an answer made ahead."""

_NONCE_BYTES = 32
_SESSION_BYTES = 32
_KEPT_UNOPENED_SESSIONS = 4
_KEPT_USED_CHALLENGES = 8


class RefusedError(TrustError):
    """The node is refused, and is told no more than that."""

    def __init__(self, why: str) -> None:
        """Say ``why`` in our own log only."""
        super().__init__("service", why, reason="Refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What was drawn and made for credential activation, before the node answers."""

    seed: bytes
    secret: bytes
    credential_blob: bytes
    encrypted_secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a node is asked to sign."""

    nonce: bytes
    node: str
    enclave: str
    commit: str
    pcrs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a node sends for one challenge; as received."""

    nonce: bytes
    ephemeral: str
    quote: bytes
    signature: bytes
    pcrs: Mapping[int, bytes]
    event_log: bytes
    ima_log: bytes = b""


class SpoolFront:
    """What the services do on the shared desk."""

    def __init__(self, database: Database, *, images: Path, now: Callable[[], datetime] = now_utc) -> None:
        """Work on ``database``; images are in the folder ``images``."""
        self._database = database
        self._images = ImageStore(images, database=database)
        self._now = now

    def begin_listening(self) -> None:
        """Say that the service listens from now on."""
        with self._database.write() as sql:
            sql.execute("INSERT OR REPLACE INTO listening VALUES (1, ?1, ?1)", (to_stamp(self._now()),))

    def beat(self) -> None:
        """Say that it still listens; after too long a silence it begins anew."""
        now = self._now()
        with self._database.write() as sql:
            sql.execute(
                "UPDATE listening SET since = CASE WHEN beat < ?1 THEN ?2 ELSE since END, beat = ?2",
                (to_stamp(now - SILENCE), to_stamp(now)),
            )

    def end_listening(self) -> None:
        """Say that nobody listens any more."""
        with self._database.write() as sql:
            sql.execute("DELETE FROM listening")

    def image_of(self, node: str) -> Path | None:
        """Return the file to serve to ``node``, None if nothing is assigned to it."""
        with self._database.read() as sql:
            row = sql.execute("SELECT image FROM assignments WHERE node = ?", (node,)).fetchone()
        return None if row is None else self._images.verified(row["image"])

    def open_session(self, node: str, *, ek_certificate: bytes, ak_public: bytes, issued: Issued) -> str:
        """Open a session of ``node`` in its current attempt and return its name."""
        name = secrets.token_hex(_SESSION_BYTES)
        with self._database.write() as sql:
            if sql.execute("SELECT 1 FROM assignments WHERE node = ?", (node,)).fetchone() is None:
                raise RefusedError(f"nothing is assigned to node {node}")
            sql.execute(
                "INSERT INTO sessions (session, node, started_at, ek_certificate, ak_public, seed, secret,"
                " credential_blob, encrypted_secret) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    name,
                    node,
                    to_stamp(self._now()),
                    ek_certificate,
                    ak_public,
                    issued.seed,
                    issued.secret,
                    issued.credential_blob,
                    issued.encrypted_secret,
                ),
            )
            sql.execute(
                "DELETE FROM sessions WHERE node = ?1 AND returned IS NULL AND serial NOT IN (SELECT serial FROM"
                " sessions WHERE node = ?1 AND returned IS NULL ORDER BY serial DESC LIMIT ?2)",
                (node, _KEPT_UNOPENED_SESSIONS),
            )
        return name

    def node_of(self, session: str) -> str:
        """Return the node that ``session`` belongs to."""
        with self._database.read() as sql:
            node: str = _find(sql, session)["node"]
        return node

    def activate(self, session: str, *, secret: bytes) -> Challenge:
        """Take the activated secret and issue a challenge. The right secret again: a fresh challenge.

        A wrong one ends the session, so that there is one guess.
        """
        with self._database.write() as sql:
            held = _find(sql, session)
            if is_right := hmac.compare_digest(held["secret"], secret):
                if held["returned"] is None:
                    sql.execute("UPDATE sessions SET returned = ? WHERE session = ?", (secret, session))
                    sql.execute("DELETE FROM sessions WHERE node = ? AND serial < ?", (held["node"], held["serial"]))
                    note_change(sql)
            else:
                sql.execute("DELETE FROM sessions WHERE session = ? AND returned IS NULL", (session,))
        if not is_right:
            raise RefusedError(f"node {held['node']} did not open its credential")
        return self.issue_challenge(session)

    def issue_challenge(self, session: str) -> Challenge:
        """Issue a fresh challenge for an activated session, bound to the commit published now.

        It is the only open one: a node cannot collect challenges and answer them ahead.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        with self._database.write() as sql:
            held = _find(sql, session, is_activated=True)
            published = sql.execute("SELECT desired FROM published").fetchone()
            if published is None:
                raise RefusedError("no commit is published yet")
            assigned = sql.execute("SELECT * FROM assignments WHERE node = ?", (held["node"],)).fetchone()
            sql.execute("DELETE FROM challenges WHERE session = ? AND is_used = 0", (session,))
            sql.execute(
                "DELETE FROM challenges WHERE session = ?1 AND serial NOT IN"
                " (SELECT serial FROM challenges WHERE session = ?1 ORDER BY serial DESC LIMIT ?2)",
                (session, _KEPT_USED_CHALLENGES),
            )
            sql.execute(
                "INSERT INTO challenges (nonce, session, desired, issued_at) VALUES (?, ?, ?, ?)",
                (nonce, session, published["desired"], to_stamp(self._now())),
            )
        return Challenge(
            nonce=nonce,
            node=held["node"],
            enclave=assigned["enclave"],
            commit=published["desired"],
            pcrs=tuple(json.loads(assigned["pcrs"])),
        )

    def store_evidence(self, session: str, submission: Submission) -> None:
        """Keep evidence for an open challenge of this session, in place of earlier evidence; the challenge is used."""
        now = self._now()
        with self._database.write() as sql:
            _find(sql, session, is_activated=True)
            challenge = sql.execute(
                "SELECT * FROM challenges WHERE session = ? AND nonce = ? AND is_used = 0", (session, submission.nonce)
            ).fetchone()
            if challenge is None or now - from_stamp(challenge["issued_at"]) > CHALLENGE_LIFE:
                raise RefusedError("no such open challenge")
            sql.execute("UPDATE challenges SET is_used = 1 WHERE serial = ?", (challenge["serial"],))
            sql.execute(
                "INSERT OR REPLACE INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    session,
                    submission.nonce,
                    challenge["desired"],
                    challenge["issued_at"],
                    to_stamp(now),
                    submission.ephemeral,
                    submission.quote,
                    submission.signature,
                    json.dumps({str(number): value.hex() for number, value in submission.pcrs.items()}),
                    submission.event_log,
                    submission.ima_log,
                ),
            )
            note_change(sql)

    def fetch_answer(self, session: str, *, nonce: bytes) -> Answer | None:
        """Return the answer to the evidence of ``nonce``, None while there is none.

        Evidence that was replaced by newer one is to be sent again.
        """
        with self._database.read() as sql:
            _find(sql, session, is_activated=True)
            row = sql.execute("SELECT * FROM answers WHERE session = ? AND nonce = ?", (session, nonce)).fetchone()
            if row is not None:
                return _answer(row)
            challenge = sql.execute(
                "SELECT 1 FROM challenges WHERE session = ? AND nonce = ? AND is_used = 1", (session, nonce)
            ).fetchone()
            waiting = sql.execute("SELECT nonce FROM evidence WHERE session = ?", (session,)).fetchone()
        if waiting is not None and waiting["nonce"] == nonce:
            return None
        if challenge is None:
            raise RefusedError("no evidence came for this nonce")
        return Answer(session=session, nonce=nonce, status=AnswerStatus.AGAIN)

    def acknowledge(self, session: str, *, nonce: bytes, receipts: Mapping[str, str]) -> None:
        """Keep the receipts for the keys of an accepted answer; the first ones count."""
        with self._database.write() as sql:
            _find(sql, session, is_activated=True)
            row = sql.execute("SELECT * FROM answers WHERE session = ? AND nonce = ?", (session, nonce)).fetchone()
            if row is None or row["status"] != AnswerStatus.ACCEPTED:
                raise RefusedError("nothing was accepted under this nonce")
            if set(receipts) != {key.name for key in _answer(row).keys}:
                raise RefusedError("the receipts are not for the keys that were handed out")
            if row["receipts"] is None:
                sql.execute(
                    "UPDATE answers SET receipts = ? WHERE serial = ?", (json.dumps(dict(receipts)), row["serial"])
                )
                note_change(sql)

    def confirm(self, session: str, *, network: str) -> None:
        """Keep that the session's node called from inside ``network``."""
        with self._database.write() as sql:
            _find(sql, session, is_activated=True)
            sql.execute(
                "UPDATE sessions SET network = ?, seen_at = ? WHERE session = ?",
                (network, to_stamp(self._now()), session),
            )
            note_change(sql)

    def version(self) -> int:
        """Return a number that changes whenever the reconciler has written; very cheap."""
        return self._database.version()


def _find(sql: sqlite3.Connection, session: str, *, is_activated: bool = False) -> sqlite3.Row:
    row: sqlite3.Row | None = sql.execute("SELECT * FROM sessions WHERE session = ?", (session,)).fetchone()
    if row is None or (is_activated and row["returned"] is None):
        raise RefusedError("no such session")
    return row


def _answer(row: sqlite3.Row) -> Answer:
    return Answer(
        session=row["session"],
        nonce=row["nonce"],
        status=AnswerStatus(row["status"]),
        keys=tuple(
            WrappedKey(name=name, version=version, wrapped=base64.b64decode(wrapped))
            for name, version, wrapped in json.loads(row["keys"])
        ),
        reattest_s=row["reattest_s"],
    )
