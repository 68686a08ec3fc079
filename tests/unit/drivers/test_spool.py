"""The spool: what can go wrong beyond the contract."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.drivers.spool.boot import SpoolBootService
from reconciler.drivers.spool.database import Database
from reconciler.drivers.spool.desk import SpoolDesk
from reconciler.drivers.spool.front import Issued, RefusedError, SpoolFront
from reconciler.errors.taxonomy import InputError, TransientError
from reconciler.model.observed import AnswerStatus
from reconciler.ports.attestation import Answer, WrappedKey
from tests.support.benches import Caller, spool_caller
from tests.support.served import put_image

COMMIT = "c" * 40
ISSUED = Issued(seed=b"seed", secret=b"the secret", credential_blob=b"blob", encrypted_secret=b"encrypted")


class Store:
    """Both sides of one spool, and a clock that stands still unless told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "images").mkdir(exist_ok=True)
        self.time = datetime(2026, 3, 3, 12, tzinfo=UTC)
        self.ours, self.theirs = (Database(folder / "spool") for _ in range(2))
        self.boot = SpoolBootService(self.ours, images=folder / "images", now=self.now)
        self.desk = SpoolDesk(self.ours, now=self.now)
        self.front = SpoolFront(self.theirs, images=folder / "images", now=self.now)
        self.image = put_image(folder, b"a kernel")
        self.desk.publish(COMMIT)

    def now(self) -> datetime:
        return self.time

    def assign(self, node: str = "n1") -> Caller:
        self.boot.assign(node, enclave="blue", image=self.image, pcrs=(0, 4))
        return spool_caller(self.front, node)

    def count(self, table: str) -> int:
        with self.ours.read() as sql:
            found: int = sql.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
        return found

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with contextlib.closing(Store(tmp_path)) as made:
        yield made


def test_challenge_expires(store: Store) -> None:
    node = store.assign()
    session = node.enrol()
    nonce = node.challenge(session)
    store.time += timedelta(minutes=1, seconds=1)
    with pytest.raises(RefusedError):
        node.prove(session, nonce)
    node.prove(session, node.challenge(session))


def test_challenge_of_another_session_is_refused(store: Store) -> None:
    one, other = store.assign("n1"), store.assign("n2")
    session, stranger = one.enrol(), other.enrol()
    nonce = one.challenge(session)
    with pytest.raises(RefusedError):
        other.prove(stranger, nonce)
    one.prove(session, nonce)


def test_session_that_is_not_activated_gets_nothing(store: Store) -> None:
    store.assign()
    session = store.front.open_session("n1", ek_certificate=b"ek", ak_public=b"ak", issued=ISSUED)
    with pytest.raises(RefusedError):
        store.front.issue_challenge(session)
    with pytest.raises(RefusedError):
        store.front.confirm(session, network="blue-net")
    assert store.desk.sessions() == {}


def test_activation_may_be_repeated_when_its_answer_was_lost(store: Store) -> None:
    store.assign()
    session = store.front.open_session("n1", ek_certificate=b"ek", ak_public=b"ak", issued=ISSUED)
    first, second = (store.front.activate(session, secret=ISSUED.secret) for _ in range(2))
    assert first.nonce != second.nonce
    with pytest.raises(RefusedError):
        store.front.activate(session, secret=b"another")
    assert store.desk.sessions()["n1"].session == session, "an activated session is not ended by a wrong guess"


def test_no_challenge_without_a_published_commit(tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path)) as store:
        with store.ours.write() as sql:
            sql.execute("DELETE FROM published")
        store.assign()
        session = store.front.open_session("n1", ek_certificate=b"ek", ak_public=b"ak", issued=ISSUED)
        with pytest.raises(RefusedError):
            store.front.activate(session, secret=ISSUED.secret)


def test_evidence_that_was_replaced_is_to_be_sent_again(store: Store) -> None:
    node = store.assign()
    session = node.enrol()
    first = node.challenge(session)
    node.prove(session, first)
    second = node.challenge(session)
    node.prove(session, second)
    replaced = node.verdict(session, first)
    assert replaced is not None
    assert replaced.status is AnswerStatus.AGAIN
    assert node.verdict(session, second) is None


def test_keys_go_with_an_acceptance_only(store: Store) -> None:
    node = store.assign()
    session = node.enrol()
    nonce = node.challenge(session)
    node.prove(session, nonce)
    key = WrappedKey(name="disk", version=1, wrapped=b"age")
    store.desk.answer(Answer(session=session, nonce=nonce, status=AnswerStatus.REJECTED, keys=(key,)))
    told = node.verdict(session, nonce)
    assert told is not None
    assert told.keys == ()


def test_receipts_for_other_keys_are_refused_and_the_first_ones_count(store: Store) -> None:
    node = store.assign()
    session = node.enrol()
    nonce = node.challenge(session)
    node.prove(session, nonce)
    key = WrappedKey(name="disk", version=1, wrapped=b"age")
    store.desk.answer(Answer(session=session, nonce=nonce, status=AnswerStatus.ACCEPTED, keys=(key,)))
    for receipts in ({}, {"other": "00"}, {"disk": "00", "other": "00"}):
        with pytest.raises(RefusedError):
            node.acknowledge(session, nonce, receipts)
    node.acknowledge(session, nonce, {"disk": "aa"})
    node.acknowledge(session, nonce, {"disk": "bb"})
    answered = store.desk.sessions()["n1"].answered
    assert answered is not None
    assert answered.receipts == {"disk": "aa"}


def test_answer_to_evidence_that_never_came_is_dropped(store: Store) -> None:
    node = store.assign()
    session = node.enrol()
    nonce = node.challenge(session)
    store.desk.answer(Answer(session=session, nonce=nonce, status=AnswerStatus.ACCEPTED))
    assert store.count("answers") == 0


def test_busy_node_does_not_fill_the_disk(store: Store) -> None:
    node = store.assign()
    for _ in range(40):
        store.front.open_session("n1", ek_certificate=b"ek", ak_public=b"ak", issued=ISSUED)
    for _ in range(5):
        session = node.enrol()
        for _ in range(30):
            nonce = node.challenge(session)
            node.prove(session, nonce)
            store.desk.answer(Answer(session=session, nonce=nonce, status=AnswerStatus.AGAIN))
    assert store.count("sessions") <= 5
    assert store.count("challenges") <= 9
    assert store.count("evidence") == 1
    assert store.count("answers") <= 2


def test_withdrawal_leaves_nothing_behind(store: Store) -> None:
    node = store.assign()
    session = node.enrol()
    nonce = node.challenge(session)
    node.prove(session, nonce)
    store.desk.answer(Answer(session=session, nonce=nonce, status=AnswerStatus.AGAIN))
    store.boot.withdraw("n1")
    assert {table: store.count(table) for table in ("sessions", "challenges", "evidence", "answers")} == {
        "sessions": 0, "challenges": 0, "evidence": 0, "answers": 0,
    }  # fmt: skip


def test_image_with_other_bytes_than_its_name_says_is_not_assigned(store: Store) -> None:
    name = hashlib.sha256(b"something").hexdigest()
    (store.folder / "images" / f"{name}.efi").write_bytes(b"something else")
    with pytest.raises(InputError) as caught:
        store.boot.assign("n1", enclave="blue", image=f"sha256:{name}", pcrs=(0,))
    assert caught.value.reason == "ImageDigestMismatch"
    assert store.boot.assignments() == {}


def test_image_is_hashed_again_when_its_file_has_changed(store: Store) -> None:
    store.assign()
    path = store.folder / "images" / f"{store.image.removeprefix('sha256:')}.efi"
    assert store.front.image_of("n1") == path
    path.write_bytes(b"a colonel")
    with pytest.raises(InputError):
        store.front.image_of("n1")
    path.unlink()
    with pytest.raises(InputError):
        store.front.image_of("n1")


def test_image_is_hashed_once_while_its_file_stays(store: Store) -> None:
    store.assign()
    path = store.folder / "images" / f"{store.image.removeprefix('sha256:')}.efi"
    status = path.stat()
    path.write_bytes(b"A KERNEL")  # of the same size; with the time put back, only a hash could tell
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert store.front.image_of("n1") == path


def test_silence_of_the_service_is_noticed_and_listening_begins_anew(store: Store) -> None:
    assert store.desk.listening_since() is None
    store.front.begin_listening()
    begun = store.time
    for _ in range(10):
        store.time += timedelta(seconds=2)
        store.front.beat()
    assert store.desk.listening_since() == begun
    store.time += timedelta(seconds=6)
    assert store.desk.listening_since() is None
    store.front.beat()
    assert store.desk.listening_since() == store.time
    store.front.end_listening()
    assert store.desk.listening_since() is None


def test_loop_is_woken_by_nodes_and_by_nothing_else(store: Store) -> None:
    before = store.desk.changes()
    node = store.assign()
    store.desk.publish("d" * 40)
    store.front.begin_listening()
    assert store.desk.changes() == before
    session = node.enrol()
    nonce = node.challenge(session)
    enrolled = store.desk.changes()
    assert enrolled > before
    node.prove(session, nonce)
    assert store.desk.changes() > enrolled
    assert store.desk.wait_for_change(5, since=before) > before, "nothing is missed between looking and waiting"


def test_waiting_ends_soon_after_another_process_has_written(store: Store) -> None:
    store.assign()
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from reconciler.drivers.spool.database import Database\n"
        "from reconciler.drivers.spool.front import SpoolFront\n"
        "from tests.support.benches import spool_caller\n"
        "folder = Path(sys.argv[1])\n"
        "node = spool_caller(SpoolFront(Database(folder / 'spool'), images=folder / 'images'))\n"
        "sys.stdin.readline()\n"
        "node.enrol()\n"
        "print(time.monotonic(), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(store.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[3],
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        go = threading.Timer(0.3, lambda: child.stdin and (child.stdin.write(b"\n"), child.stdin.flush()))
        go.start()
        store.desk.wait_for_change(30)
        woken = time.monotonic()
        wrote = float(child.stdout.readline())
        go.join()
    assert woken - wrote < 30


def test_waiting_ends_at_its_time(store: Store) -> None:
    begun = time.monotonic()
    store.desk.wait_for_change(0.2)
    assert 0.2 <= time.monotonic() - begun < 30


def test_closing_one_connection_does_not_take_the_log_from_another_process(store: Store) -> None:
    node = store.assign()
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from reconciler.drivers.spool.database import Database\n"
        "for _ in range(3):\n    Database(Path(sys.argv[1])).close()\n"
    )
    subprocess.run([sys.executable, "-c", program, str(store.folder / "spool")], timeout=20, check=True)
    session = node.enrol()
    assert store.desk.sessions()["n1"].session == session


def test_spool_is_its_owners_only(store: Store) -> None:
    store.assign()
    for path in store.folder.glob("spool*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_busy_spool_is_transient(store: Store) -> None:
    with (
        contextlib.closing(Database(store.folder / "spool", busy_s=0.1)) as impatient,
        store.ours.write(),
        pytest.raises(TransientError),
    ):
        SpoolDesk(impatient).publish("d" * 40)


def test_failed_transaction_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.ours.write() as sql:
            sql.execute("DELETE FROM published")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    store.assign().enrol()


def test_file_that_is_no_spool_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"something else" * 100)
    with pytest.raises(TransientError):
        Database(tmp_path / "spool")


def test_spool_of_another_layout_is_not_used(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "spool")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(InputError):
        Database(tmp_path / "spool")
