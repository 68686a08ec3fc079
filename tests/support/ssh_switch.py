"""A switch behind an SSH command line on loopback, which keeps the VLAN state of its ports in its vendor's syntax.

Modelled: login by password under one host key, prompts and configuration modes, echo, running, candidate and saved
configuration, access and trunk ports with description and shut-down, refusal of what it does not understand and of
ports that it does not have, a reboot that comes back with what was saved. Not modelled: all else, such as frames,
spanning tree, port channels, roles, privilege passwords, abbreviations, paging (the words against it are taken),
completion, whether a VLAN exists, how long real devices take, and the exact wording beyond what profiles look at.
What is modelled follows the vendors' references; no device of theirs was asked.
"""

from __future__ import annotations

import contextlib
import copy
import io
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

USER, PASSWORD = "admin", "its-password"
_READ_S = 0.05


@dataclass(kw_only=True)
class Port:
    """A port as configured; ``trunk`` are the VLANs that it would carry as a trunk, where somebody said so."""

    access: int = 999
    is_trunk: bool = False
    trunk: str = ""
    is_shut: bool = True
    description: str = ""


Ports = dict[str, Port]


class RefusedError(Exception):
    """The words that a platform refuses a line with."""


@dataclass(kw_only=True)
class Faults:
    """What goes wrong: all writes or one port's refused, a port's lost, a reboot in the middle, silence, no saving."""

    refuses: bool = False
    loses: str = ""
    reboots: bool = False
    is_silent: bool = False
    refused_port: str = ""
    keeps_nothing: bool = False


class Dialect:
    """What the platforms have in common: three configurations, and lines that are taken one by one."""

    name = "switch"
    end = "#"
    saves_by_itself: ClassVar[bool] = False

    def __init__(self, ports: Ports, faults: Faults) -> None:
        self.running, self.saved, self.faults = ports, copy.deepcopy(ports), faults

    def greet(self) -> Shell:
        """Return the state of a new session."""
        return Shell(dialect=self)

    def prompt(self, shell: Shell) -> str:
        raise NotImplementedError

    def obey(self, shell: Shell, line: str) -> str:
        raise NotImplementedError

    def change(self, shell: Shell, port: str) -> Port:
        """Return the port to write to: in the candidate if there is one, else the running one."""
        if self.faults.refuses or port == self.faults.refused_port:
            raise RefusedError
        if self.faults.reboots and shell.written:
            raise RebootError
        shell.written += 1
        ports = self.running if shell.candidate is None else shell.candidate
        if port not in ports:
            raise RefusedError
        return copy.deepcopy(ports[port]) if port == self.faults.loses else ports[port]

    def commit(self, shell: Shell) -> None:
        """Make the candidate the running configuration."""
        if shell.candidate is not None:
            self.running.clear()
            self.running.update(shell.candidate)
            shell.candidate = None
        if self.saves_by_itself:
            self.save()

    def save(self) -> None:
        self.saved = copy.deepcopy(self.running)


class RebootError(Exception):
    """The switch goes down."""


@dataclass(kw_only=True)
class Shell:
    """One session: where in the modes it is."""

    dialect: Dialect
    mode: str = ""
    port: str = ""
    candidate: Ports | None = None
    written: int = 0


class IosLike(Dialect):
    """Sections and ``switchport`` lines."""

    refused = "% Invalid input detected at '^' marker."
    show = "show running-config"
    save_line = "copy running-config startup-config"
    save_answer = "Copy complete."
    quiet: ClassVar[dict[str, str]] = {"terminal width 511": "", "terminal length 0": "", "enable": ""}

    def prompt(self, shell: Shell) -> str:
        return f"{self.name}{f'({shell.mode})' if shell.mode else ''}#"

    def obey(self, shell: Shell, line: str) -> str:
        if line in self.quiet and not shell.mode:
            return self.quiet[line]
        if line == self.show and not shell.mode:
            return self._sections()
        if line == self.save_line and not shell.mode:
            if self.faults.keeps_nothing:
                return "No space left on device"
            self.save()
            return self.save_answer
        return self._enter(shell, line) if self._enters(line) else self._configure(shell, line)

    def _enters(self, line: str) -> bool:
        return line in {"configure terminal", "end"}

    def _enter(self, shell: Shell, line: str) -> str:
        shell.mode, shell.port = ("config" if line == "configure terminal" else ""), ""
        return ""

    def _configure(self, shell: Shell, line: str) -> str:
        if not shell.mode:
            raise RefusedError
        if line.startswith("interface "):
            port = line.split()[1]
            if port not in self.running:
                raise RefusedError
            shell.mode, shell.port = "config-if", port
            return ""
        if not shell.port:
            raise RefusedError
        return self._set(self.change(shell, shell.port), line)

    def _set(self, port: Port, line: str) -> str:
        match line.split():
            case ["switchport"]:
                pass
            case ["switchport", "access", "vlan", vlan]:
                port.access = int(vlan)
            case ["switchport", "mode", ("access" | "trunk") as mode]:
                port.is_trunk = mode == "trunk"
            case ["switchport", "trunk", "allowed", "vlan", vlans]:
                port.trunk = vlans
            case ["no", "switchport", "trunk", "allowed", "vlan", vlans] if vlans == port.trunk:
                port.trunk = ""
            case ["description", text]:
                port.description = text
            case ["no", "description"]:
                port.description = ""
            case ["shutdown"]:
                port.is_shut = True
            case ["no", "shutdown"]:
                port.is_shut = False
            case _:
                raise RefusedError
        return ""

    def _sections(self) -> str:
        lines = ["!", "hostname switch", "!", "interface mgmt0", "  ip address 192.0.2.1/24", "!"]
        for name, port in self.running.items():
            lines.append(f"interface {name}")
            lines += [f"  description {port.description}"] if port.description else []
            lines += ["  switchport", "  spanning-tree port type edge"]
            lines += ["  switchport mode trunk"] if port.is_trunk else []
            lines += [f"  switchport access vlan {port.access}"] if port.access != 1 else []
            lines += [f"  switchport trunk allowed vlan {port.trunk}"] if port.trunk else []
            lines += ["  shutdown" if port.is_shut else "  no shutdown", "!"]
        return "\n".join([*lines, "line vty", "  exec-timeout 10"])


class Nxos(IosLike):
    """Lines take effect one by one."""

    show = "show running-config interface"


class Eos(IosLike):
    """Configuration sessions."""

    save_line, save_answer = "write memory", "Copy completed successfully."
    quiet: ClassVar[dict[str, str]] = {
        "terminal width 511": "Width set to 511 columns.",
        "terminal length 0": "Pagination disabled.",
        "enable": "",
    }

    def _enters(self, line: str) -> bool:
        return line in {"configure session ringfence", "abort", "commit"}

    def _enter(self, shell: Shell, line: str) -> str:
        if line.startswith("configure"):
            shell.mode, shell.candidate = "config-s-ringf", copy.deepcopy(self.running)
            return ""
        if not shell.mode:
            raise RefusedError
        if line == "commit":
            self.commit(shell)
        shell.mode, shell.port, shell.candidate = "", "", None
        return ""


class Os10(IosLike):
    """Transactions around the configuration mode."""

    show = "show running-configuration interface"
    save_line, save_answer = "copy running-configuration startup-configuration", "Copy succeeded"
    refused = "% Error: Unrecognized command."

    def _enters(self, line: str) -> bool:
        return line in {"start transaction", "configure terminal", "end", "commit", "discard"}

    def _enter(self, shell: Shell, line: str) -> str:
        match line:
            case "start transaction":
                shell.candidate = copy.deepcopy(self.running)
            case "commit":
                self.commit(shell)
            case "discard":
                shell.candidate = None
            case _:
                return super()._enter(shell, line)
        return ""


class Junos(Dialect):
    """One candidate, changed by paths."""

    refused = "error: syntax error"
    saves_by_itself = True

    def save(self) -> None:
        """Keep only ports that are there, as the hardware does."""
        self.saved = {name: copy.deepcopy(self.running[name]) for name in self.saved}

    def prompt(self, shell: Shell) -> str:
        return "\n[edit]\nadmin@switch# " if shell.mode else "admin@switch> "

    def obey(self, shell: Shell, line: str) -> str:  # noqa: PLR0911 - one for each thing that it is told
        shown = {
            "set cli screen-width 511": "Screen width set to 511",
            "set cli complete-on-space off": "Disabling complete-on-space",
            "set cli screen-length 0": "Screen length set to 0",
        }
        if not shell.mode and line in shown:
            return shown[line]
        if not shell.mode and line.startswith("show configuration interfaces"):
            return self._set_lines()
        if not shell.mode and line == "show interfaces terse":
            return self._terse()
        if not shell.mode and line == "configure exclusive":
            shell.mode, shell.candidate = "edit", copy.deepcopy(self.running)
            return "warning: uncommitted changes will be discarded on exit\nEntering configuration mode"
        if shell.mode and line == "commit and-quit":
            self.commit(shell)
            shell.mode = ""
            return "commit complete\nExiting configuration mode"
        if shell.mode and line == "rollback 0":
            shell.candidate = copy.deepcopy(self.running)
            return "load complete"
        if shell.mode and line == "exit configuration-mode":
            shell.mode, shell.candidate = "", None
            return "Exiting configuration mode"
        verb, _, path = line.partition(" interfaces ")
        if not shell.mode or verb not in {"set", "delete"}:
            raise RefusedError
        name, _, rest = path.partition(" ")
        return self._change(shell, name, verb, rest)

    def _change(self, shell: Shell, name: str, verb: str, rest: str) -> str:
        assert shell.candidate is not None
        shell.candidate.setdefault(name, Port())  # It takes ports that are not there.
        port = self.change(shell, name)
        family = "unit 0 family ethernet-switching"
        match verb, rest.removeprefix(family).split():
            case "delete", []:
                port.access, port.is_trunk, port.trunk = 0, False, ""
            case "delete", ["native-vlan-id"]:
                return "warning: statement not found"
            case "set", ["interface-mode", ("access" | "trunk") as mode]:
                port.is_trunk = mode == "trunk"
            case "set", ["vlan", "members", vlan]:
                port.access = int(vlan)
            case "set", ["description", text]:
                port.description = text
            case "delete", ["description"]:
                port.description = ""
            case ("set" | "delete") as its, ["disable"]:
                port.is_shut = its == "set"
            case _:
                raise RefusedError
        return ""

    def _set_lines(self) -> str:
        lines = ["set interfaces em0 unit 0 family inet address 192.0.2.1/24"]
        for name, port in self.running.items():
            stem = f"set interfaces {name}"
            lines += [f"{stem} description {port.description}"] if port.description else []
            lines += [f"{stem} disable"] if port.is_shut else []
            mode = "trunk" if port.is_trunk else "access"
            lines.append(f"{stem} unit 0 family ethernet-switching interface-mode {mode}")
            members = [port.trunk] if port.is_trunk and port.trunk else [str(port.access)] if port.access else []
            lines += [f"{stem} unit 0 family ethernet-switching vlan members {each}" for each in members]
        return "\n".join(lines)

    def _terse(self) -> str:
        lines = ["Interface               Admin Link Proto    Local                 Remote"]
        for name in self.saved:
            state = "down  down" if self.running[name].is_shut else "up    up"
            lines += [f"{name:<24}{state}", f"{name + '.0':<24}{state} eth-switch"]
        return "\n".join([*lines, "em0                     up    up"])


class Nvue(Dialect):
    """A Linux shell with ``nv``, and the kernel's own tools to read with; the candidate outlives a session."""

    end = "$"

    def prompt(self, shell: Shell) -> str:  # noqa: ARG002 - its base class's signature
        return "admin@switch:mgmt:~$ "

    def obey(self, shell: Shell, line: str) -> str:
        command, _, alternative = line.partition(" || ")
        try:
            return self._run(shell, command)
        except RefusedError:
            said = f"{command.split()[-1]!r} is not one of what is expected"
            return "\n".join([said, *([alternative.removeprefix("echo ")] if alternative else [])])

    refused = "-bash: command not found"

    def _run(self, shell: Shell, line: str) -> str:
        match line.split():
            case ["/sbin/bridge", "vlan", "show"]:
                return self._vlans()
            case ["/sbin/ip", "-o", "link", "show"]:
                return self._links()
            case ["nv", "config", "detach"]:
                shell.candidate = None
            case ["nv", "config", "apply", "-y"]:
                self.commit(shell)
                return "applied [rev_id: 7]"
            case ["nv", "config", "save"]:
                self.save()
                return "saved [rev_id: applied]"
            case ["nv", ("set" | "unset") as verb, "interface", name, *rest]:
                shell.candidate = shell.candidate or copy.deepcopy(self.running)
                self._change(self.change(shell, name), verb, rest)
            case _:
                raise RefusedError
        return ""

    def _change(self, port: Port, verb: str, rest: list[str]) -> None:
        match verb, rest:
            case "unset", ["bridge", "domain"]:
                port.is_trunk, port.trunk, port.access = False, "", 0
            case "set", ["bridge", "domain", "br_default", "access", vlan]:
                port.access = int(vlan)
            case "set", ["description", text]:
                port.description = text
            case "unset", ["description"]:
                port.description = ""
            case "set", ["link", "state", ("up" | "down") as state]:
                port.is_shut = state == "down"
            case _:
                raise RefusedError

    def _vlans(self) -> str:
        lines = ["port              vlan-id"]
        for name, port in self.running.items():
            if port.is_trunk:
                lines.append(f"{name:<18}1 PVID Egress Untagged")
                lines += [f"{'':<18}{vlan}" for vlan in port.trunk.split(",")]
            elif port.access:
                lines.append(f"{name:<18}{port.access} PVID Egress Untagged")
        return "\n".join([*lines, "br_default        1"])

    def _links(self) -> str:
        lines = ["1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT"]
        for i, (name, port) in enumerate(self.running.items()):
            flags = "BROADCAST,MULTICAST" + ("" if port.is_shut else ",UP,LOWER_UP")
            alias = f"\\    alias {port.description}" if port.description else ""
            lines.append(f"{i + 2}: {name}: <{flags}> mtu 9216 qdisc pfifo_fast master br_default state UP{alias}")
        return "\n".join(lines)


DIALECTS: dict[str, type[Dialect]] = {"nxos": Nxos, "eos": Eos, "os10": Os10, "junos": Junos, "nvue": Nvue}
PORTS: dict[type[Dialect], tuple[str, str]] = {
    Nxos: ("Ethernet1/1", "Ethernet1/2"),
    Eos: ("Ethernet1", "Ethernet2"),
    Os10: ("ethernet1/1/1", "ethernet1/1/2"),
    Junos: ("xe-0/0/1", "xe-0/0/2"),
    Nvue: ("swp1", "swp2"),
}


class _Server(paramiko.ServerInterface):
    def __init__(self, peer: SshSwitch) -> None:
        self._peer = peer

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - its base class's signature
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - its base class's signature
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        self._peer.passwords += 1
        return paramiko.AUTH_SUCCESSFUL if (username, password) == (USER, PASSWORD) else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        is_known = (username, key.get_base64()) == (USER, self._peer.client_key)
        return paramiko.AUTH_SUCCESSFUL if is_known else paramiko.AUTH_FAILED

    def check_channel_pty_request(self, *_: object) -> bool:
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:  # noqa: ARG002 - its base class's signature
        return True


def private_key() -> str:
    """Return a new private key, as OpenSSH writes it."""
    private = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return private.decode()


def host_key() -> paramiko.PKey:
    """Return a new key."""
    return paramiko.Ed25519Key.from_private_key(io.StringIO(private_key()))


@dataclass(kw_only=True)
class SshSwitch:
    """The running peer; ``port`` is where it listens, ``key`` what it shows, ``log`` what it was told."""

    dialect: Dialect
    port: int = 0
    key: str = ""
    log: list[str] = field(default_factory=list)
    logins: int = 0
    passwords: int = 0
    client_key: str = ""

    @property
    def names(self) -> tuple[str, str]:
        """Return the names of its two ports."""
        return PORTS[type(self.dialect)]


@contextlib.contextmanager
def ssh_switch(platform: str, *, names: tuple[str, ...] = ()) -> Iterator[SshSwitch]:
    """Give a switch of ``platform`` on loopback, with ports (two by default) that are parked on 999."""
    kind = DIALECTS[platform]
    peer = SshSwitch(dialect=kind({name: Port() for name in names or PORTS[kind]}, Faults()))
    key = host_key()
    peer.key = f"{key.get_name()} {key.get_base64()}"
    over = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer.port = int(listening.getsockname()[1])
        listening.settimeout(_READ_S)

        def accept() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    wire, _ = listening.accept()
                    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as SSH servers do
                    thread = threading.Thread(target=_serve, args=(peer, wire, key, over))
                    threads.append(thread)
                    thread.start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield peer
        finally:
            over.set()
            acceptor.join(timeout=10)
            for thread in threads:
                thread.join(timeout=10)


def _serve(peer: SshSwitch, wire: socket.socket, key: paramiko.PKey, over: threading.Event) -> None:
    with wire:
        while peer.dialect.faults.is_silent and not over.is_set():
            over.wait(_READ_S)
        if over.is_set():
            return
        transport = paramiko.Transport(wire)
        transport.add_server_key(key)
        try:
            transport.start_server(server=_Server(peer))
            channel = transport.accept(timeout=10)
            if channel is not None:
                peer.logins += 1
                _talk(peer, channel, over)
        except (paramiko.SSHException, EOFError, OSError):
            pass  # The client has gone, or is none.
        finally:
            transport.close()


def _talk(peer: SshSwitch, channel: paramiko.Channel, over: threading.Event) -> None:
    dialect, shell = peer.dialect, peer.dialect.greet()
    channel.settimeout(_READ_S)
    channel.sendall(_wired(f"\nWelcome\n\n{dialect.prompt(shell)}"))
    pending = ""
    while not over.is_set() and not channel.closed:
        try:
            received = channel.recv(4096)
        except TimeoutError:
            continue
        if not received:
            return
        if dialect.faults.is_silent:
            continue
        pending += received.decode().replace("\r", "\n")
        while "\n" in pending:
            line, _, pending = pending.partition("\n")
            channel.sendall(_wired(line + "\n"))
            if line.strip():
                peer.log.append(line.strip())
            try:
                answer = dialect.obey(shell, line.strip()) if line.strip() else ""
            except RefusedError:
                answer = getattr(dialect, "refused", "error: refused")
            except RebootError:
                dialect.faults.reboots = False
                dialect.running = copy.deepcopy(dialect.saved)
                return
            channel.sendall(_wired((answer + "\n" if answer else "") + dialect.prompt(shell)))


def _wired(text: str) -> bytes:
    return re.sub(r"\r?\n", "\r\n", text).encode()
