"""What the agent believes of what it is told: settings, answers, leases, keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyrage
import pytest

from reconciler.agent.keys import KeyRing
from reconciler.agent.messages import Challenge, Credential, Verdict
from reconciler.agent.network import FixedNetwork, parse_lease
from reconciler.agent.settings import load_settings, parse_pin
from reconciler.errors.taxonomy import InputError, TransientError, TrustError

_CHALLENGE: dict[str, Any] = {
    "nonce": "ab" * 32,
    "node": "n1",
    "enclave": "blue",
    "commit": "c0" * 20,
    "bank": "sha256",
    "pcrs": [0, 4],
}


@pytest.mark.parametrize(
    "line",
    ["quiet", "ringfence.pin=", "ringfence.pin=AB", f"ringfence.pin={'A' * 64}", f"ringfence.pin={'a' * 64} " * 2],
)
def test_without_exactly_one_good_pin_the_agent_does_not_run(line: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_pin(line)
    assert caught.value.reason == "PinMissing"


def test_the_pin_is_read_from_the_command_line_file(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_text(f"console=ttyS0 ringfence.pin={'0a' * 32} quiet\n")
    settings = load_settings(["--command-line", str(tmp_path / "cmdline")])
    assert settings.pin == "0a" * 32
    assert settings.tcti == "device:/dev/tpmrm0"


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "xyz"},
        {"nonce": ""},
        {"pcrs": []},
        {"pcrs": [24]},
        {"pcrs": [True]},
        {"pcrs": "0"},
        {"node": 1},
        {"commit": None},
    ],
)
def test_a_malformed_challenge_is_not_quoted_over(change: dict[str, Any]) -> None:
    with pytest.raises(TransientError):
        Challenge.parse(_CHALLENGE | change)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"status": "perhaps"},
        {"status": "accepted"},
        {"status": "accepted", "keys": ["k"], "reattest_s": 1},
        {"status": "accepted", "keys": [], "reattest_s": 0},
        {"status": "accepted", "keys": [], "reattest_s": True},
        {"status": "accepted", "keys": [{"name": "k", "version": "1", "wrapped": "AA=="}], "reattest_s": 1},
        {"status": "accepted", "keys": [{"name": "k", "version": 1, "wrapped": "!"}], "reattest_s": 1},
    ],
)
def test_a_malformed_verdict_is_no_verdict(document: dict[str, Any]) -> None:
    with pytest.raises(TransientError):
        Verdict.parse(document)


def test_a_malformed_credential_is_not_activated() -> None:
    with pytest.raises(TransientError):
        Credential.parse({"session": "s", "credential_blob": "AA==", "encrypted_secret": "not base64"})


def test_a_lease_names_the_service_or_else_the_router() -> None:
    assert parse_lease("ip=10.77.1.20\nsubnet=255.255.255.0\nrouter=\nserverid=10.77.1.1\n").service == "10.77.1.1"
    lease = parse_lease("ip=10.77.1.20\nsubnet=255.255.255.0\nrouter=10.77.1.9 10.77.1.8\nserverid=\n")
    assert (lease.service, lease.network) == ("10.77.1.9", "10.77.1.0/24")


@pytest.mark.parametrize("text", ["", "ip=10.77.1.20\n", "ip=x\nsubnet=255.255.255.0\nserverid=10.77.1.1\n"])
def test_a_malformed_lease_is_asked_for_again(text: str) -> None:
    with pytest.raises(TransientError):
        parse_lease(text)


def test_a_light_node_is_told_its_places_in_order() -> None:
    network = FixedNetwork(["10.77.1.1/24", "10.20.0.1/24"])
    assert [network.obtain().network for _ in range(3)] == ["10.77.1.0/24", "10.20.0.0/24", "10.20.0.0/24"]


def test_a_key_for_another_boot_is_not_kept(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    stranger = pyrage.x25519.Identity.generate().to_public()
    with pytest.raises(TrustError):
        ring.take("blue-disk", wrapped=pyrage.encrypt(b"payload", [stranger]))
    assert list((tmp_path / "keys").iterdir()) == []


@pytest.mark.parametrize("name", ["../etc", "", "a/b", ".hidden", "A" * 3, "a" * 64])
def test_a_key_cannot_choose_its_place(name: str, tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    with pytest.raises(TrustError):
        ring.take(name, wrapped=b"")


def test_a_newer_version_replaces_the_older_one(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    recipient = pyrage.x25519.Recipient.from_str(ring.recipient)
    for payload in (b"first", b"second"):
        assert ring.take("blue-disk", wrapped=pyrage.encrypt(payload, [recipient])) == payload
    assert (tmp_path / "keys" / "blue-disk").read_bytes() == b"second"
