"""The Open vSwitch adapter against a real server: what can go wrong beyond the contract."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from reconciler.drivers.openvswitch import OpenVswitch, port_state
from reconciler.errors.taxonomy import DeviceError, InvariantError, TransientError
from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState
from reconciler.ports.isolation import AccessPort
from tests.support.devices import RealSwitch, hung, missing_programs
from tests.support.world_switch import access, send

pytestmark = pytest.mark.skipif(bool(missing_programs()), reason="Open vSwitch is not installed")
DEADLINE_S = 1.0


@pytest.fixture
def real() -> Iterator[RealSwitch]:
    with RealSwitch() as started:
        yield started


@pytest.fixture
def switch(real: RealSwitch) -> Iterator[OpenVswitch]:
    with contextlib.closing(OpenVswitch("tor", address=real.address, bridge="tor", deadline_s=DEADLINE_S)) as adapter:
        yield adapter


@pytest.mark.parametrize(
    ("mode", "tag", "trunks", "expected"),
    [
        ([], [5], [], access(5)),
        (["access"], [5], [], access(5)),
        (["access"], [4094], [], access(4094)),
        ([], [], [], PortState(mode=PortMode.OTHER)),
        (["access"], [], [], PortState(mode=PortMode.OTHER)),
        (["access"], [0], [], PortState(mode=PortMode.OTHER)),
        (["access"], [4095], [], PortState(mode=PortMode.OTHER)),
        (["access"], [5], [6], PortState(mode=PortMode.OTHER)),
        (["trunk"], [5], [], PortState(mode=PortMode.OTHER)),
        (["native-tagged"], [5], [], PortState(mode=PortMode.OTHER)),
        (["native-untagged"], [5], [], PortState(mode=PortMode.OTHER)),
        (["dot1q-tunnel"], [5], [], PortState(mode=PortMode.OTHER)),
    ],
)
def test_only_a_plain_access_port_counts_as_one(
    mode: list[str], tag: list[int], trunks: list[int], expected: PortState
) -> None:
    assert port_state(mode=mode, tag=tag, trunks=trunks) == expected


@pytest.mark.parametrize("mode", ["trunk", "native-tagged", "native-untagged", "dot1q-tunnel"])
def test_every_other_mode_is_seen_and_undone_in_one_step(real: RealSwitch, switch: OpenVswitch, mode: str) -> None:
    real.configure("set", "port", "swp1", f"vlan_mode={mode}", "tag=7", "trunks=8,9")
    assert switch.read_ports(["swp1"])["swp1"].mode is PortMode.OTHER
    assert send(switch, "swp1", vlan=999) == access(999)
    assert [real.column("swp1", name) for name in ("vlan_mode", "tag", "trunks")] == ["access", "999", "[]"]


def test_port_of_another_bridge_is_not_ours(real: RealSwitch, switch: OpenVswitch) -> None:
    assert switch.read_ports(["its1"]) == {"its1": UNKNOWN_PORT}
    assert send(switch, "its1", vlan=5) == UNKNOWN_PORT
    assert real.column("its1", "tag") == "999"


def test_parked_port_that_is_not_kept_from_its_neighbours_is_seen_and_put_right(real: RealSwitch) -> None:
    adapter = OpenVswitch("tor", address=real.address, bridge="tor", parking=999, deadline_s=DEADLINE_S)
    with contextlib.closing(adapter):
        real.configure("set", "port", "swp1", "protected=false")
        assert adapter.read_ports(["swp1", "swp2"]) == {"swp1": PortState(mode=PortMode.OTHER), "swp2": access(999)}
        assert send(adapter, "swp1", vlan=999) == access(999)
        assert real.column("swp1", "protected") == "true"
        assert send(adapter, "swp1", vlan=200) == access(200)
        assert real.column("swp1", "protected") == "false", "members of an enclave reach each other"


def test_description_of_a_port_that_no_node_uses_names_nobody_and_keeps_what_others_wrote(
    real: RealSwitch, switch: OpenVswitch
) -> None:
    real.configure("set", "port", "swp1", "external_ids:rack=r3")
    switch.apply({"swp1": AccessPort(vlan=5, node="n1")})
    assert real.column("swp1", "external_ids") == "{rack=r3, ringfence-node=n1}"
    switch.apply({"swp1": AccessPort(vlan=5)})
    assert real.column("swp1", "external_ids") == "{rack=r3}"


def test_switch_without_the_bridge_refuses(real: RealSwitch) -> None:
    with (
        contextlib.closing(OpenVswitch("tor", address=real.address, bridge="spine", deadline_s=DEADLINE_S)) as adapter,
        pytest.raises(DeviceError, match="spine"),
    ):
        adapter.read_ports(["swp1"])


def test_vlan_that_does_not_exist_never_reaches_the_switch(real: RealSwitch, switch: OpenVswitch) -> None:
    for vlan in (0, 4095, 5000, -1):
        with pytest.raises(InvariantError):
            send(switch, "swp1", vlan=vlan)
    assert real.column("swp1", "tag") == "999"


def test_change_made_behind_our_back_is_seen_at_once(real: RealSwitch, switch: OpenVswitch) -> None:
    for vlan in (11, 12, 13):
        switch.read_ports(["swp1"])
        real.configure("set", "port", "swp1", f"tag={vlan}")
        assert switch.read_ports(["swp1"]) == {"swp1": access(vlan)}


def test_change_that_the_forwarding_plane_did_not_apply_is_no_success(real: RealSwitch, switch: OpenVswitch) -> None:
    with hung(real.daemon), pytest.raises(TransientError) as caught:
        send(switch, "swp1", vlan=5)
    assert caught.value.reason == "SwitchNotApplied"
    assert send(switch, "swp1", vlan=6) == access(6)


def test_nobody_listening_is_found_out_at_once(real: RealSwitch, switch: OpenVswitch) -> None:
    switch.read_ports(["swp1"])
    real.stop_database()
    for _ in range(2):
        begun = time.monotonic()
        with pytest.raises(TransientError) as caught:
            switch.read_ports(["swp1"])
        assert caught.value.reason == "SwitchUnreachable"
        assert time.monotonic() - begun < 30
    real.start_database()
    assert switch.read_ports(["swp1"]) == {"swp1": access(999)}


def test_connection_that_the_server_dropped_is_made_anew(real: RealSwitch, switch: OpenVswitch) -> None:
    switch.read_ports(["swp1"])
    real.stop_database()
    real.start_database()
    assert send(switch, "swp1", vlan=5) == access(5)


def test_two_switches_do_not_share_a_connection(real: RealSwitch, switch: OpenVswitch) -> None:
    with (
        RealSwitch() as second,
        contextlib.closing(OpenVswitch("b", address=second.address, bridge="tor", deadline_s=DEADLINE_S)) as other,
    ):
        send(switch, "swp1", vlan=5)
        assert other.read_ports(["swp1"]) == {"swp1": access(999)}
        send(other, "swp1", vlan=6)
        assert real.column("swp1", "tag") == "5"


@pytest.mark.parametrize("address", ["unix:/run/db.sock", "tcp:name:6640", "127.0.0.1:6640", "tcp:127.0.0.1:", ""])
def test_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(DeviceError):
        OpenVswitch("tor", address=address, bridge="tor")


def test_import_of_the_adapter_does_not_import_its_client() -> None:
    program = "import sys, reconciler.drivers.openvswitch; sys.exit('ovs' in sys.modules or 'ovsdbapp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env=dict(os.environ), timeout=10, check=False)
    assert done.returncode == 0
