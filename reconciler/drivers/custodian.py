"""The custody port embedded: one age-encrypted file in a folder of the operator's.

Rules: the file is encrypted to one identity, whose own file only its owner may read; it
is replaced whole (written aside, synced, renamed), under a lock file, so that a crash
leaves the old or the new one; of each key the two newest payloads are kept, and the
version number never falls. With the current version stands when it was made; a file of an
earlier release does not say, and nothing is made up for it. Payloads leave wrapped to a recipient, or as a receipt.
Not checked: who asks. That only a proven node is a recipient is held by ``keys``.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, Field, ValidationError

from reconciler.drivers.secret import Secret
from reconciler.errors.taxonomy import InputError, TransientError, TrustError
from reconciler.model import binding
from reconciler.model.base import Value

if TYPE_CHECKING:
    from pyrage.x25519 import Identity

_PAYLOAD_BYTES = 32
_KEPT_VERSIONS = 2
_POLL_S = 0.01
_OTHERS = 0o077


class _StoredKey(Value):
    """One key: its current version, when that was made, and the payloads still kept (base64) by version."""

    current: int = Field(ge=1)
    made_at: AwareDatetime | None = None
    payloads: dict[str, str] = Field(repr=False)

    def payload(self, version: int) -> Secret | None:
        """Return the payload of ``version`` if it is still kept."""
        kept = self.payloads.get(str(version))
        return None if kept is None else Secret(base64.b64decode(kept))

    def next(self, version: int, *, now: datetime) -> _StoredKey:
        """Return this key with a fresh payload as ``version``, made ``now``."""
        fresh = base64.b64encode(secrets.token_bytes(_PAYLOAD_BYTES)).decode()
        kept = sorted(self.payloads, key=int)[1 - _KEPT_VERSIONS :]
        payloads = {**{v: self.payloads[v] for v in kept}, str(version): fresh}
        return _StoredKey(current=version, made_at=now, payloads=payloads)


class _Store(Value):
    """What is in the file."""

    format: Literal[1] = 1
    keys: dict[str, _StoredKey] = Field(default_factory=dict)


class AgeCustodian:
    """Keys in ``folder``/keys.age; the adapter of ``ports.custody.Custodian``."""

    def __init__(
        self, folder: Path, *, identity: Path, deadline_s: float = 5.0, now: Callable[[], datetime] | None = None
    ) -> None:
        """Read the identity; the key file itself comes with the first key. ``now`` is the system's clock if None."""
        self._file = folder / "keys.age"
        self._lock_file = folder / "lock"
        self._identity = _load_identity(identity)
        self._deadline_s = deadline_s
        self._now = now or _utc_now

    def versions(self, names: Collection[str]) -> Mapping[str, int]:
        """Return the current version of each key that exists."""
        store = self._read()
        return {name: store.keys[name].current for name in names if name in store.keys}

    def made_at(self, names: Collection[str]) -> Mapping[str, datetime | None]:
        """Return when the current version of each key was made; None for one that an earlier release made."""
        store = self._read()
        return {name: store.keys[name].made_at for name in names if name in store.keys}

    def ensure(self, name: str) -> int:
        """Create version 1 of ``name`` if there is none, and return the current version."""
        return self._read_key(name) or self._advance(name, past=0)

    def rotate(self, name: str, *, past: int) -> int:
        """Make a version newer than ``past`` if there is none, and return the current version."""
        current = self._read_key(name)
        return current if current > past else self._advance(name, past=past)

    def wrap(self, name: str, *, version: int, recipient: str) -> bytes:
        """Return the payload of one version as an age file that only ``recipient`` opens."""
        import pyrage

        try:
            to = pyrage.x25519.Recipient.from_str(recipient)
        except pyrage.RecipientError as error:
            raise TrustError(f"key {name}", "the recipient is no age recipient", reason="KeyRecipient") from error
        wrapped: bytes = pyrage.encrypt(self._payload(name, version).reveal(), [to])
        return wrapped

    def receipt(self, name: str, *, version: int, nonce: bytes) -> str:
        """Return the receipt that a holder of this version gives for ``nonce``."""
        return binding.receipt(self._payload(name, version).reveal(), nonce=nonce)

    def _payload(self, name: str, version: int) -> Secret:
        key = self._read().keys.get(name)
        payload = key.payload(version) if key else None
        if payload is None:
            raise TrustError(f"key {name}", f"version {version} is not kept (any more)", reason="KeyVersionMissing")
        return payload

    def _read_key(self, name: str) -> int:
        """Return the current version of ``name``, 0 if there is none."""
        return self.versions([name]).get(name, 0)

    def _advance(self, name: str, *, past: int) -> int:
        """Make the version after ``past`` unless somebody else has meanwhile; return the current one."""
        with self._locked():
            store = self._read()
            key = store.keys.get(name)
            current = key.current if key else 0
            if current > past:
                return current
            fresh = (key or _StoredKey(current=1, payloads={})).next(past + 1, now=self._now())
            self._write(_Store(keys={**store.keys, name: fresh}))
            return fresh.current

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock file; the kernel lets go of it if this process dies."""
        end_s = time.monotonic() + self._deadline_s
        try:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._away(error) from error
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    if time.monotonic() > end_s:
                        raise TransientError(
                            "keystore", "is locked by another process", reason="KeystoreBusy"
                        ) from error
                    time.sleep(_POLL_S)
                else:
                    break
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> _Store:
        import pyrage

        try:
            encrypted = self._file.read_bytes()
        except FileNotFoundError:
            return _Store()
        except OSError as error:
            raise self._away(error) from error
        try:
            return _Store.model_validate_json(pyrage.decrypt(encrypted, [self._identity]))
        except (pyrage.DecryptError, ValidationError) as error:
            # No cause is chained: a validation error may quote what it read.
            raise TrustError(
                "keystore",
                "does not open with its identity",
                reason="KeystoreUnreadable",
                hint="restore keys.age and the identity from the same backup",
            ) from (None if isinstance(error, ValidationError) else error)

    def _write(self, store: _Store) -> None:
        import pyrage

        encrypted = pyrage.encrypt(store.model_dump_json(by_alias=True).encode(), [self._identity.to_public()])
        aside = self._file.with_suffix(".new")
        try:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as new:
                new.write(encrypted)
                new.flush()
                os.fsync(new.fileno())
            aside.replace(self._file)
            folder = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._away(error) from error

    def _away(self, error: OSError) -> TransientError:
        return TransientError("keystore", f"cannot be used: {error.strerror}", reason="KeystoreAway")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def create_identity(path: Path) -> None:
    """Make a new age identity in a file that only its owner may read; one that is there is kept."""
    from pyrage import x25519

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="ascii") as new:
        new.write(f"{x25519.Identity.generate()}\n")


def _load_identity(path: Path) -> Identity:
    import pyrage

    subject = "age identity"
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            subject, "cannot be read", reason="IdentityMissing", hint="see ageIdentity in the settings"
        ) from error
    if mode & _OTHERS:
        raise InputError(subject, "others may read it", reason="IdentityExposed", hint="chmod 600")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    try:
        return pyrage.x25519.Identity.from_str(lines[0] if len(lines) == 1 else "")
    except pyrage.IdentityError as error:
        raise InputError(subject, "is not one age identity", reason="IdentityMalformed") from error
