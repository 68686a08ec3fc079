"""The remote that the settings name: which files are read, and which are refused before anything is sent."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from reconciler.cli.remotes import check_keys_apart, courier_for, read_token, remote_for
from reconciler.daemon.settings import RemoteSettings, load_settings
from reconciler.drivers.spool.bell import ForgeBell
from reconciler.drivers.spool.database import Database
from reconciler.errors.taxonomy import InputError
from tests.support.documents import FILES
from tests.support.gitrepo import GitRepo

_NEEDED = dict.fromkeys(("spool", "images", "keystore", "age_identity", "evidence_key", "credentials"), "x")


def private(path: Path, text: str = "INSECURE-test", mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def settings_file(folder: Path, **more: object) -> Path:
    path = folder / "settings.json"
    path.write_text(json.dumps({**_NEEDED, "tls": {"certificate": "c", "key": "k"}, **more}))
    return path


def test_paths_of_the_remote_and_the_webhook_are_below_the_settings(tmp_path: Path) -> None:
    remote = {"url": "git@h:x", "ssh_key": "k", "known_hosts": "/etc/hosts.known", "token": "t", "ca": "ca"}
    webhook = {"address": "::1", "port": 1, "secret": "s", "tls": {"certificate": "c", "key": "k"}}
    found = load_settings(settings_file(tmp_path, remote=remote, webhook=webhook))
    assert found.remote is not None
    assert found.webhook is not None
    assert found.webhook.tls is not None
    assert (found.remote.ssh_key, found.remote.known_hosts) == (tmp_path / "k", Path("/etc/hosts.known"))
    assert (found.remote.token, found.remote.ca) == (tmp_path / "t", tmp_path / "ca")
    assert (found.webhook.secret, found.webhook.tls.key) == (tmp_path / "s", tmp_path / "k")


@pytest.mark.parametrize("remote", [{}, {"url": "/x", "name": "origin"}, {"url": ""}, {"name": "-x"}])
def test_a_remote_has_one_address(tmp_path: Path, remote: dict[str, str]) -> None:
    with pytest.raises(InputError):
        load_settings(settings_file(tmp_path, remote=remote))


def test_secrets_that_others_may_read_are_refused(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    exposed = private(tmp_path / "exposed", mode=0o640)
    for remote in (
        RemoteSettings(url="https://h/x", token=exposed),
        RemoteSettings(url="git@h:x", ssh_key=exposed, known_hosts=exposed),
    ):
        with pytest.raises(InputError) as caught:
            remote_for(repo.path, settings=remote)
        assert caught.value.reason == "CredentialsExposed"
        assert "INSECURE" not in str(caught.value)


def test_files_that_are_missing_or_empty_are_named(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    key = private(tmp_path / "key")
    for remote, reason in (
        (RemoteSettings(url="git@h:x", ssh_key=tmp_path / "none"), "SettingsMissing"),
        (RemoteSettings(url="git@h:x", ssh_key=key, known_hosts=tmp_path / "none"), "SettingsMissing"),
        (RemoteSettings(url="https://h/x", token=private(tmp_path / "empty", " \n")), "SettingsMalformed"),
        (RemoteSettings(url="https://h/x", token=private(tmp_path / "two", "a b")), "SettingsMalformed"),
        (RemoteSettings(name="origin"), "RemoteUnknown"),
    ):
        with pytest.raises(InputError) as caught:
            remote_for(repo.path, settings=remote)
        assert caught.value.reason == reason


def test_a_token_is_read_anew(tmp_path: Path) -> None:
    path = private(tmp_path / "token", "one\n")
    assert read_token(path) == "one"
    private(path, "two\n")
    assert read_token(path) == "two"


def test_the_courier_of_the_settings_fetches_from_a_remote_of_the_clone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = GitRepo(tmp_path, bare=True)
    hub.point("main", hub.commit({**FILES}, signer="alice"))
    (tmp_path / "clone").mkdir()
    clone = GitRepo(tmp_path / "clone")
    clone.git("remote", "add", "origin", str(hub.path))
    found = load_settings(settings_file(tmp_path, remote={"name": "origin"}))
    with contextlib.closing(Database(tmp_path / "spool")) as database:
        courier = courier_for(clone.path, settings=found, database=database)
        assert courier is not None
        courier.look_first()
        assert clone.git("rev-parse", "refs/remotes/ringfence/main") == hub.git("rev-parse", "main")
        assert ForgeBell(database).rings() == 0
        assert courier_for(clone.path, settings=load_settings(settings_file(tmp_path)), database=database) is None
        hub.path.rename(tmp_path / "gone")
        away = courier_for(clone.path, settings=found, database=database)
        assert away is not None
        with pytest.raises(InputError):
            away.look_first()
    assert capsys.readouterr().err.startswith("error: remote ")


def test_the_key_that_signs_evidence_does_not_open_the_remote(tmp_path: Path) -> None:
    repo = GitRepo(tmp_path)
    copied = private(tmp_path / "push", repo.keys["carol"].read_text())
    own = private(tmp_path / "own", repo.keys["mallory"].read_text())
    base = load_settings(settings_file(tmp_path)).model_copy(update={"evidence_key": repo.keys["carol"]})
    for key, is_refused in ((copied, True), (own, False), (private(tmp_path / "none", "no key"), False)):
        settings = base.model_copy(update={"remote": RemoteSettings(name="origin", ssh_key=key)})
        if not is_refused:
            check_keys_apart(settings)
            continue
        with pytest.raises(InputError) as caught:
            check_keys_apart(settings)
        assert caught.value.reason == "KeyNotApart"
    check_keys_apart(base)
