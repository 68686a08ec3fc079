"""The webhook: who can wake the loop with it, who cannot, and what a flood or a liar achieves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from starlette.requests import Request

from reconciler.daemon.webhook import MAX_BODY, Webhook
from reconciler.drivers.spool.bell import ForgeBell
from reconciler.drivers.spool.database import Database
from reconciler.drivers.spool.desk import SpoolDesk
from reconciler.errors.taxonomy import TransientError

SECRET = b"INSECURE-test-secret-of-a-webhook"
BODY = b'{"ref": "refs/heads/main"}'
PROJECT = Path(__file__).parents[3]
WAIT_S = 60.0


def signature(body: bytes = BODY, *, key: bytes = SECRET) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def standard(body: bytes = BODY, *, key: bytes = SECRET, stamp: str = "1700000000") -> dict[str, str]:
    mac = hmac.new(key, f"delivery.{stamp}.".encode() + body, hashlib.sha256).digest()
    signed = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": "delivery", "webhook-timestamp": stamp, "webhook-signature": signed}


@dataclass(kw_only=True)
class Door:
    """A webhook whose clock stands still unless it is moved."""

    secret: bytes = SECRET
    now: float = 100.0
    rung: int = 0
    is_spool_away: bool = False
    webhook: Webhook = field(init=False)

    def __post_init__(self) -> None:
        self.webhook = Webhook(secret=self.secret, ring=self._ring, clock=lambda: self.now)

    def _ring(self) -> None:
        if self.is_spool_away:
            raise TransientError("spool", "is busy", reason="SpoolAway")
        self.rung += 1

    def post(self, headers: Mapping[str, str], *, body: bytes = BODY, length: int | None = None) -> int:
        """Return the status of one delivery, a while after the one before."""
        self.now += 5.0
        return anyio.run(self._post, dict(headers), body, length)

    async def _post(self, headers: dict[str, str], body: bytes, length: int | None) -> int:
        told = {"content-length": str(len(body) if length is None else length)} | headers
        pairs = [(name.lower().encode(), value.encode()) for name, value in told.items()]
        pieces = iter([body[:7], body[7:]])

        async def receive() -> dict[str, object]:
            piece = next(pieces, b"")
            return {"type": "http.request", "body": piece, "more_body": piece == body[:7] and bool(body[7:])}

        request = Request({"type": "http", "method": "POST", "path": "/", "headers": pairs}, receive)
        return (await self.webhook.hear(request)).status_code


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-Hub-Signature-256": f"sha256={signature()}"}, id="GitHub"),
        pytest.param({"X-Gitea-Signature": signature()}, id="Gitea"),
        pytest.param({"X-Forgejo-Signature": signature()}, id="Forgejo"),
        pytest.param({"X-Gitlab-Token": SECRET.decode()}, id="GitLab, secret token"),
        pytest.param(standard(), id="GitLab, signing token"),
        pytest.param({**standard(), "webhook-signature": f"v1,AAAA {standard()['webhook-signature']}"}, id="two keys"),
    ],
)
def test_who_has_the_secret_wakes_the_loop(headers: dict[str, str]) -> None:
    door = Door()
    assert door.post(headers) == 202
    assert door.rung == 1


def test_a_standard_secret_is_decoded_first() -> None:
    key = bytes(range(32))
    door = Door(secret=b"whsec_" + base64.b64encode(key) + b"\n")
    assert door.post(standard(key=key)) == 202
    assert Door(secret=b"whsec_!").post(standard(key=b"whsec_!")) == 202


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"X-Hub-Signature-256": f"sha256={signature(key=b'another')}"}, id="another key"),
        pytest.param({"X-Hub-Signature-256": f"sha256={signature(b'another')}"}, id="another body"),
        pytest.param({"X-Hub-Signature-256": ""}, id="empty"),
        pytest.param({"X-Hub-Signature-256": "sha256="}, id="no digest"),
        pytest.param({"X-Hub-Signature": "sha1=00"}, id="SHA-1"),
        pytest.param({"X-Gitlab-Token": ""}, id="empty token"),
        pytest.param({"X-Gitlab-Token": "é"}, id="token outside ASCII"),
        pytest.param({"X-Gitlab-Token": signature()}, id="a signature as token"),
        pytest.param({"X-Hub-Signature-256": "00", "X-Gitlab-Token": SECRET.decode()}, id="a wrong one and a good one"),
        pytest.param({**standard(), "webhook-timestamp": "1"}, id="another time"),
        pytest.param({**standard(), "webhook-signature": "v1,"}, id="empty standard signature"),
        pytest.param({**standard(), "webhook-signature": ""}, id="no standard signature"),
    ],
)
def test_who_lacks_the_secret_wakes_nobody(headers: dict[str, str]) -> None:
    door = Door()
    assert door.post(headers) == 401
    assert door.rung == 0


def test_a_replayed_delivery_only_rings_again() -> None:
    door = Door()
    assert [door.post(standard()) for _ in range(2)] == [202, 202]
    assert door.rung == 2


def test_a_body_that_is_too_large_is_refused_before_it_is_read_and_while() -> None:
    door = Door()
    good = {"X-Hub-Signature-256": signature()}
    assert door.post(good, length=MAX_BODY + 1) == 413
    assert door.post({**good, "content-length": "-1"}) == 413
    huge = bytes(MAX_BODY + 1)
    assert door.post({"X-Hub-Signature-256": signature(huge)}, body=huge, length=3) == 413
    assert door.rung == 0


def test_a_flood_is_turned_away_and_ends() -> None:
    door = Door()
    answers = []
    for _ in range(100):
        door.now -= 5.0
        answers.append(door.post({}))
    assert answers.count(401) == 60
    assert answers.count(429) == 40
    door.now += 60
    assert door.post({"X-Gitea-Signature": signature()}) == 202


def test_many_deliveries_at_once_make_one_ring_and_one_after_it() -> None:
    door = Door()

    async def all_at_once() -> list[int]:
        answers: list[int] = []

        async def one() -> None:
            answers.append(await door._post({"X-Gitea-Signature": signature()}, BODY, None))
            door.now += 2.0

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(one)
        return answers

    assert anyio.run(all_at_once) == [202] * 10
    assert 1 <= door.rung <= 10


def test_a_spool_that_is_away_is_told_to_the_forge_which_shows_it() -> None:
    door = Door(is_spool_away=True)
    assert door.post({"X-Gitea-Signature": signature()}) == 503
    door.is_spool_away = False
    assert door.post({"X-Gitea-Signature": signature()}) == 202


def test_a_body_that_breaks_off_rings_nothing() -> None:
    door = Door()

    async def broken() -> int:
        async def receive() -> dict[str, object]:
            return {"type": "http.disconnect"}

        pairs = [(b"x-gitea-signature", signature().encode())]
        request = Request({"type": "http", "method": "POST", "path": "/", "headers": pairs}, receive)
        return (await door.webhook.hear(request)).status_code

    assert anyio.run(broken) == 408
    assert door.rung == 0


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET + b"\n")
    secret.chmod(0o600)
    needed = {name: name for name in ("images", "keystore", "age_identity", "evidence_key", "credentials")}
    settings = {
        **needed,
        "spool": "spool.sqlite",
        "tls": {"certificate": "c", "key": "k"},
        "webhook": {"address": "127.0.0.1", "port": 0, "secret": "secret"},
    }
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    running = subprocess.Popen(
        [sys.executable, "-m", "reconciler.cli.main", "webhook", "--settings", str(tmp_path / "settings.json")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert running.stderr is not None
    said = running.stderr.readline()
    try:
        assert said.startswith("listening on 127.0.0.1 port "), said + running.stderr.read()
        yield int(said.split()[-1]), tmp_path / "spool.sqlite"
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(timeout=WAIT_S)
        running.stderr.close()


def test_the_process_wakes_whoever_waits_on_the_spool(process: tuple[int, Path]) -> None:
    port, spool = process
    database = Database(spool)
    try:
        desk, bell = SpoolDesk(database), ForgeBell(database)
        since = desk.changes()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/hooks/ringfence", data=BODY, headers={"X-Gitea-Signature": signature()}
        )
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310  # loopback
            assert answer.status == 202
        assert desk.wait_for_change(WAIT_S, since=since) != since
        assert bell.rings() == 1
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", data=BODY, timeout=WAIT_S)
        assert caught.value.code == 401
        caught.value.close()
        bell.wake()
        assert bell.rings() == 1
    finally:
        database.close()


def test_a_secret_that_others_may_read_or_that_is_short_is_refused(tmp_path: Path) -> None:
    for mode, text, reason in ((0o644, SECRET, "others may read it"), (0o600, b"short", "fewer than")):
        secret = tmp_path / "secret"
        secret.write_bytes(text)
        secret.chmod(mode)
        needed = dict.fromkeys(("spool", "images", "keystore", "age_identity", "evidence_key", "credentials"), "x")
        settings = {**needed, "tls": {"certificate": "c", "key": "k"}}
        settings |= {"webhook": {"address": "127.0.0.1", "port": 0, "secret": "secret"}}
        (tmp_path / "settings.json").write_text(json.dumps(settings))
        done = subprocess.run(
            [sys.executable, "-m", "reconciler.cli.main", "webhook", "--settings", str(tmp_path / "settings.json")],
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_S,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        assert done.returncode == 2
        assert reason in done.stderr
        assert "INSECURE" not in done.stderr
