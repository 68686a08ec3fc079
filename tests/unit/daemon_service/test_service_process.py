"""The service as nodes meet it: a real process, real sockets, a TPM in software."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.drivers.spool.boot import SpoolBootService
from reconciler.drivers.spool.database import Database
from reconciler.drivers.spool.desk import SpoolDesk
from reconciler.model.observed import AnswerStatus
from reconciler.ports.attestation import Answer, WrappedKey
from tests.support.served import EPHEMERAL, N2, NETWORK, NodeClient, ServiceProcess, encode, put_image
from tests.support.softtpm import SoftTpm

COMMIT = "c" * 40
PCRS = (0, 2, 4, 7, 9, 11)
IMAGE = bytes(range(256)) * 8192


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    started = ServiceProcess(tmp_path_factory.mktemp("service"))
    yield started
    started.stop()


class Reconciler:
    """The other side of the spool."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database(folder / "spool.sqlite")
        self.boot = SpoolBootService(self.database, images=folder / "images")
        self.desk = SpoolDesk(self.database)
        self.image = put_image(folder, IMAGE)
        self.desk.publish(COMMIT)

    def assign(self, node: str = "n1") -> None:
        self.boot.assign(node, enclave="blue", image=self.image, pcrs=PCRS)

    def accept(self, node: str, nonce: bytes) -> None:
        key = WrappedKey(name="disk", version=3, wrapped=b"an age file")
        session = self.desk.sessions()[node].session
        self.desk.answer(Answer(session=session, nonce=nonce, status=AnswerStatus.ACCEPTED, keys=(key,), reattest_s=30))


@pytest.fixture
def reconciler(service: ServiceProcess) -> Iterator[Reconciler]:
    side = Reconciler(service.folder)
    for node in ("n1", "n2"):
        side.boot.withdraw(node)
    yield side
    side.database.close()


@pytest.fixture
def node(service: ServiceProcess) -> NodeClient:
    return service.node()


def test_node_is_served_the_image_assigned_to_its_airlock(reconciler: Reconciler, node: NodeClient) -> None:
    reconciler.assign()
    status, headers, content = node.boot_file()
    assert (status, content) == (200, IMAGE)
    assert headers["content-length"] == str(len(IMAGE))


def test_firmware_learns_the_length_first_and_may_take_ranges(reconciler: Reconciler, node: NodeClient) -> None:
    reconciler.assign()
    status, headers, content = node.boot_file("HEAD")
    assert (status, headers["content-length"], content) == (200, str(len(IMAGE)), b"")
    status, headers, content = node.boot_file(Range="bytes=10-19")
    assert (status, content) == (206, IMAGE[10:20])


def test_nothing_is_served_where_nothing_is_assigned(
    service: ServiceProcess, reconciler: Reconciler, node: NodeClient
) -> None:
    assert node.boot_file()[0] == 404
    reconciler.assign("n1")
    assert service.node(N2).boot_file()[0] == 404


def test_image_that_was_changed_in_the_store_is_not_served(reconciler: Reconciler, node: NodeClient) -> None:
    reconciler.assign()
    path = reconciler.folder / "images" / f"{reconciler.image.removeprefix('sha256:')}.efi"
    path.write_bytes(IMAGE + b"!")
    assert node.boot_file()[0] == 404
    path.write_bytes(IMAGE)
    assert node.boot_file()[0] == 200


@pytest.mark.parametrize("kind", ["ecc", "rsa"])
def test_whole_attempt_from_enrolment_to_confirmation(
    service: ServiceProcess, reconciler: Reconciler, kind: str
) -> None:
    reconciler.assign()
    node = service.node(tpm=SoftTpm("n1", ek=kind))
    challenge = node.open()
    assert {**challenge, "nonce": ""} == {
        "nonce": "", "node": "n1", "enclave": "blue", "commit": COMMIT, "bank": "sha256", "pcrs": list(PCRS),
    }  # fmt: skip
    nonce = node.prove(challenge)
    evidence = reconciler.desk.sessions()["n1"].evidence
    assert evidence is not None
    assert (evidence.nonce, evidence.commit, evidence.ephemeral) == (nonce, COMMIT, EPHEMERAL)
    assert evidence.activation.secret == evidence.activation.returned
    assert node.verdict(nonce) == (200, {"status": "pending"})
    reconciler.accept("n1", nonce)
    status, verdict = node.verdict(nonce)
    assert (status, verdict["status"], verdict["reattest_s"]) == (200, "accepted", 30)
    assert verdict["keys"] == [{"name": "disk", "version": 3, "wrapped": encode(b"an age file")}]
    receipts = {"disk": "ab" * 32}
    assert node.post("/v1/acknowledge", session=node.session, nonce=nonce.hex(), receipts=receipts)[0] == 200
    node.address = NETWORK
    assert node.post("/v1/confirm", session=node.session) == (200, {})
    seen = reconciler.desk.sessions()["n1"]
    assert seen.answered is not None
    assert seen.answered.receipts == receipts
    assert seen.presence is not None
    assert seen.presence.network == "blue-net"


def test_member_proves_itself_again_from_inside_its_network(reconciler: Reconciler, node: NodeClient) -> None:
    reconciler.assign()
    node.open()
    node.address = NETWORK
    status, challenge = node.get("/v1/challenge", session=node.session)
    assert status == 200
    nonce = node.prove(challenge)
    reconciler.accept("n1", nonce)
    assert node.verdict(nonce)[1]["status"] == "accepted"


def test_waiting_node_hears_its_verdict_at_once(reconciler: Reconciler, node: NodeClient) -> None:
    reconciler.assign()
    nonce = node.prove(node.open())
    heard: list[float] = []

    def listen() -> None:
        assert node.verdict(nonce, wait="10")[1]["status"] == "accepted"
        heard.append(time.monotonic())

    thread = threading.Thread(target=listen)
    thread.start()
    time.sleep(0.5)
    assert not heard
    reconciler.accept("n1", nonce)
    answered = time.monotonic()
    thread.join(timeout=10)
    assert heard[0] - answered < 0.25


def test_waiting_ends_with_pending_after_the_time_asked_for(reconciler: Reconciler, node: NodeClient) -> None:
    reconciler.assign()
    nonce = node.prove(node.open())
    begun = time.monotonic()
    assert node.verdict(nonce, wait="0.3") == (200, {"status": "pending"})
    assert 0.3 <= time.monotonic() - begun < 1.5


def test_refusals_look_the_same_whatever_the_reason(
    service: ServiceProcess, reconciler: Reconciler, node: NodeClient
) -> None:
    refused = (403, {"error": "refused"})
    assert node.enrol() == refused, "nothing is assigned"
    reconciler.assign("n1")
    reconciler.assign("n2")
    challenge = node.open()
    nonce = challenge["nonce"]
    stranger = service.node(N2)
    stranger.session = node.session
    assert stranger.get("/v1/challenge", session=node.session) == refused, "a session of another node's airlock"
    assert stranger.call("POST", "/v1/evidence", node.evidence(challenge)) == refused
    assert service.node(NETWORK).enrol() == refused, "no session is opened inside an enclave"
    assert node.post("/v1/confirm", session=node.session) == refused, "an airlock is no enclave"
    assert node.get("/v1/challenge", session="0" * 64) == refused, "no such session"
    assert node.verdict(bytes.fromhex(nonce)) == refused, "no evidence came"
    assert node.post("/v1/acknowledge", session=node.session, nonce=nonce, receipts={}) == refused
    junk = encode(b"not a certificate")
    assert node.post("/v1/enrol", ek_certificate=junk, ak_public=encode(node.tpm.ak_public)) == refused
    assert node.post("/v1/enrol", ek_certificate=encode(node.tpm.ek_certificate), ak_public=junk) == refused


def test_challenge_is_used_once(reconciler: Reconciler, node: NodeClient) -> None:
    reconciler.assign()
    challenge = node.open()
    node.prove(challenge)
    assert node.call("POST", "/v1/evidence", node.evidence(challenge))[0] == 403


def test_wrong_secret_ends_the_session(reconciler: Reconciler, node: NodeClient) -> None:
    reconciler.assign()
    node.enrol()
    for _ in range(2):
        assert node.post("/v1/activate", session=node.session, secret=encode(bytes(32)))[0] == 403
    assert reconciler.desk.sessions() == {}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"null", b'{"session": 5}', b'{"session": "zz"}',
        b'{"session": "' + b"0" * 64 + b'", "more": 1}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_malformed_messages_are_refused_as_such(service: ServiceProcess, body: bytes) -> None:
    assert service.node().call("POST", "/v1/confirm", raw=body) == (400, {"error": "malformed"})


@pytest.mark.parametrize("wait", ["-1", "11", "nan", "inf", "soon"])
def test_waiting_time_is_bounded(node: NodeClient, wait: str) -> None:
    node.session = "0" * 64
    assert node.verdict(bytes(32), wait=wait)[0] == 400


@pytest.mark.parametrize(("message", "limit"), [("enrol", 1 << 17), ("confirm", 1 << 17), ("evidence", 8 << 20)])
def test_body_over_the_limit_is_not_read(service: ServiceProcess, message: str, limit: int) -> None:
    assert service.node().call("POST", f"/v1/{message}", raw=b" " * (limit + 1)) == (413, {"error": "malformed"})


def test_one_caller_cannot_hold_all_connections(service: ServiceProcess, reconciler: Reconciler) -> None:
    reconciler.assign("n2")
    held = [socket.create_connection((N2, service.image_port), timeout=5) for _ in range(24)]
    try:
        time.sleep(0.3)
        with pytest.raises((http.client.HTTPException, OSError)):
            service.node(N2).boot_file()
        reconciler.assign("n1")
        assert service.node().boot_file()[0] == 200, "the other airlock is served all the same"
    finally:
        for each in held:
            each.close()


def test_log_tells_what_happened_and_no_secret(
    service: ServiceProcess, reconciler: Reconciler, node: NodeClient
) -> None:
    reconciler.assign()
    node.prove(node.open())
    evidence = reconciler.desk.sessions()["n1"].evidence
    assert evidence is not None
    log = service.log.read_text(encoding="utf-8")
    assert '"event": "evidence", "place": "airlock/n1", "status": 202' in log
    for secret in (node.session, evidence.activation.secret.hex(), encode(evidence.activation.secret)):
        assert secret not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_service_says_since_when_it_listens_and_ends_cleanly(tmp_path: Path, number: int) -> None:
    service = ServiceProcess(tmp_path)
    side = Reconciler(tmp_path)
    try:
        assert side.desk.listening_since() is not None
        assert service.stop(number) == 0
        assert side.desk.listening_since() is None
        assert "Traceback" not in service.log.read_text(encoding="utf-8")
    finally:
        service.stop(number)
        side.database.close()


def test_sessions_outlive_a_restart_of_the_service(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path)
    side = Reconciler(tmp_path)
    try:
        side.assign()
        node = service.node()
        challenge = node.open()
        before = side.desk.listening_since()
        service.stop(signal.SIGKILL)
        service.start()
        after = side.desk.listening_since()
        assert before is not None
        assert after is not None
        assert after > before
        node.prove(challenge)
    finally:
        service.stop()
        side.database.close()
