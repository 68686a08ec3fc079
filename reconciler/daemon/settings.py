"""The operator-local settings: where things are on this machine, never what they are.

One JSON file, named by RINGFENCE_SETTINGS or on the command line. Relative paths are
below the file's own folder. Secrets stand in files of their own, which only their owner
may read. Not checked here: that the files exist; whoever opens one says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, IPvAnyAddress, TypeAdapter, ValidationError, model_validator

from reconciler.drivers.secret import Credentials, Secret
from reconciler.errors.taxonomy import Finding, InputError
from reconciler.model.base import Duration, Name, Value
from reconciler.model.trunks import PortName

VARIABLE = "RINGFENCE_SETTINGS"
_OTHERS = 0o077
_LONGEST_SECRET = 16 * 1024
Port = Annotated[int, Field(ge=0, le=65535)]
_Part = TypeVar("_Part", bound=Value | None)
InterfaceName = Annotated[str, Field(pattern=r"^[!-.0-~]{1,15}$")]


class TlsFiles(Value):
    """The attestation service's certificate and private key (PEM)."""

    certificate: Path
    key: Path


class AirlockListener(Value):
    """Where one node's airlock is served; ``interface`` is the device that the sockets are bound to."""

    kind: Literal["airlock"]
    node: Name
    interface: InterfaceName | None = None
    address: IPvAnyAddress


class EnclaveListener(Value):
    """Where the members in one enclave network are served."""

    kind: Literal["enclave"]
    network: Name
    interface: InterfaceName | None = None
    address: IPvAnyAddress


Listener = Annotated[AirlockListener | EnclaveListener, Field(discriminator="kind")]


class RemoteSettings(Value):
    """Where the state repository is fetched from and its evidence pushed to: a ``url``, or a remote of the clone.

    ``ssh_key`` and ``token`` are files that only their owner may read.
    """

    url: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = None
    branch: Annotated[str, Field(min_length=1, max_length=255)] = "main"
    evidence: Annotated[str, Field(min_length=1, max_length=255)] = "evidence"
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    token: Path | None = None
    ca: Path | None = None
    interval: Duration = Field(default="30s", validate_default=True)
    deadline: Duration = Field(default="2m", validate_default=True)

    @model_validator(mode="after")
    def _one_address(self) -> RemoteSettings:
        if (self.url is None) == (self.name is None):
            raise ValueError("give url, or the name of a remote that the clone has; one of them")
        return self


class WebhookSettings(Value):
    """Where forges are listened to, and the file with the secret that they share; with ``tls``, over HTTPS."""

    address: IPvAnyAddress
    port: Port
    secret: Path
    tls: TlsFiles | None = None


class ProbeCable(Value):
    """A cable from this machine's ``interface`` to a test port (``spec.probe.ports`` of a zone)."""

    switch: Name
    port: PortName
    interface: InterfaceName


class ProbeSettings(Value):
    """What ``ringfence probe`` uses of this machine.

    ``enter`` are words that run a program where its and the listeners' interfaces are, if that is not here: ``ip netns
    exec services``.
    """

    cables: Annotated[tuple[ProbeCable, ...], Field(min_length=1)]
    enter: tuple[str, ...] = ()


class Settings(Value):
    """Everything that one machine's reconciler and services are told. Ports are for tests; nodes use the defaults."""

    spool: Path
    images: Path
    tls: TlsFiles
    keystore: Path
    age_identity: Path
    evidence_key: Path
    commit_key: Path | None = None
    credentials: Path
    bmc_ca: Path | None = None
    listeners: tuple[Listener, ...] = ()
    image_port: Port = 80
    attestation_port: Port = 8443
    probe: ProbeSettings | None = None
    remote: RemoteSettings | None = None
    webhook: WebhookSettings | None = None

    def below(self, folder: Path) -> Settings:
        """Return these settings with relative paths taken from ``folder``."""
        tls = TlsFiles(certificate=folder / self.tls.certificate, key=folder / self.tls.key)
        names = ("spool", "images", "keystore", "age_identity", "evidence_key", "credentials")
        found: dict[str, object] = {name: folder / getattr(self, name) for name in names}
        commit_key = None if self.commit_key is None else folder / self.commit_key
        bmc_ca = None if self.bmc_ca is None else folder / self.bmc_ca
        found |= {"remote": _below(self.remote, folder), "webhook": _below(self.webhook, folder)}
        return self.model_copy(update={**found, "tls": tls, "commit_key": commit_key, "bmc_ca": bmc_ca})


def _below(part: _Part, folder: Path) -> _Part:
    """Return ``part`` with its relative paths taken from ``folder``."""
    if part is None:
        return part
    own = {name: getattr(part, name) for name in type(part).model_fields}
    moved = {name: folder / value for name, value in own.items() if isinstance(value, Path)}
    inner = {name: _below(value, folder) for name, value in own.items() if isinstance(value, TlsFiles)}
    return part.model_copy(update={**moved, **inner})


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings at ``path``, or at the path in RINGFENCE_SETTINGS; raise InputError with every fault."""
    chosen = path or Path(os.environ.get(VARIABLE, ""))
    if not chosen.name:
        raise InputError(
            "settings", "are not named", reason="SettingsMissing", hint=f"set {VARIABLE} to the settings file's path"
        )
    try:
        settings = Settings.model_validate_json(_read(chosen, what="settings"))
    except ValidationError as error:
        raise _faulty("settings", chosen, error) from error
    addresses = [listener.address for listener in settings.listeners]
    if len(set(addresses)) != len(addresses):
        raise InputError(
            f"settings {chosen}",
            "two listeners have the same address",
            reason="SettingsMalformed",
            hint="the address says which airlock or network a request comes from",
        )
    return settings.below(chosen.resolve().parent)


class _Login(Value):
    user: str
    password: str = Field(default="", repr=False)
    key: Path | None = None

    @model_validator(mode="after")
    def _one_way(self) -> _Login:
        if bool(self.password) == (self.key is not None):
            raise ValueError("give either password or key")
        return self


def load_credentials(path: Path) -> Mapping[str, Credentials]:
    """Read the logins of BMCs and switches by name (``bmc/n1``) from a file that only its owner may read.

    A private SSH ``key`` stands in a file of its own, again its owner's only, whose path is taken from the folder of
    ``path``.
    """
    try:
        exposed = path.stat().st_mode & _OTHERS
    except OSError as error:
        raise _unreadable("credentials", path, error) from error
    if exposed:
        raise InputError(
            f"credentials {path}", "others may read them", reason="CredentialsExposed", hint=f"chmod 600 {path}"
        )
    try:
        logins = TypeAdapter(dict[str, _Login]).validate_json(_read(path, what="credentials"))
    except ValidationError as error:
        raise _faulty("credentials", path, error) from None  # its cause would quote the file
    return {name: _credentials(login, folder=path.parent) for name, login in logins.items()}


def _credentials(login: _Login, *, folder: Path) -> Credentials:
    key = None if login.key is None else folder / login.key
    if key is not None:
        read_private(key, what="key")
    return Credentials(user=login.user, password=Secret(login.password.encode()), key=key)


def read_private(path: Path, *, what: str) -> bytes:
    """Return what is in ``path``, a file with a secret; InputError if it is missing, empty or not its owner's only."""
    try:
        with path.open("rb") as file:
            exposed = os.fstat(file.fileno()).st_mode & _OTHERS
            content = file.read(_LONGEST_SECRET + 1)
    except OSError as error:
        raise _unreadable(what, path, error) from error
    if exposed:
        raise InputError(f"{what} {path}", "others may read it", reason="CredentialsExposed", hint=f"chmod 600 {path}")
    if not content.strip() or len(content) > _LONGEST_SECRET:
        hint = "write the secret into it, and nothing else"
        raise InputError(f"{what} {path}", "is empty or too long", reason="SettingsMalformed", hint=hint)
    return content


def _read(path: Path, *, what: str) -> bytes:
    try:
        text = path.read_bytes()
        json.loads(text)
    except OSError as error:
        raise _unreadable(what, path, error) from error
    except ValueError as error:
        raise InputError(f"{what} {path}", "are not JSON", reason="SettingsMalformed", hint="write them as JSON") from (
            error if what == "settings" else None
        )
    return text


def _unreadable(what: str, path: Path, error: OSError) -> InputError:
    hint = "docs/settings.md says where they stand and what is in them"
    message = f"cannot be read: {(error.strerror or 'unknown').lower()}"
    return InputError(f"{what} {path}", message, reason="SettingsMissing", hint=hint)


def _faulty(what: str, path: Path, error: ValidationError) -> InputError:
    findings = tuple(
        Finding(
            path=str(path),
            code="SettingsMalformed",
            message=f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].lower()}",
            hint="docs/settings.md has every field, and an example",
        )
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    )
    first = findings[0].message if findings else "malformed"
    return InputError(f"{what} {path}", first, reason="SettingsMalformed", findings=findings)
