"""HIL's REST interface, as far as a tenant's networks need it: nodes, networks, one action at a time.

Rules: answers are checked before they are believed; what a tenant may not see reads as nothing known. A 409 of type
``BlockedError`` means that the NIC is busy or changed in between: whoever asked looks again. Nothing is repeated here.
Source: HIL's ``docs/rest_api.md``; ``vlan/<id>`` among a network's channels is how a tenant learns its VLAN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import requests

from reconciler.drivers.cutoff import Cutoff
from reconciler.errors.taxonomy import DeviceError, TransientError, cut

NATIVE = "vlan/native"
_TAGGED = re.compile(r"vlan/(\d{1,4})")
_LOGIN, _MISSING, _CONFLICT, _SERVER_FAULT, _REDIRECT = frozenset({401, 403}), 404, 409, 500, 300


class HilService:
    """One conversation; what is read of a node or a network is kept for as long as :meth:`forget` is not called."""

    def __init__(self, base: str, *, session: requests.Session, cutoff: Cutoff, subject: str) -> None:
        """Speak to ``base`` (``https://hil.example/v0``)."""
        self._base = base
        self._session = session
        self._cutoff = cutoff
        self._subject = subject
        self._nodes: dict[str, Mapping[str, Any] | None] = {}
        self._vlans: dict[str, int | None] = {}

    def forget(self) -> None:
        """Read nodes anew from now on."""
        self._nodes.clear()

    def project(self, node: str) -> str | None:
        """Return whose ``node`` is, None if it is nobody's or not there."""
        told = self._node(node)
        project = told.get("project") if told else None
        return project if isinstance(project, str) else None

    def attached(self, node: str, *, nic: str) -> Mapping[str, str] | None:
        """Return the networks on a NIC by channel; None if it is not there, or nobody's, or not to be seen."""
        told = self._node(node)
        nics = told.get("nics") if told and self.project(node) else None
        for each in nics if isinstance(nics, list) else []:
            networks = each.get("networks") if isinstance(each, dict) and each.get("label") == nic else None
            if isinstance(networks, dict) and all(isinstance(name, str) for name in networks.values()):
                return networks
        return None

    def vlan(self, network: str) -> int | None:
        """Return the VLAN of a network, None if HIL does not say."""
        if network not in self._vlans:
            status, told = self._call("GET", f"/network/{network}", is_shy=True)
            channels = told.get("channels") if status < _REDIRECT and isinstance(told, dict) else None
            found = [_TAGGED.fullmatch(each) for each in channels or () if isinstance(each, str)]
            tags = {int(match[1]) for match in found if match}
            self._vlans[network] = tags.pop() if len(tags) == 1 else None
        return self._vlans[network]

    def network(self, project: str, *, vlan: int) -> str:
        """Return the name of the project's network with this VLAN; DeviceError if there is none."""
        _, told = self._call("GET", f"/project/{project}/networks")
        names = told if isinstance(told, list) else []
        for name in sorted(name for name in names if isinstance(name, str)):
            if self.vlan(name) == vlan:
                return name
        hint = "create it in HIL, and give the project access to it"
        message = f"project {project} has no network with VLAN {vlan}"
        raise DeviceError(self._subject, message, reason="HilNoNetwork", hint=hint)

    def act(self, node: str, *, nic: str, verb: str, network: str) -> str | None:
        """Queue ``connect`` or ``detach`` of a network, natively, and return the action's id; None: the NIC is busy."""
        document = {"network": network, **({"channel": NATIVE} if verb == "connect" else {})}
        status, told = self._call("POST", f"/node/{node}/nic/{nic}/{verb}_network", document=document)
        if status == _CONFLICT and isinstance(told, dict) and told.get("type") == "BlockedError":
            return None
        identity = told.get("status_id") if status < _REDIRECT and isinstance(told, dict) else None
        if not isinstance(identity, str) or not re.fullmatch(r"[0-9A-Za-z-]{1,64}", identity):
            raise self._refused(status, told)
        return identity

    def status(self, action: str) -> str:
        """Return ``PENDING``, ``DONE`` or ``ERROR``; ``GONE`` once the NIC has a later one."""
        status, told = self._call("GET", f"/networking_action/{action}", is_shy=True)
        if status == _MISSING:
            return "GONE"
        word = told.get("status") if isinstance(told, dict) else None
        if word not in {"PENDING", "DONE", "ERROR"}:
            raise TransientError(self._subject, "does not say how an action stands", reason="SwitchAnswer")
        return str(word)

    def _node(self, node: str) -> Mapping[str, Any] | None:
        if node not in self._nodes:
            status, told = self._call("GET", f"/node/{node}", is_shy=True)
            self._nodes[node] = told if status < _REDIRECT and isinstance(told, dict) else None
        return self._nodes[node]

    def _call(
        self, method: str, path: str, *, document: Mapping[str, str] | None = None, is_shy: bool = False
    ) -> tuple[int, Any]:
        """Return status and document; ``is_shy``: a thing that we may not see is no error."""
        answer = self._session.request(method, f"{self._base}{path}", json=document, allow_redirects=False)
        try:
            told = answer.json() if answer.content.strip() else None
        except ValueError:
            told = None
        status = answer.status_code
        if status >= _SERVER_FAULT:
            raise TransientError(self._subject, f"HIL says {status}", reason="SwitchBusy")
        if status == 401 or (status in _LOGIN and not is_shy):  # noqa: PLR2004 - Unauthorized
            raise self._refused(status, told)
        if method == "GET" and not is_shy and status >= _REDIRECT:
            raise self._refused(status, told)
        return status, told

    def _refused(self, status: int, told: object) -> DeviceError:
        said = told.get("msg") if isinstance(told, dict) else None
        message = cut(f"HIL refuses: {status} {said if isinstance(said, str) else ''}".strip())
        hint = "compare the switch's account with the operator's credentials file, and the project's rights in HIL"
        return DeviceError(self._subject, message, reason="SwitchRefused", hint=hint)
