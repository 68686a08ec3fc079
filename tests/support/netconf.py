"""A real NETCONF server on loopback: Debian's netconfd behind a private sshd, as the current user.

It has ports swp1 and swp2, parked, in the OpenConfig model or in that of NX-OS; of both it has a stand-in (``yang``).
What it is told is kept as configuration and applied to nothing; candidate, validation, lock and confirmed commit with
its roll-back are netconfd's own. Between sshd and netconfd stands ``netconf_relay``, by which messages are falsified.
Not modelled: a VLAN table, and state apart from configuration.
"""

from __future__ import annotations

import contextlib
import getpass
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import netconf_relay
from tests.support.devices import Peer, wait_until

PROGRAMS = ("netconfd", "sshd")
SUBSYSTEM = "/usr/sbin/netconf-subsystem"
MODULES = Path(__file__).parent / "yang"
_SYSTEM_MODULES = "/usr/share/yuma/modules"
_LOCKED_UP = Path("/run/sshd")
"""An empty folder in which root's sshd locks its children up; it insists."""


@dataclass(frozen=True, kw_only=True)
class Speech:
    """How one model is written and read here, apart from how the adapter does it.

    ``port`` has a port's entry, with ``{name}``, ``{on}`` and ``{vlans}``; what is below ``vlans`` are its VLANs.
    """

    module: str
    before: str
    after: str
    port: str
    on: tuple[str, str]
    access: str
    trunk: str
    entry: str
    name: str
    is_on: str
    description: str
    vlans: str
    plain: tuple[dict[str, str], str]


_IF = "{http://openconfig.net/yang/interfaces}"
_NX = "{http://cisco.com/ns/yang/cisco-nx-os-device}"
_REPLACE = 'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="replace"'
OPENCONFIG = Speech(
    module="openconfig-vlan",
    before=f'<interfaces xmlns="{_IF[1:-1]}">',
    after="</interfaces>",
    port="<interface><name>{name}</name><config><name>{name}</name><enabled>{on}</enabled></config>"
    '<ethernet xmlns="http://openconfig.net/yang/interfaces/ethernet">'
    '<switched-vlan xmlns="http://openconfig.net/yang/vlan">'
    f"<config {_REPLACE}>{{vlans}}</config></switched-vlan></ethernet></interface>",
    on=("true", "false"),
    access="<interface-mode>ACCESS</interface-mode><access-vlan>999</access-vlan>",
    trunk="<interface-mode>TRUNK</interface-mode><native-vlan>999</native-vlan>",
    entry=f"{_IF}interface",
    name=f"{_IF}name",
    is_on=f"{_IF}config/{_IF}enabled",
    description=f"{_IF}config/{_IF}description",
    vlans="{http://openconfig.net/yang/interfaces/ethernet}ethernet/{http://openconfig.net/yang/vlan}switched-vlan/"
    "{http://openconfig.net/yang/vlan}config/*",
    plain=({"interface-mode": "ACCESS"}, "access-vlan"),
)
NXOS = Speech(
    module="Cisco-NX-OS-device",
    before=f'<System xmlns="{_NX[1:-1]}"><intf-items><phys-items>',
    after="</phys-items></intf-items></System>",
    port="<PhysIf-list><id>{name}</id><adminSt>{on}</adminSt><layer>Layer2</layer><trunkVlans>1-4094</trunkVlans>"
    "<nativeVlan>vlan-1</nativeVlan>{vlans}</PhysIf-list>",
    on=("up", "down"),
    access="<mode>access</mode><accessVlan>vlan-999</accessVlan>",
    trunk="<mode>trunk</mode>",
    entry=f"{_NX}PhysIf-list",
    name=f"{_NX}id",
    is_on=f"{_NX}adminSt",
    description=f"{_NX}descr",
    vlans="*",
    plain=({"mode": "access", "layer": "Layer2"}, "accessVlan"),
)


def missing_netconf() -> list[str]:
    """Return what this peer needs and this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    return lacking if importlib.util.find_spec("ncclient") else [*lacking, "ncclient"]


class RealNetconf(Peer):
    """One NETCONF server. ``running`` is what a second, honest session reads."""

    def __init__(self, speech: Speech = OPENCONFIG) -> None:
        """Start it, with the model that it is to speak."""
        super().__init__()
        self.speech = speech
        with contextlib.ExitStack() as undo:
            undo.push(self)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port: int = probe.getsockname()[1]
            for name in ("host", "user"):
                self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "INSECURE-test", "-f", name)
            self.startup.write_text(self._startup())
            self.start_netconfd()
            self._start_sshd()
            undo.pop_all()

    @property
    def environment(self) -> dict[str, str]:
        """Return what the programs see."""
        return {
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "HOME": str(self.folder),
            "YUMA_MODPATH": f"{MODULES}:{_SYSTEM_MODULES}",
        }

    @property
    def startup(self) -> Path:
        """Return the file with the configuration that was committed last."""
        return self.folder / "startup-cfg.xml"

    @property
    def address(self) -> str:
        """Return where it listens."""
        return f"ssh:127.0.0.1:{self.port}"

    @property
    def user(self) -> str:
        """Return who logs in."""
        return getpass.getuser()

    @property
    def user_key(self) -> Path:
        """Return the private key that logs in."""
        return self.folder / "user"

    @property
    def host_key(self) -> str:
        """Return the public host key."""
        return " ".join((self.folder / "host.pub").read_text().split()[:2])

    def start_netconfd(self) -> None:
        """Start the server, with the configuration that was committed last."""
        sock = self.folder / "ncx.sock"
        sock.unlink(missing_ok=True)
        self.netconfd = self.start(
            "netconfd", f"--module={self.speech.module}", "--target=candidate", f"--port={self.port}",
            f"--superuser={self.user}", "--access-control=off", f"--ncxserver-sockname={sock}", "--log-level=error",
            f"--startup={self.startup}",
        )  # fmt: skip
        (self.folder / "netconfd.pid").write_text(str(self.netconfd.pid))
        wait_until(sock.exists, what="netconfd does not come up")

    def restart(self) -> None:
        """Start a server that was killed."""
        self.netconfd.wait(timeout=10)
        self.start_netconfd()

    @contextlib.contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """Have the relay falsify messages for a while."""
        path = self.folder / "fault"
        path.write_text(name)
        try:
            yield
        finally:
            path.unlink()

    # The truth, and changes past the adapter, over a session of its own.

    def vlan(self, port: str) -> int | None:
        """Return the VLAN that a port is a plain access port of, as running has it; None if it is none."""
        said = {
            child.tag.rpartition("}")[2]: child.text.strip() for child in self._entry(port).iterfind(self.speech.vlans)
        }
        demanded, access = self.speech.plain
        is_plain = all(said.get(name) == text for name, text in demanded.items())
        is_strict = self.speech is NXOS or set(said) == {*demanded, access}
        return int(said[access].removeprefix("vlan-")) if is_plain and is_strict else None

    def is_off(self, port: str) -> bool:
        """Return whether running has a port switched off."""
        return self._said(port, self.speech.is_on) == self.speech.on[1]

    def description(self, port: str) -> str:
        """Return a port's description."""
        return self._said(port, self.speech.description)

    def park(self, port: str, *, is_on: bool = False) -> None:
        """Park a port, properly or, ``is_on``, not so."""
        self._edit(self._port(port, on=self.speech.on[not is_on], vlans=self.speech.access))

    def make_trunk(self, port: str) -> None:
        """Make a port a trunk."""
        self._edit(self._port(port, on=self.speech.on[0], vlans=self.speech.trunk))

    def end_sessions(self) -> None:
        """End every session, as a switch does that has had enough."""
        for pid in self._sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _port(self, name: str, *, on: str, vlans: str) -> str:
        return self.speech.port.format(name=name, on=on, vlans=vlans)

    def _startup(self) -> str:
        parked = [self._port(name, on=self.speech.on[1], vlans=self.speech.access) for name in ("swp1", "swp2")]
        text = f"{self.speech.before}{''.join(parked)}{self.speech.after}".replace(_REPLACE, "")
        base = "urn:ietf:params:xml:ns:netconf:base:1.0"
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<nc:config xmlns:nc="{base}">{text}</nc:config>\n'

    def _edit(self, port: str) -> None:
        base = "urn:ietf:params:xml:ns:netconf:base:1.0"
        text = f'<config xmlns="{base}">{self.speech.before}{port}{self.speech.after}</config>'
        with self.session() as session:
            session.edit_config(text, target="candidate")
            session.commit()

    def _said(self, port: str, path: str) -> str:
        return str(self._entry(port).findtext(path, default="").strip())

    def _entry(self, port: str) -> Any:  # noqa: ANN401  # lxml has no types
        with self.session() as session:
            data = session.get_config("running").data_ele
        (entry,) = (e for e in data.iter(self.speech.entry) if e.findtext(self.speech.name).strip() == port)
        return entry

    @contextlib.contextmanager
    def session(self) -> Iterator[Any]:
        """Give a session that has nothing to do with the adapter's."""
        from ncclient import manager

        session = manager.connect_ssh(
            host="127.0.0.1", port=self.port, username=self.user, key_filename=str(self.user_key), allow_agent=False,
            look_for_keys=False, hostkey_b64=self.host_key.split()[1], timeout=10,
        )  # fmt: skip
        try:
            yield session
        finally:
            session.close_session()

    def _start_sshd(self) -> None:
        self._made = os.getuid() == 0 and not _LOCKED_UP.exists()
        if self._made:
            _LOCKED_UP.mkdir()
        subsystem = [sys.executable, "-I", str(Path(netconf_relay.__file__)), str(self.folder), SUBSYSTEM,
                     f"--ncxserver-sockname={self.port}@{self.folder}/ncx.sock"]  # fmt: skip
        (self.folder / "authorized_keys").write_text((self.folder / "user.pub").read_text())
        (self.folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {self.folder}/host\nPidFile none\nStrictModes no\n"
            f"UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPubkeyAuthentication yes\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nPermitRootLogin prohibit-password\n"
            f"AllowUsers {self.user}\nLogLevel ERROR\nSubsystem netconf {' '.join(subsystem)}\n"
        )
        self.sshd = self.start("/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "sshd_config"))

        def is_up() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
            return False

        wait_until(is_up, what="sshd does not come up")

    def __exit__(self, *args: object) -> None:
        """End everything, sessions included."""
        self.end_sessions()
        super().__exit__(*args)  # type: ignore[arg-type]  # passed on
        if getattr(self, "_made", False):
            _LOCKED_UP.rmdir()

    def _sessions(self) -> list[int]:
        """Return the processes below sshd, each of which is a session of its own."""
        if not hasattr(self, "sshd"):
            return []
        table = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True, timeout=10)
        below: dict[int, list[int]] = {}
        for line in table.stdout.splitlines():
            pid, parent = map(int, line.split())
            below.setdefault(parent, []).append(pid)
        found, todo = [], list(below.get(self.sshd.pid, []))
        while todo:
            found.append(todo.pop())
            todo += below.get(found[-1], [])
        return found
