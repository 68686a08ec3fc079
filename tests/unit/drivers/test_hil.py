"""HIL in a switch's place: what is asked, in which order, and what is not believed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from reconciler.drivers.hil import Hil
from reconciler.drivers.https import Vouching
from reconciler.drivers.secret import Credentials, Secret
from reconciler.errors.taxonomy import DeviceError, InvariantError, TransientError
from reconciler.model.observed import UNKNOWN_PORT, PortMode
from reconciler.ports.isolation import AccessPort
from tests.support.hil import PASSWORD, USER, HilState, hil_service
from tests.support.hil_benches import adapter
from tests.support.switch_benches import PARKING
from tests.support.world_switch import access

PORT, OTHER_PORT = "n1/eno1", "n2/eno1"


@pytest.fixture
def hil() -> Iterator[HilState]:
    with hil_service() as started:
        yield started


def writes(hil: HilState) -> list[tuple[str, dict[str, str]]]:
    return [(path.removeprefix("/v0/node/"), body) for method, path, body in hil.asked if method == "POST"]


def attach(hil: HilState, vlan: int, *, channel: str = "vlan/native") -> None:
    hil.attached["n1", "eno1"][channel] = f"net-{vlan}"


def test_port_is_taken_out_of_one_network_before_it_comes_into_another(hil: HilState) -> None:
    attach(hil, 101)
    attach(hil, 10, channel="vlan/10")
    assert adapter(hil).apply({PORT: AccessPort(vlan=200)}) == {PORT: access(200)}
    assert writes(hil) == [
        ("n1/nic/eno1/detach_network", {"network": "net-10"}),
        ("n1/nic/eno1/detach_network", {"network": "net-101"}),
        ("n1/nic/eno1/connect_network", {"network": "net-200", "channel": "vlan/native"}),
    ]


def test_port_that_is_where_it_is_wanted_is_read_and_not_written(hil: HilState) -> None:
    attach(hil, 101)
    wanted = {PORT: AccessPort(vlan=101), OTHER_PORT: AccessPort(vlan=PARKING)}
    assert adapter(hil).apply(wanted) == {PORT: access(101), OTHER_PORT: access(PARKING)}
    assert writes(hil) == []


def test_done_is_not_believed_and_not_tried_again(hil: HilState) -> None:
    hil.loses = "n1"
    assert adapter(hil).apply({PORT: AccessPort(vlan=101)}) == {PORT: access(PARKING)}
    assert len(writes(hil)) == 1


def test_action_that_failed_leaves_its_port_unknown_and_others_where_they_should_be(hil: HilState) -> None:
    hil.fails = "n1"
    wanted = {PORT: AccessPort(vlan=101), OTHER_PORT: AccessPort(vlan=102)}
    assert adapter(hil).apply(wanted) == {PORT: UNKNOWN_PORT, OTHER_PORT: access(102)}


def test_action_that_does_not_end_leaves_its_port_unknown_until_it_has(hil: HilState) -> None:
    hil.stuck = "n1"
    tor = adapter(hil, deadline_s=1.5)
    assert tor.apply({PORT: AccessPort(vlan=101)}) == {PORT: UNKNOWN_PORT}
    assert tor.read_ports([PORT, OTHER_PORT]) == {PORT: UNKNOWN_PORT, OTHER_PORT: access(PARKING)}
    hil.stuck = ""
    assert tor.apply({PORT: AccessPort(vlan=PARKING)}) == {PORT: access(PARKING)}, "it waits for it, and takes it back"
    assert [path.rpartition("/")[2] for path, _ in writes(hil)] == ["connect_network", "detach_network"]


def test_nic_that_somebody_else_works_on_is_waited_for(hil: HilState) -> None:
    hil.stuck = "n1"
    other = adapter(hil, deadline_s=3.0)
    assert other.apply({PORT: AccessPort(vlan=102)}) == {PORT: UNKNOWN_PORT}
    mine = adapter(hil, deadline_s=3.0)
    assert mine.apply({PORT: AccessPort(vlan=101)}) == {PORT: UNKNOWN_PORT}
    hil.stuck = ""
    assert adapter(hil).apply({PORT: AccessPort(vlan=101)}) == {PORT: access(101)}


def test_status_that_is_gone_is_looked_for_in_the_reading(hil: HilState) -> None:
    tor = adapter(hil)
    tor._pending[PORT] = "7d3c1f2e"
    attach(hil, 101)
    assert tor.apply({PORT: AccessPort(vlan=101)}) == {PORT: access(101)}
    assert writes(hil) == []


@pytest.mark.parametrize("port", ["n3/eno1", "n4/eno1", "n1/eno2", "n9/eno1", "n1", "n1/eno1/x", "../n1/eno1"])
def test_port_that_is_not_ours_is_unknown_and_is_not_touched(hil: HilState, port: str) -> None:
    tor = adapter(hil)
    assert tor.read_ports([port]) == {port: UNKNOWN_PORT}
    assert tor.apply({port: AccessPort(vlan=101), OTHER_PORT: AccessPort(vlan=102)}) == {
        port: UNKNOWN_PORT,
        OTHER_PORT: access(102),
    }
    assert {path for path, _ in writes(hil)} == {"n2/nic/eno1/connect_network"}


def test_network_that_is_not_ours_is_no_vlan(hil: HilState) -> None:
    hil.attached["n1", "eno1"]["vlan/native"] = "somebody-elses"
    assert adapter(hil).read_ports([PORT])[PORT].mode is PortMode.OTHER


def test_network_on_a_tag_is_no_access(hil: HilState) -> None:
    attach(hil, 101, channel="vlan/101")
    assert adapter(hil).read_ports([PORT])[PORT].mode is PortMode.OTHER


def test_vlan_without_a_network_is_the_operators_to_mend(hil: HilState) -> None:
    with pytest.raises(DeviceError) as caught:
        adapter(hil).apply({PORT: AccessPort(vlan=300)})
    assert caught.value.reason == "HilNoNetwork"
    assert writes(hil) == []


def test_parking_vlan_that_is_a_network_of_hils_is_not_parking(hil: HilState) -> None:
    hil.networks["net-999"] = PARKING
    attach(hil, PARKING)
    assert adapter(hil).read_ports([PORT])[PORT].mode is PortMode.OTHER
    assert adapter(hil).apply({PORT: AccessPort(vlan=PARKING)}) == {PORT: access(PARKING)}
    assert hil.attached["n1", "eno1"] == {}


def test_wrong_password_is_the_operators_to_mend(hil: HilState) -> None:
    for call in (lambda tor: tor.read_ports([PORT]), lambda tor: tor.apply({PORT: AccessPort(vlan=101)})):
        with pytest.raises(DeviceError) as caught:
            call(adapter(hil, password="guess"))  # noqa: S106 - wrong on purpose
        assert caught.value.reason == "SwitchRefused"


def test_stranger_gets_no_login(hil: HilState) -> None:
    stranger = Hil(
        "provider",
        url=f"https://127.0.0.1:{hil.port}",
        credentials=Credentials(user=USER, password=Secret(PASSWORD.encode())),
        vouching=Vouching(certificate="sha256:" + "0" * 64),
        parking=PARKING,
    )
    with pytest.raises(DeviceError) as caught:
        stranger.read_ports([PORT])
    assert caught.value.reason == "SwitchCertificate"
    assert hil.asked == []


@pytest.mark.parametrize("url", ["http://hil.example", "https://hil.example/v0", "ftp://hil.example", "hil.example"])
def test_address_that_would_send_the_login_in_the_clear_is_refused(url: str) -> None:
    login = Credentials(user=USER, password=Secret(PASSWORD.encode()))
    with pytest.raises(DeviceError):
        Hil("provider", url=url, credentials=login, vouching=Vouching(), parking=PARKING)


def test_what_is_no_vlan_is_our_own_mistake(hil: HilState) -> None:
    with pytest.raises(InvariantError):
        adapter(hil).apply({PORT: AccessPort(vlan=4095)})
    assert hil.asked == []


def test_service_that_breaks_in_the_middle_is_found_again(hil: HilState) -> None:
    hil.breaks = True
    tor = adapter(hil)
    begun = time.monotonic()
    with pytest.raises(TransientError):
        tor.apply({PORT: AccessPort(vlan=101), OTHER_PORT: AccessPort(vlan=102)})
    assert time.monotonic() - begun < 30
    hil.breaks = hil.is_broken = False
    assert tor.apply({PORT: AccessPort(vlan=PARKING)}) == {PORT: access(PARKING)}
