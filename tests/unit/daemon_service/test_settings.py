"""The settings file: where things are, and what is said when it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.daemon.settings import AirlockListener, load_credentials, load_settings
from reconciler.errors.taxonomy import InputError
from reconciler.lab.settings import document as lab_document
from reconciler.lab.topology import VirtualNode
from tests.support.served import write_settings


def test_relative_paths_are_below_the_settings_folder(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path, spool="run/spool", images="/absolute", commitKey="operator"))
    assert settings.spool == tmp_path / "run/spool"
    assert settings.images == Path("/absolute")
    assert settings.commit_key == tmp_path / "operator"
    assert settings.tls.key == tmp_path / "tls.key"


def test_lab_writes_what_we_read(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(json.dumps(lab_document(tmp_path, nodes=[VirtualNode(index=1)])), encoding="utf-8")
    settings = load_settings(path)
    first = settings.listeners[0]
    assert isinstance(first, AirlockListener)
    assert (first.node, settings.image_port, settings.attestation_port) == ("n1", 80, 8443)


def test_path_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_SETTINGS", str(write_settings(tmp_path)))
    assert load_settings().spool == tmp_path / "spool.sqlite"
    monkeypatch.delenv("RINGFENCE_SETTINGS")
    with pytest.raises(InputError) as caught:
        load_settings()
    assert caught.value.reason == "SettingsMissing"


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    path = write_settings(tmp_path, spool=5, extra=1, listeners=[{"kind": "airlock", "node": "N!", "address": "x"}])
    with pytest.raises(InputError) as caught:
        load_settings(path)
    places = {finding.message.split(":")[0] for finding in caught.value.findings}
    assert places == {"spool", "extra", "listeners.0.airlock.node", "listeners.0.airlock.address"}


@pytest.mark.parametrize("text", ["", "{", "spool: here", "[]"])
def test_file_that_is_no_settings_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_settings(path)
    assert caught.value.reason == "SettingsMalformed"


def test_two_listeners_with_one_address_cannot_be_told_apart(tmp_path: Path) -> None:
    both = [{"kind": "airlock", "node": node, "address": "127.0.0.2"} for node in ("n1", "n2")]
    with pytest.raises(InputError, match="same address"):
        load_settings(write_settings(tmp_path, listeners=both))


def test_credentials_are_read_and_do_not_show(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"bmc/n1": {"user": "admin", "password": "hidden"}}), encoding="utf-8")
    path.chmod(0o600)
    found = load_credentials(path)
    assert found["bmc/n1"].user == "admin"
    assert found["bmc/n1"].password.reveal() == b"hidden"
    assert "hidden" not in repr(found)


def test_credentials_that_others_may_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text("{}", encoding="utf-8")
    path.chmod(0o644)
    with pytest.raises(InputError) as caught:
        load_credentials(path)
    assert caught.value.reason == "CredentialsExposed"


@pytest.mark.parametrize("text", ['{"bmc/n1": {"user": "a", "password": 5}}', '{"bmc/n1": "hunter2"}', "hunter2"])
def test_malformed_credentials_are_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(InputError) as caught:
        load_credentials(path)
    assert "hunter2" not in f"{caught.value} {caught.value.findings} {caught.value.__cause__}"


def test_missing_credentials_are_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load_credentials(tmp_path / "nowhere")


def test_login_to_a_switch_may_be_by_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    path, key = tmp_path / "credentials.json", tmp_path / "keys" / "tor"
    key.parent.mkdir()
    key.write_text("INSECURE-test-key")
    key.chmod(0o600)
    path.write_text('{"switch/tor": {"user": "ringfence", "key": "keys/tor"}}')
    path.chmod(0o600)
    assert load_credentials(path)["switch/tor"].key == key
    key.chmod(0o644)
    with pytest.raises(InputError) as caught:
        load_credentials(path)
    assert caught.value.reason == "CredentialsExposed"


@pytest.mark.parametrize("login", ['{"user": "u"}', '{"user": "u", "password": "p", "key": "k"}'])
def test_login_is_by_a_password_or_a_key(tmp_path: Path, login: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(f'{{"switch/tor": {login}}}')
    path.chmod(0o600)
    with pytest.raises(InputError, match="give either password or key"):
        load_credentials(path)
