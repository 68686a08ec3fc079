"""Benches for the isolation port over HIL: a stand-in, and a real server where ``HIL_URL`` names one.

The suite's ports swp1 and swp2 are NICs there; ``make peers-hil`` says which by HIL_PORTS=node/nic,node/nic. The real
one is asked as HIL_USER with HIL_PASSWORD, an administrator's, because networks with the suite's VLANs are made for
HIL_PROJECT and removed at the end. HIL_CERTIFICATE pins its certificate (``sha256:…``). Faults are not tried on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

import pytest
import requests

from reconciler.drivers.cutoff import Cutoff
from reconciler.drivers.hil import Hil
from reconciler.drivers.https import Party, Vouching, prepare
from reconciler.drivers.secret import Credentials, Secret
from reconciler.model.observed import PortMode, PortState
from reconciler.ports.isolation import AccessPort
from tests.support.hil import PASSWORD, USER, HilState, certificate, hil_service
from tests.support.redfish import pin
from tests.support.switch_benches import PARKING, SwitchBench
from tests.support.world_switch import access

DEADLINE_S = 4.0
VLANS = (10, 101, 102, 103, 104, 200)


class Renamed:
    """A switch whose ports have other names."""

    def __init__(self, switch: Hil, names: Mapping[str, str]) -> None:
        """Call the port ``names[x]`` by the name x."""
        self._switch = switch
        self._names = names

    def read_ports(self, ports: Collection[str]) -> Mapping[str, PortState]:
        """Read them by their own names."""
        told = self._switch.read_ports([self._names.get(port, port) for port in ports])
        return {port: told[self._names.get(port, port)] for port in ports}

    def apply(self, wanted: Mapping[str, AccessPort]) -> Mapping[str, PortState]:
        """Move them by their own names."""
        told = self._switch.apply({self._names.get(port, port): place for port, place in wanted.items()})
        return {port: told[self._names.get(port, port)] for port in wanted}


def adapter(state: HilState, *, deadline_s: float = DEADLINE_S, password: str = PASSWORD, poll_s: float = 0.03) -> Hil:
    """Return the adapter to the stand-in."""
    return Hil(
        "provider",
        url=f"https://127.0.0.1:{state.port}",
        credentials=Credentials(user=USER, password=Secret(password.encode())),
        vouching=Vouching(certificate=pin(certificate())),
        parking=PARKING,
        deadline_s=deadline_s,
        poll_s=poll_s,
    )


@contextmanager
def hil() -> Iterator[SwitchBench]:
    """Give the stand-in."""
    nodes = {"swp1": "n1", "swp2": "n2"}
    with hil_service() as state:

        def truth(port: str) -> PortState:
            attached = state.attached[nodes[port], "eno1"]
            if not attached:
                return access(PARKING)
            is_plain = set(attached) == {"vlan/native"}
            return access(state.networks[attached["vlan/native"]]) if is_plain else PortState(mode=PortMode.OTHER)

        @contextmanager
        def silent() -> Iterator[None]:
            state.is_silent.set()
            try:
                yield
            finally:
                state.is_silent.clear()

        def fault(name: str, value: object) -> Callable[[], object]:
            @contextmanager
            def fail() -> Iterator[None]:
                before = getattr(state, name)
                setattr(state, name, value)
                try:
                    yield
                finally:
                    setattr(state, name, before)
                    state.is_broken = False

            return fail

        yield SwitchBench(
            switch=Renamed(adapter(state), {port: f"{node}/eno1" for port, node in nodes.items()}),
            truth=truth,
            node=None,
            make_trunk=lambda port: state.attached[nodes[port], "eno1"].update({"vlan/10": "net-10"}),
            trunk=None,
            silent=silent,
            refusing=fault("refuses", value=True),  # type: ignore[arg-type]  # a context manager
            half=fault("loses", value="n2"),  # type: ignore[arg-type]  # a context manager
            rebooting=fault("breaks", value=True),  # type: ignore[arg-type]  # a context manager
        )


@contextmanager
def hil_server() -> Iterator[SwitchBench]:
    """Give two NICs of the real server that ``HIL_URL`` names, parked."""
    url, project = os.environ["HIL_URL"].rstrip("/"), os.environ["HIL_PROJECT"]
    login = Credentials(user=os.environ["HIL_USER"], password=Secret(os.environ["HIL_PASSWORD"].encode()))
    vouching = Vouching(certificate=os.environ.get("HIL_CERTIFICATE"))
    names = dict(zip(("swp1", "swp2"), os.environ["HIL_PORTS"].split(","), strict=True))
    switch = Hil(
        "provider",
        url=url,
        credentials=login,
        vouching=vouching,
        parking=PARKING,
    )

    def ask(method: str, path: str, document: Mapping[str, str] | None = None) -> None:
        party = Party(subject="HIL", called="HIL", reasons="Switch", hint="")
        with Cutoff(20.0) as cutoff, requests.Session() as session:
            prepare(session, party=party, credentials=login, vouching=vouching, cutoff=cutoff)
            session.request(method, f"{url}/v0{path}", json=document).raise_for_status()

    @contextmanager
    def not_here() -> Iterator[None]:
        pytest.skip("no faults are tried on a real server")
        yield

    for vlan in VLANS:
        ask("PUT", f"/network/ringfence-{vlan}", {"owner": "admin", "access": project, "net_id": str(vlan)})
    try:
        parked = dict.fromkeys(names.values(), AccessPort(vlan=PARKING))
        assert set(switch.apply(parked).values()) == {access(PARKING)}

        def make_trunk(port: str) -> None:
            node, nic = names[port].split("/")
            network = {"network": "ringfence-10", "channel": "vlan/10"}
            ask("POST", f"/node/{node}/nic/{nic}/connect_network", network)
            while switch.read_ports([names[port]])[names[port]].mode is not PortMode.OTHER:
                pass

        yield SwitchBench(
            switch=Renamed(switch, names),
            truth=lambda port: switch.read_ports([names[port]])[names[port]],
            node=None,
            make_trunk=make_trunk,
            trunk=None,
            silent=not_here,
            refusing=not_here,
            half=not_here,
            rebooting=not_here,
        )
        switch.apply(parked)
    finally:
        for vlan in VLANS:
            ask("DELETE", f"/network/ringfence-{vlan}")


ALL = [hil, *([hil_server] if os.environ.get("HIL_URL") else [])]
