"""A real NETCONF server on loopback: Debian's netconfd behind a private sshd, as the current user.

It has ports swp1 and swp2 in the OpenConfig model, parked. What it is told is kept as configuration and applied to
nothing; candidate, validate, lock and confirmed commit with its roll-back are netconfd's own. Between sshd and netconfd
stands ``netconf_relay``, by which messages are falsified. Not modelled: a VLAN table, and state apart from
configuration.
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

_IF = "{http://openconfig.net/yang/interfaces}"
_VLANS_PATH = (
    "{http://openconfig.net/yang/interfaces/ethernet}ethernet/{http://openconfig.net/yang/vlan}switched-vlan/"
    "{http://openconfig.net/yang/vlan}config/*"
)
_PORT = """<interface><name>{name}</name><config><name>{name}</name><enabled>false</enabled></config>
<ethernet xmlns="http://openconfig.net/yang/interfaces/ethernet"><switched-vlan xmlns="http://openconfig.net/yang/vlan">
<config><interface-mode>ACCESS</interface-mode><access-vlan>999</access-vlan></config></switched-vlan></ethernet>
</interface>"""
_STARTUP = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<nc:config xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
    '<interfaces xmlns="http://openconfig.net/yang/interfaces">'
    + "".join(_PORT.format(name=name) for name in ("swp1", "swp2"))
    + "</interfaces></nc:config>\n"
)


def missing_netconf() -> list[str]:
    """Return what this peer needs and this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    return lacking if importlib.util.find_spec("ncclient") else [*lacking, "ncclient"]


class RealNetconf(Peer):
    """One NETCONF server. ``running`` is what a second, honest session reads."""

    def __init__(self) -> None:
        """Start it."""
        super().__init__()
        with contextlib.ExitStack() as undo:
            undo.push(self)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port: int = probe.getsockname()[1]
            for name in ("host", "user"):
                self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "INSECURE-test", "-f", name)
            self.startup.write_text(_STARTUP)
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
            "netconfd", "--module=openconfig-vlan", "--target=candidate", f"--port={self.port}",
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

    def told(self, port: str) -> dict[str, str]:
        """Return what running says of a port's VLANs, by the leaves' names; a leaf that is there twice is told once."""
        entry = self._entry(port)
        return {child.tag.rpartition("}")[2]: child.text.strip() for child in entry.iterfind(_VLANS_PATH)}

    def is_off(self, port: str) -> bool:
        """Return whether running has a port switched off."""
        return bool(self._entry(port).findtext(f"{_IF}config/{_IF}enabled", default="").strip() == "false")

    def description(self, port: str) -> str:
        """Return a port's description."""
        return str(self._entry(port).findtext(f"{_IF}config/{_IF}description", default="").strip())

    def park(self, port: str, *, is_on: bool = False) -> None:
        """Park a port, properly or, ``is_on``, not so."""
        self.edit(_PORT.format(name=port).replace(">false<", f">{str(is_on).lower()}<"))

    def end_sessions(self) -> None:
        """End every session, as a switch does that has had enough."""
        for pid in self._sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def make_trunk(self, port: str) -> None:
        """Make a port a trunk of everything that has a native VLAN."""
        trunk = "<interface-mode>TRUNK</interface-mode><native-vlan>999</native-vlan>"
        self.edit(_PORT.format(name=port).replace("<interface-mode>ACCESS</interface-mode>", trunk)
                  .replace("<access-vlan>999</access-vlan>", ""))  # fmt: skip

    def edit(self, port: str) -> None:
        """Merge an interface's entry into running; its VLANs are replaced."""
        base = "urn:ietf:params:xml:ns:netconf:base:1.0"
        replaced = port.replace('vlan">\n<config>', f'vlan">\n<config xmlns:nc="{base}" nc:operation="replace">')
        top = f'<interfaces xmlns="{_IF[1:-1]}">{replaced}</interfaces>'
        with self.session() as session:
            session.edit_config(f'<config xmlns="{base}">{top}</config>', target="candidate")
            session.commit()

    def _entry(self, port: str) -> Any:  # noqa: ANN401  # lxml has no types
        with self.session() as session:
            data = session.get_config("running").data_ele
        (entry,) = (e for e in data.iter(f"{_IF}interface") if e.findtext(f"{_IF}name").strip() == port)
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
