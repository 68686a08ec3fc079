"""Reading hardware that is not ours yet, from a real switch and a real BMC; nothing of it is changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.drivers.ipmi.identify import identify
from reconciler.drivers.ipmi.pool import WorkerPool
from reconciler.drivers.ipmi.power import Credentials, IpmiPower
from reconciler.drivers.openvswitch_survey import OpenVswitchSurvey
from reconciler.drivers.secret import Secret
from reconciler.errors.taxonomy import DeviceError, TransientError
from reconciler.model.observed import PortMode, PowerState
from reconciler.model.survey import SwitchSighting
from tests.support.devices import RealBmc, RealSwitch, missing_programs
from tests.support.world_switch import access

pytestmark = pytest.mark.skipif(bool(missing_programs()), reason="Open vSwitch or OpenIPMI is not installed")
MAC = "52:54:00:00:00:01"


@pytest.fixture(scope="module")
def switch() -> Iterator[RealSwitch]:
    with RealSwitch() as real:
        yield real


def survey(switch: RealSwitch, *, bridge: str = "tor", control: Path | None = None) -> SwitchSighting:
    adapter = OpenVswitchSurvey("tor", address=switch.address, bridge=bridge, control=control, deadline_s=3.0)
    with contextlib.closing(adapter):
        return adapter.survey()


def test_ports_read_as_they_are_with_what_their_switch_says_of_them(switch: RealSwitch) -> None:
    switch.configure("set", "port", "swp1", "external_ids:description=n1 eno1")
    switch.configure("set", "interface", "swp2", f'external_ids:attached-mac="{MAC}"')
    before = switch.configure("list", "port")
    seen = survey(switch)
    assert seen.bridges == ("other", "tor")
    assert list(seen.ports) == ["swp1", "swp2", "tor"]
    assert [seen.ports[name].state for name in ("swp1", "swp2")] == [access(999), access(999)]
    assert seen.ports["tor"].state.mode is PortMode.OTHER
    assert [port.is_internal for port in seen.ports.values()] == [False, False, True]
    assert (seen.ports["swp1"].note, seen.ports["swp2"].attached) == ("n1 eno1", (MAC,))
    assert not seen.has_table
    assert switch.configure("list", "port") == before


def test_learnt_addresses_are_read_from_the_control_socket_or_its_folder(switch: RealSwitch) -> None:
    switch.send("swp1", MAC)
    (switch.folder / "ovs-vswitchd.7.ctl").unlink(missing_ok=True)
    (switch.folder / "ovs-vswitchd.7.ctl").symlink_to(switch.folder / "v.ctl")
    for control in (switch.folder / "v.ctl", switch.folder):
        seen = survey(switch, control=control)
        assert seen.has_table
        assert [seen.ports[name].macs for name in ("swp1", "swp2")] == [(MAC,), ()]


def test_control_socket_that_is_not_there_is_a_table_that_was_not_read(switch: RealSwitch, tmp_path: Path) -> None:
    assert not survey(switch, control=tmp_path / "nothing.ctl").has_table
    assert not survey(switch, control=tmp_path).has_table


def test_bridge_that_is_not_there_has_no_ports(switch: RealSwitch) -> None:
    assert survey(switch, bridge="mistyped") == SwitchSighting(bridges=("other", "tor"))


def test_bmc_tells_who_it_is_and_is_left_alone() -> None:
    with RealBmc() as bmc, contextlib.closing(WorkerPool(size=1)) as pool:

        def power(password: str) -> IpmiPower:
            credentials = Credentials(user=bmc.user, password=Secret(password.encode()))
            return IpmiPower("n1", address="127.0.0.1", port=bmc.port, credentials=credentials, pool=pool)

        seen = power(bmc.password).identify()
        assert seen.power is PowerState.OFF
        assert seen.guid == f"{1:032x}"
        assert bmc.commands() == []
        with pytest.raises(DeviceError):
            power("guess").identify()
        bmc.process.kill()
        bmc.process.wait(timeout=5)
        with pytest.raises(TransientError):
            IpmiPower(
                "n1",
                address="127.0.0.1",
                port=bmc.port,
                credentials=Credentials(user=bmc.user, password=Secret(b"x")),
                pool=pool,
                deadline_s=1.0,
            ).identify()


class ScriptedBmc:
    """Answers raw commands from a table of bytes; whatever is not in it is refused."""

    def __init__(self, answers: dict[tuple[int, int], bytes], *, fru: bytes = b"") -> None:
        self.answers = answers
        self.fru = fru

    def raw_command(self, netfn: int, command: int, *, data: tuple[int, ...] = ()) -> dict[str, object]:
        if (netfn, command) == (0x0A, 0x10) and self.fru:
            return {"code": 0, "data": [len(self.fru) & 0xFF, len(self.fru) >> 8, 0]}
        if (netfn, command) == (0x0A, 0x11) and self.fru:
            start, length = data[1] + (data[2] << 8), data[3]
            part = self.fru[start : start + length]
            return {"code": 0, "data": bytearray([len(part), *part])}
        if (netfn, command) in self.answers:
            return {"code": 0, "data": self.answers[netfn, command]}
        return {"code": 0xC1, "error": "Invalid command"}


def fru(*fields: str) -> bytes:
    """Return a FRU image with a product area (Platform Management FRU Information 1.2, 8 and 12)."""
    texts = b"".join(bytes([0xC0 | len(text)]) + text.encode() for text in fields)
    area = bytes([1, 0, 25]) + texts + b"\xc1"
    return bytes([1, 0, 0, 0, 1, 0, 0, 0]) + area.ljust(-(-len(area) // 8) * 8, b"\0")


def test_serial_number_product_and_own_address_are_read_where_a_bmc_has_them() -> None:
    answers = {(6, 0x37): bytes(range(16)), (0x0C, 2): b"\x11" + bytes.fromhex("525400000aff")}
    bmc = ScriptedBmc(answers, fru=fru("Maker", "R340", "model", "1", "SN\x01123"))
    assert identify(bmc) == {
        "guid": bytes(range(16)).hex(),
        "mac": "52:54:00:00:0a:ff",
        "manufacturer": "Maker",
        "product": "R340",
        "serial": "SN123",
    }


@pytest.mark.parametrize("content", [b"", b"\x01", b"\x01\0\0\xff\xff\0\0\0", fru("a")[:10], b"\xff" * 64])
def test_malformed_fru_is_left_out(content: bytes) -> None:
    assert identify(ScriptedBmc({}, fru=content)) == {}
