"""One login to a switch's command line: SSH to a pinned host key, one line at a time, an end that nothing moves.

netmiko logs in, finds the prompt and switches paging off. Its configuration modes are not used, because a line that is
refused must stop what follows. Each call of the adapter is a login of its own: nothing stale, and nothing left open.
"""

from __future__ import annotations

import logging
import re
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from reconciler.drivers.cli_switch.profile import Profile
from reconciler.drivers.cutoff import Cutoff
from reconciler.drivers.secret import Credentials
from reconciler.errors.taxonomy import DeviceError, RingfenceError, TransientError, cut

_USUAL_PORT = 22
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # What it has to say comes as exceptions as well.


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a switch is, and which host key it shows (``ssh-ed25519 AAAA…``)."""

    host: str
    port: int
    host_key: str


class Session:
    """A command line that waits for a line."""

    def __init__(self, connection: Any, *, profile: Profile, cutoff: Cutoff, subject: str) -> None:  # noqa: ANN401 - one of netmiko's classes
        """Take over a connection whose prompt is known."""
        self._connection = connection
        self._profile = profile
        self._cutoff = cutoff
        self._subject = subject
        self._prompt = re.escape(connection.base_prompt) + r"[^\n]{0,60}[#>$%] ?$"

    def ask(self, line: str) -> str:
        """Return the answer to ``line``; TransientError if there is none in time."""
        left_s = self._cutoff.left_s
        if left_s <= 0.0:
            raise TransientError(self._subject, "no answer in time", reason="SwitchSilent")
        self._connection.write_channel(f"{line}\n")
        # The echo is waited for first: a prompt that stands there from before is none of this line's.
        until = rf"{re.escape(line)}[\s\S]*?\n{self._prompt}"
        heard: str = self._connection.read_until_pattern(pattern=until, read_timeout=left_s)
        answer = heard[heard.index(line) :].replace("\r", "").split("\n")
        return "\n".join(answer[1:-1])  # without the echo and the next prompt

    def tell(self, lines: Iterable[str]) -> str:
        """Say ``lines`` one by one and return the last answer; a refusal stops at once.

        TransientError if the switch is busy with somebody else, else DeviceError.
        """
        answer = ""
        for line in lines:
            answer = self.ask(line)
            if self._profile.refusal.search(answer):
                said = cut(f"{line}: {answer}")
                if self._profile.busy.search(answer):
                    raise TransientError(self._subject, f"is busy: {said}", reason="SwitchBusy")
                raise DeviceError(self._subject, f"refused {said}", reason="SwitchRefused")
        return answer


@contextmanager
def log_in(place: Place, *, login: Credentials, profile: Profile, cutoff: Cutoff, subject: str) -> Iterator[Session]:
    """Give a session; every error of SSH and of netmiko becomes one of the port's."""
    from netmiko.exceptions import NetmikoBaseException
    from paramiko.ssh_exception import SSHException

    try:
        with closing(_reach(place, cutoff=cutoff, subject=subject)) as wire:
            connection = _connect(place, wire, login=login, profile=profile, cutoff=cutoff, subject=subject)
            try:
                yield Session(connection, profile=profile, cutoff=cutoff, subject=subject)
            finally:
                connection.paramiko_cleanup()
    except RingfenceError:
        raise
    except (NetmikoBaseException, SSHException, OSError, EOFError, ValueError, AttributeError) as error:
        raise _translated(error, cutoff=cutoff, subject=subject) from error


def _reach(place: Place, *, cutoff: Cutoff, subject: str) -> socket.socket:
    try:
        wire = socket.create_connection((place.host, place.port), timeout=max(cutoff.left_s, 0.001))
    except TimeoutError as error:
        raise TransientError(subject, "no answer in time", reason="SwitchSilent") from error
    except OSError as error:
        message = cut(f"not reachable: {error.strerror or error}")
        raise TransientError(subject, message, reason="SwitchUnreachable") from error
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    cutoff.guard(wire)
    return wire


def _connect(  # noqa: PLR0913 - where, as whom, to what, until when
    place: Place, wire: socket.socket, *, login: Credentials, profile: Profile, cutoff: Cutoff, subject: str
) -> Any:  # noqa: ANN401 - one of netmiko's classes
    """Return netmiko's connection over ``wire``, logged in, past its first prompt."""
    known = place.host if place.port == _USUAL_PORT else f"[{place.host}]:{place.port}"
    left_s = max(cutoff.left_s, 0.001)
    with tempfile.NamedTemporaryFile("w", suffix=".known") as keys:  # It takes host keys from files only.
        keys.write(f"{known} {place.host_key}\n")
        keys.flush()
        return _guarded(profile.driver, cutoff=cutoff)(
            device_type=profile.driver,
            host=place.host,
            port=place.port,
            username=login.user,
            password=login.password.reveal().decode(),
            pkey=_key(login, subject=subject),
            sock=wire,
            ssh_strict=True,
            alt_host_keys=True,
            alt_key_file=keys.name,
            conn_timeout=left_s,
            auth_timeout=left_s,
            banner_timeout=left_s,
        )


def _key(login: Credentials, *, subject: str) -> Any:  # noqa: ANN401 - a paramiko.PKey, or None
    """Return the login's private key, and never one that lies about in a home folder."""
    from paramiko import PKey
    from paramiko.ssh_exception import SSHException

    if login.key is None:
        return None
    try:
        return PKey.from_path(login.key)
    except (SSHException, OSError, ValueError, TypeError, LookupError) as error:
        hint = "it is an OpenSSH key without a passphrase that its file in the credentials names"
        raise DeviceError(subject, "its login's key cannot be read", reason="SwitchRefused", hint=hint) from error


def _guarded(driver: str, *, cutoff: Cutoff) -> Any:  # noqa: ANN401 - one of netmiko's classes
    """Return netmiko's class of this name, which waits no longer than ``cutoff`` and not for a line that is closed."""
    from netmiko import ssh_dispatcher

    base: Any = ssh_dispatcher(driver)

    def read_channel(self: Any) -> str:  # noqa: ANN401 - an instance of it
        if cutoff.left_s <= 0.0:
            raise TimeoutError
        text: str = base.read_channel(self)
        if not text and self.remote_conn.closed:
            raise EOFError("the switch has hung up")
        return text

    return type(f"Guarded{base.__name__}", (base,), {"read_channel": read_channel})


def _translated(error: Exception, *, cutoff: Cutoff, subject: str) -> RingfenceError:
    from netmiko.exceptions import NetmikoAuthenticationException
    from paramiko.ssh_exception import BadHostKeyException

    chain = list(_chain(error))
    if any(isinstance(each, BadHostKeyException) or "not found in known_hosts" in str(each) for each in chain):
        hint = "compare it at the switch itself with hostKey in its document"
        return DeviceError(subject, "shows another SSH host key than its document says", reason="SwitchKey", hint=hint)
    if isinstance(error, NetmikoAuthenticationException):
        hint = "compare the switch's login with the operator's credentials file"
        return DeviceError(subject, "refuses the login", reason="SwitchRefused", hint=hint)
    if cutoff.left_s <= 0.0:
        return TransientError(subject, "no answer in time", reason="SwitchSilent")
    text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return TransientError(subject, f"the session broke: {cut(text)}", reason="SwitchConnectionLost")


def _chain(error: BaseException) -> Iterator[BaseException]:
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        inner = inner.__cause__ or inner.__context__
