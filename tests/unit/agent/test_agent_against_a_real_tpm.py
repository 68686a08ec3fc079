"""The agent's whole way, with a real TPM and real TLS; the service's own checks decide what is right."""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.agent.__main__ import main
from reconciler.agent.tpm import Tpm
from reconciler.attest.endorsement.ek import ek_name, ek_public_key
from reconciler.attest.tpm.public import parse_public, qualified_name
from reconciler.attest.tpm.quote import check_quote
from reconciler.errors.taxonomy import DeviceError
from reconciler.model.binding import qualifying_data, receipt
from tests.support.node_service import NodeService, serving
from tests.support.swtpm import make_state, running

_SECRET = b"\x00a secret\n that must not be shown"


@pytest.fixture(scope="module")
def tpm_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_state(tmp_path_factory.mktemp("tpm"))


@pytest.fixture
def tcti(tpm_state: Path, tmp_path: Path) -> Iterator[str]:
    with running(tpm_state, socket=tmp_path / "tpm.sock") as found:
        yield found


@pytest.fixture
def service(tmp_path: Path) -> Iterator[NodeService]:
    with serving(NodeService(payloads={"blue-disk": _SECRET}), tmp_path) as found:
        yield found


def live(service: NodeService, tcti: str, folder: Path, *, rounds: int = 1, pin: str = "") -> int:
    (folder / "log").write_bytes(b"a firmware's event log")
    arguments = ["--pin", pin or service.pin, "--tcti", tcti, "--port", str(service.port), "--rounds", str(rounds)]
    places = ["--service", "127.0.0.1/32", "--service", "127.0.0.1/8"]  # two networks, one address
    files = ["--event-log", str(folder / "log"), "--keys", str(folder / "keys"), "--workload", str(folder / "work")]
    return main([*arguments, *places, *files])


def reasons(service: NodeService, *, at: int = -1) -> list[str]:
    """Judge what the node handed in, by the verifier's own rules."""
    evidence = service.evidence[at]
    challenge = next(c for c in service.challenges if c["nonce"] == evidence["nonce"])
    ak = parse_public(base64.b64decode(service.enrolment["ak_public"]))
    ek = ek_name(ek_public_key(base64.b64decode(service.enrolment["ek_certificate"])))
    found, _ = check_quote(
        base64.b64decode(evidence["quote"]),
        signature=base64.b64decode(evidence["signature"]),
        ak=ak,
        extra_data=qualifying_data(
            nonce=bytes.fromhex(challenge["nonce"]),
            node="n1",
            enclave="blue",
            commit="c0" * 20,
            ephemeral=evidence["ephemeral"],
        ),
        bank="sha256",
        pcrs=challenge["pcrs"],
        values={int(pcr): bytes.fromhex(value) for pcr, value in evidence["pcrs"].items()},
        qualified_signer=qualified_name(ak, ek_name=ek),
    )
    return [reason.code for reason in found]


def test_a_node_proves_itself_takes_its_key_and_confirms(service: NodeService, tcti: str, tmp_path: Path) -> None:
    assert live(service, tcti, tmp_path) == 0
    assert reasons(service) == []
    assert base64.b64decode(service.evidence[0]["event_log"]) == b"a firmware's event log"
    nonce = bytes.fromhex(service.challenges[0]["nonce"])
    assert service.receipts == [{"blue-disk": receipt(_SECRET, nonce=nonce)}]
    assert (tmp_path / "keys" / "blue-disk").read_bytes() == _SECRET
    assert stat.S_IMODE((tmp_path / "keys" / "blue-disk").stat().st_mode) == 0o600
    assert service.calls == [
        "POST /v1/enrol",
        "POST /v1/activate",
        "POST /v1/evidence",
        "GET /v1/verdict",
        "POST /v1/acknowledge",
        "POST /v1/confirm",
    ]


def test_no_secret_is_printed(
    service: NodeService, tcti: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    live(service, tcti, tmp_path)
    printed = "".join(capfd.readouterr())
    assert "a secret" not in printed
    assert service.secret.hex() not in printed
    assert "quote sent" in printed


def test_a_node_proves_itself_again_under_a_new_challenge(service: NodeService, tcti: str, tmp_path: Path) -> None:
    assert live(service, tcti, tmp_path, rounds=3) == 0
    assert len({evidence["nonce"] for evidence in service.evidence}) == 3
    assert [reasons(service, at=at) for at in range(3)] == [[], [], []]
    assert service.calls.count("POST /v1/enrol") == 1
    assert service.calls.count("POST /v1/confirm") == 3


def test_again_means_another_challenge_and_pending_means_waiting(
    service: NodeService, tcti: str, tmp_path: Path
) -> None:
    service.verdicts = ["pending", "again", "accepted"]
    assert live(service, tcti, tmp_path) == 0
    assert len(service.evidence) == 2
    assert reasons(service) == []


def test_a_rejected_node_stops_without_a_key(service: NodeService, tcti: str, tmp_path: Path) -> None:
    service.verdicts = ["rejected"]
    assert live(service, tcti, tmp_path) == 3
    assert list((tmp_path / "keys").iterdir()) == []
    assert "POST /v1/confirm" not in service.calls


def test_nothing_is_sent_to_a_service_that_is_not_the_pinned_one(
    service: NodeService, tcti: str, tmp_path: Path
) -> None:
    assert live(service, tcti, tmp_path, pin="0" * 64) == 3
    assert service.calls == []


def test_a_refused_session_is_enrolled_anew(service: NodeService, tcti: str, tmp_path: Path) -> None:
    service.refuse_activation = 1
    assert live(service, tcti, tmp_path) == 0
    assert service.calls.count("POST /v1/enrol") == 2
    assert reasons(service) == []


def test_a_lost_answer_to_the_acknowledgement_does_not_hang_the_node(
    service: NodeService, tcti: str, tmp_path: Path
) -> None:
    service.lose_acknowledgement = True
    assert live(service, tcti, tmp_path) == 0
    assert service.calls[-1] == "POST /v1/confirm"


def test_the_workload_runs_after_confirmation_and_ends_with_the_agent(
    service: NodeService, tcti: str, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.write_text(f'#!/bin/sh\necho "$RINGFENCE_NODE $$" >{tmp_path}/ran\nexec sleep 60\n')
    work.chmod(0o755)
    assert live(service, tcti, tmp_path, rounds=8) == 0
    node, pid = (tmp_path / "ran").read_text().split()
    assert node == "n1"
    assert not Path(f"/proc/{pid}").exists()


def test_no_transient_object_is_left_in_the_tpm(tcti: str) -> None:
    from tpm2_pytss import ESAPI, TPM2_CAP, TPM2_HT

    for _ in range(4):  # a TPM has room for three
        with Tpm(tcti) as tpm:
            tpm.attestation_key()
            tpm.quote(qualifying_data=bytes(32), bank="sha256", pcrs=range(24))
    with ESAPI(tcti) as esys:
        for kind in (TPM2_HT.TRANSIENT, TPM2_HT.LOADED_SESSION):
            _, capability = esys.get_capability(TPM2_CAP.HANDLES, kind << 24, 10)
            handles = capability.data.handles
            assert len(handles) == 0


def test_the_endorsement_key_is_made_again_where_none_is_persistent(tcti: str) -> None:
    from tpm2_pytss import ESAPI, ESYS_TR

    with ESAPI(tcti) as esys:
        persistent = esys.tr_from_tpmpublic(0x81010001)
        before, _, _ = esys.read_public(persistent)
        saved = bytes(before.get_name())
        esys.evict_control(ESYS_TR.OWNER, persistent, 0x81010001)
    with Tpm(tcti) as tpm:
        tpm.attestation_key()
        made, _, _ = tpm._esys.read_public(tpm._ek)
        assert bytes(made.get_name()) == saved
        assert ek_name(ek_public_key(tpm.endorsement_certificate())) == saved


def test_a_missing_tpm_is_a_clear_device_error() -> None:
    with pytest.raises(DeviceError, match="cannot open"):
        Tpm("device:/nonexistent/tpm")


def test_a_bank_that_nobody_asked_for_is_refused(tcti: str) -> None:
    with Tpm(tcti) as tpm, pytest.raises(DeviceError, match="not supported"):
        tpm.read_pcrs(bank="sha1", pcrs=[0])
