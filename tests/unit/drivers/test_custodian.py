"""The key store in an age file: what can go wrong beyond the contract."""

from __future__ import annotations

import fcntl
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pyrage
import pytest

from reconciler.drivers.custodian import AgeCustodian, create_identity
from reconciler.drivers.secret import Secret
from reconciler.errors.taxonomy import InputError, TransientError, TrustError


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    path = tmp_path / "identity"
    create_identity(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "keystore"
    path.mkdir()
    return path


@pytest.fixture
def custodian(folder: Path, identity: Path) -> AgeCustodian:
    return AgeCustodian(folder, identity=identity, deadline_s=0.3)


def recipient() -> str:
    return str(pyrage.x25519.Identity.generate().to_public())


def test_files_are_their_owners_only(custodian: AgeCustodian, folder: Path, identity: Path) -> None:
    custodian.ensure("disk")
    for path in (identity, folder / "keys.age", folder / "lock"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_identity_that_is_there_is_kept(identity: Path) -> None:
    before = identity.read_text()
    create_identity(identity)
    assert identity.read_text() == before


def test_previous_version_is_kept_and_older_payloads_are_gone(custodian: AgeCustodian) -> None:
    custodian.ensure("disk")
    for past in (1, 2, 3):
        custodian.rotate("disk", past=past)
    assert custodian.versions(["disk"]) == {"disk": 4}
    assert custodian.receipt("disk", version=3, nonce=b"n") != custodian.receipt("disk", version=4, nonce=b"n")
    for version in (1, 2, 5):
        with pytest.raises(TrustError):
            custodian.wrap("disk", version=version, recipient=recipient())


def test_key_that_was_lost_is_made_anew_past_what_was_known(custodian: AgeCustodian) -> None:
    assert custodian.rotate("disk", past=7) == 8


@pytest.mark.parametrize("damage", [b"", b"junk", b"age-encryption.org/v1\n"])
def test_damaged_store_is_refused_and_not_written_over(custodian: AgeCustodian, folder: Path, damage: bytes) -> None:
    custodian.ensure("disk")
    (folder / "keys.age").write_bytes(damage)
    for call in (lambda: custodian.ensure("disk"), lambda: custodian.rotate("disk", past=1)):
        with pytest.raises(TrustError):
            call()
    assert (folder / "keys.age").read_bytes() == damage


def test_store_of_somebody_else_does_not_open(custodian: AgeCustodian, folder: Path, tmp_path: Path) -> None:
    custodian.ensure("disk")
    create_identity(tmp_path / "other")
    with pytest.raises(TrustError):
        AgeCustodian(folder, identity=tmp_path / "other").versions(["disk"])


def test_content_that_is_no_store_is_refused_without_quoting_it(
    custodian: AgeCustodian, folder: Path, identity: Path
) -> None:
    own = pyrage.x25519.Identity.from_str(identity.read_text().strip()).to_public()
    content = b'{"keys": {"disk": {"current": 1, "payloads": {"1": "secret", "x": 5}}}}'
    (folder / "keys.age").write_bytes(pyrage.encrypt(content, [own]))
    with pytest.raises(TrustError) as caught:
        custodian.versions(["disk"])
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value)


def _written_by_an_earlier_release(folder: Path, identity: Path, *, made_at: str = "") -> None:
    own = pyrage.x25519.Identity.from_str(identity.read_text().strip()).to_public()
    content = f'{{"format": 1, "keys": {{"disk": {{"current": 4, {made_at} "payloads": {{"4": "AAAA"}}}}}}}}'
    (folder / "keys.age").write_bytes(pyrage.encrypt(content.encode(), [own]))


def test_a_version_of_an_earlier_release_has_no_time_and_the_next_one_has(
    custodian: AgeCustodian, folder: Path, identity: Path
) -> None:
    _written_by_an_earlier_release(folder, identity)
    assert custodian.versions(["disk"]) == {"disk": 4}
    assert custodian.made_at(["disk"]) == {"disk": None}
    custodian.ensure("other")
    assert custodian.made_at(["disk"]) == {"disk": None}, "nothing is made up"
    custodian.rotate("disk", past=4)
    assert custodian.made_at(["disk"])["disk"] is not None


def test_the_time_of_a_version_is_that_of_the_clock(folder: Path, identity: Path) -> None:
    noon = datetime(2026, 3, 3, 12, tzinfo=UTC)
    AgeCustodian(folder, identity=identity, now=lambda: noon).ensure("disk")
    assert AgeCustodian(folder, identity=identity).made_at(["disk"]) == {"disk": noon}


def test_a_time_without_a_zone_is_refused(custodian: AgeCustodian, folder: Path, identity: Path) -> None:
    _written_by_an_earlier_release(folder, identity, made_at='"madeAt": "2026-03-03T12:00:00",')
    with pytest.raises(TrustError):
        custodian.made_at(["disk"])


def test_half_written_successor_of_a_crash_is_ignored(custodian: AgeCustodian, folder: Path) -> None:
    custodian.ensure("disk")
    (folder / "keys.new").write_bytes(b"half")
    assert custodian.rotate("disk", past=1) == 2
    assert not (folder / "keys.new").exists()


def test_locked_store_is_given_up_at_the_deadline(custodian: AgeCustodian, folder: Path) -> None:
    custodian.ensure("disk")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TransientError):
            custodian.rotate("disk", past=1)
        assert custodian.versions(["disk"]) == {"disk": 1}, "readers do not wait"
    assert custodian.rotate("disk", past=1) == 2


def test_writers_at_the_same_time_lose_nothing(folder: Path, identity: Path) -> None:
    names = [f"key-{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: AgeCustodian(folder, identity=identity).ensure(name), names))
    assert AgeCustodian(folder, identity=identity).versions(names) == dict.fromkeys(names, 1)


def test_store_without_its_folder_is_away(tmp_path: Path, identity: Path) -> None:
    custodian = AgeCustodian(tmp_path / "nowhere", identity=identity)
    with pytest.raises(TransientError):
        custodian.ensure("disk")


def test_recipient_that_is_none_is_refused(custodian: AgeCustodian) -> None:
    custodian.ensure("disk")
    with pytest.raises(TrustError):
        custodian.wrap("disk", version=1, recipient="age1nobody")


def test_identity_that_others_may_read_is_refused(folder: Path, identity: Path) -> None:
    identity.chmod(0o640)
    with pytest.raises(InputError) as caught:
        AgeCustodian(folder, identity=identity)
    assert caught.value.reason == "IdentityExposed"


@pytest.mark.parametrize("text", ["", "AGE-SECRET-KEY-1\n", "# only a comment\n", "a\nb\n"])
def test_identity_that_is_none_is_refused(folder: Path, identity: Path, text: str) -> None:
    identity.write_text(text)
    with pytest.raises(InputError):
        AgeCustodian(folder, identity=identity)


def test_identity_as_age_keygen_writes_it_is_taken(folder: Path, identity: Path) -> None:
    identity.write_text(f"# created: today\n# public key: age1...\n{identity.read_text()}")
    assert AgeCustodian(folder, identity=identity).ensure("disk") == 1


def test_missing_identity_is_the_operators_to_mend(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        AgeCustodian(folder, identity=tmp_path / "nowhere")


def test_secret_shows_as_stars_and_is_not_pickled() -> None:
    import pickle

    secret = Secret(b"payload")
    assert (repr(secret), f"{secret}", f"{[secret]}") == ("***", "***", "[***]")
    assert hash(secret) == hash(Secret(b"other"))
    with pytest.raises(TypeError):
        pickle.dumps(secret)
