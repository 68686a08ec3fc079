"""A stand-in for HIL's REST service that behaves as the real one was recorded to (``PEERS.md`` of the project's notes).

Modelled: Basic credentials, one project with nodes of one NIC each, networks with their channels, 202 with a status for
connecting and detaching, one pending action a NIC, a networking daemon that works at intervals, the status that is gone
once the NIC has a later action, 409 for what is attached already, 400 for a GET with a body. Not modelled: other
projects' rights beyond "not yours", switches, ports, power, and what a real daemon does to them.
"""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.redfish import server_certificate
from tests.support.scripted import wrapped

USER, PASSWORD, PROJECT = "tenant", "its-password", "blue"
_TICK_S = 0.02


@dataclass(kw_only=True)
class Action:
    """A networking action."""

    nic: tuple[str, str]
    channel: str
    network: str | None
    status: str = "PENDING"


@dataclass(kw_only=True)
class HilState:
    """What the service knows, and how it goes wrong; ``attached`` is by node and NIC, then by channel.

    ``loses``: a node whose actions are done without effect. ``fails``: one whose actions end in ERROR. ``stuck``: one
    whose actions never end. ``breaks``: after the next write nobody answers, for as long as this is set.
    """

    attached: dict[tuple[str, str], dict[str, str]]
    networks: dict[str, int]
    projects: dict[str, str | None]
    actions: dict[str, Action] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    port: int = 0
    loses: str = ""
    fails: str = ""
    stuck: str = ""
    refuses: bool = False
    breaks: bool = False
    is_broken: bool = False
    is_silent: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def work(self) -> None:
        """Do what is pending, as the networking daemon does."""
        with self.lock:
            for action in self.actions.values():
                node = action.nic[0]
                if action.status != "PENDING" or node == self.stuck:
                    continue
                if node == self.fails:
                    action.status = "ERROR"
                    continue
                action.status = "DONE"
                if node != self.loses:
                    attached = self.attached[action.nic]
                    attached.pop(action.channel, None)
                    attached |= {action.channel: action.network} if action.network else {}


Reply = tuple[int, Any]


def _error(status: int, kind: str, text: str) -> Reply:
    return status, {"type": kind, "msg": text}


def _get(state: HilState, parts: list[str]) -> Reply:
    match parts:
        case ["node", node] if node in state.projects:
            nics = [
                {"label": nic, "macaddr": "52:54:00:00:00:01", "networks": dict(networks)}
                for (its, nic), networks in state.attached.items()
                if its == node
            ]
            if state.projects[node] not in {None, PROJECT}:
                return _error(403, "AuthorizationError", "You do not have access to the required project.")
            return 200, {"name": node, "project": state.projects[node], "nics": nics, "metadata": {}}
        case ["project", project, "networks"] if project == PROJECT:
            return 200, sorted(state.networks)
        case ["network", name] if name in state.networks:
            channels = ["vlan/native", f"vlan/{state.networks[name]}"]
            return 200, {"name": name, "channels": channels, "owner": PROJECT, "access": [PROJECT]}
        case ["networking_action", identity] if identity in state.actions:
            action = state.actions[identity]
            told = {"node": action.nic[0], "nic": action.nic[1], "channel": action.channel, "type": "modify_port"}
            return 200, {**told, "status": action.status, "new_network": action.network}
        case _:
            return _error(404, "NotFoundError", "there is no such thing")


def _post(state: HilState, parts: list[str], document: Any) -> Reply:  # noqa: ANN401, PLR0911 - JSON; one for each answer
    if len(parts) != 5 or (parts[1], parts[3]) not in state.attached:
        return _error(404, "NotFoundError", "there is no such thing")
    nic, network = (parts[1], parts[3]), document.get("network")
    if state.refuses:
        return _error(403, "AuthorizationError", "You do not have access to the required project.")
    if state.projects[nic[0]] != PROJECT:
        return _error(409, "ProjectMismatchError", "Node not in project")
    if any(action.nic == nic and action.status == "PENDING" for action in state.actions.values()):
        return _error(409, "BlockedError", "A networking operation is already active on the nic.")
    attached = state.attached[nic]
    if parts[4] == "connect_network":
        channel = document.get("channel", "vlan/native")
        if network in attached.values() or channel in attached:
            return _error(409, "BlockedError", "The network is already attached to the nic.")
        action = Action(nic=nic, channel=channel, network=network)
    else:
        channels = [channel for channel, name in attached.items() if name == network]
        if not channels:
            return _error(400, "BadArgumentError", "The network is not attached to the nic.")
        action = Action(nic=nic, channel=channels[0], network=None)
    state.actions = {key: each for key, each in state.actions.items() if each.nic != nic}
    identity = str(uuid.uuid4())
    state.actions[identity] = action
    state.is_broken = state.breaks
    return 202, {"status_id": identity}


def _administer(state: HilState, method: str, network: str, document: Any) -> Reply:  # noqa: ANN401 - JSON
    """Make or remove a network; who may is not modelled."""
    if method == "PUT" and network in state.networks:
        return _error(409, "DuplicateError", "there is one already")
    if method == "PUT":
        state.networks[network] = int(document["net_id"])
    elif any(network in attached.values() for attached in state.attached.values()):
        return _error(409, "BlockedError", "Network still connected to nodes")
    else:
        del state.networks[network]
    return 200, None


def _handler(state: HilState) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            while state.is_silent.is_set():
                threading.Event().wait(_TICK_S)
            with state.lock:
                if state.is_broken:
                    self.close_connection = True
                    return
                state.asked.append((self.command, self.path, json.loads(body) if body else None))
                status, document = self._answer(body)
            content = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _answer(self, body: bytes) -> Reply:
            _, _, login = self.headers.get("Authorization", "").partition(" ")
            if b64decode(login).decode() != f"{USER}:{PASSWORD}":
                return 401, None
            parts = self.path.removeprefix("/v0/").split("/")
            if self.command in {"PUT", "DELETE"}:
                return _administer(state, self.command, parts[1], json.loads(body) if body else {})
            if self.command == "GET":
                return _error(400, "BadArgumentError", "a GET has no body") if body else _get(state, parts)
            return _post(state, parts, json.loads(body))

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - as http.server names them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients go away in the middle here."""


@contextlib.contextmanager
def hil_service() -> Iterator[HilState]:
    """Give the service over TLS, with nodes n1 and n2 (eno1) in the project, and its daemon at work."""
    state = HilState(
        attached={("n1", "eno1"): {}, ("n2", "eno1"): {}, ("n3", "eno1"): {}, ("n4", "eno1"): {}},
        networks={f"net-{vlan}": vlan for vlan in (10, 101, 102, 103, 104, 200)},
        projects={"n1": PROJECT, "n2": PROJECT, "n3": None, "n4": "green"},
    )
    server = _Server(("127.0.0.1", 0), _handler(state))
    state.port = int(server.server_address[1])
    server.socket = wrapped(server.socket)
    over = threading.Event()

    def daemon() -> None:
        while not over.wait(_TICK_S):
            state.work()

    threads = [
        threading.Thread(target=daemon),
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}),
    ]
    for thread in threads:
        thread.start()
    try:
        yield state
    finally:
        over.set()
        state.is_silent.clear()
        server.shutdown()
        for thread in threads:
            thread.join(timeout=10)
        server.server_close()


def certificate() -> bytes:
    """Return the service's certificate, PEM."""
    return server_certificate()[0]
