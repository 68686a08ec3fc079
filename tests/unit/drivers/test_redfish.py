"""The Redfish adapter: what BMCs get wrong, and what a stranger in a BMC's place gets from us."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from reconciler.drivers.https import Vouching
from reconciler.drivers.redfish.power import NetworkBoot, RedfishPower
from reconciler.drivers.secret import Credentials, Secret
from reconciler.errors.taxonomy import DeviceError, TransientError
from reconciler.model.observed import PowerState
from tests.support.redfish import UUID, RealRedfish, pin, server_certificate
from tests.support.scripted import Scripted, scripted_server

SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
PIN = pin(server_certificate()[0])


def power_at(
    port: int,
    *,
    vouching: Vouching | None = None,
    system: str | None = "1",
    network_boot: NetworkBoot = "http",
    deadline_s: float = 5.0,
) -> RedfishPower:
    return RedfishPower(
        "n1",
        address="127.0.0.1",
        port=port,
        credentials=Credentials(user="admin", password=Secret(RealRedfish.password.encode())),
        vouching=vouching or Vouching(certificate=PIN),
        system=system,
        network_boot=network_boot,
        deadline_s=deadline_s,
    )


class Machine:
    """A well-behaved BMC's machine over a scripted server; tests replace an answer to make it otherwise."""

    def __init__(self, server: Scripted) -> None:
        self.server = server
        self.document: dict[str, Any] = {
            "@odata.id": SYSTEM,
            "Id": "1",
            "PowerState": "Off",
            "UUID": UUID.upper(),
            "Manufacturer": "Maker",
            "Model": " Type\t7 ",
            "SerialNumber": 7,
            "Boot": {
                "BootSourceOverrideEnabled": "Disabled",
                "BootSourceOverrideTarget": "None",
                "BootSourceOverrideMode": "UEFI",
                "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "UefiHttp"],
            },
            "Actions": {
                "#ComputerSystem.Reset": {
                    "target": RESET,
                    "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "ForceRestart"],
                }
            },
        }
        server.answers = {
            ("GET", SYSTEM): lambda _handler, _body: (200, self.document),
            ("PATCH", SYSTEM): self._patch,
            ("POST", RESET): self._reset,
        }

    def _patch(self, _handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> tuple[int, Any]:
        self.document["Boot"] |= body["Boot"]
        return 200, {}

    def _reset(self, _handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> tuple[int, Any]:
        self.document["PowerState"] = {"On": "On", "ForceOn": "On", "ForceOff": "Off"}[body["ResetType"]]
        return 204, b""


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted_server() as started:
        yield started


@pytest.fixture
def machine(server: Scripted) -> Machine:
    return Machine(server)


def test_network_boot_is_set_for_one_boot_and_read_back_before_power_goes_on(machine: Machine) -> None:
    assert power_at(machine.server.port).turn_on() is PowerState.ON
    ((_, boot),) = machine.server.told("PATCH")
    assert boot == {"Boot": {"BootSourceOverrideTarget": "UefiHttp", "BootSourceOverrideEnabled": "Once"}}
    assert [method for method, _, _ in machine.server.asked] == ["GET", "GET", "PATCH", "GET", "POST", "GET"]


def test_one_conversation_is_one_connection(machine: Machine) -> None:
    assert power_at(machine.server.port).turn_on() is PowerState.ON
    assert machine.server.connections == 1


def test_bios_boot_is_made_uefi_boot(machine: Machine) -> None:
    machine.document["Boot"]["BootSourceOverrideMode"] = "Legacy"
    assert power_at(machine.server.port, network_boot="pxe").turn_on() is PowerState.ON
    assert machine.document["Boot"]["BootSourceOverrideMode"] == "UEFI"
    assert machine.document["Boot"]["BootSourceOverrideTarget"] == "Pxe"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("BootSourceOverrideTarget", "Hdd"),
        ("BootSourceOverrideTarget", "UefiNvme7"),
        ("BootSourceOverrideTarget", None),
        ("BootSourceOverrideEnabled", "Disabled"),
        ("BootSourceOverrideEnabled", None),
        ("BootSourceOverrideMode", "Legacy"),
        ("BootSourceOverrideMode", "Other"),
    ],
)
def test_machine_whose_boot_device_reads_back_as_another_stays_off(
    machine: Machine, field: str, value: str | None
) -> None:
    def take_most(_handler: object, body: dict[str, Any]) -> tuple[int, Any]:
        machine.document["Boot"] |= {**body["Boot"], field: value}
        return 200, {}

    machine.server.answers["PATCH", SYSTEM] = take_most
    with pytest.raises(DeviceError) as caught:
        power_at(machine.server.port).turn_on()
    assert caught.value.reason == "BmcBootDevice"
    assert machine.server.told("POST") == []


def test_boot_device_that_is_laid_out_for_the_next_boot_is_what_counts(machine: Machine) -> None:
    path = f"{SYSTEM}/Settings"
    machine.document["@Redfish.Settings"] = {"SettingsObject": {"@odata.id": path}}
    settings = {"Boot": {"BootSourceOverrideTarget": None, "BootSourceOverrideEnabled": None}}

    def patch(_handler: object, body: dict[str, Any]) -> tuple[int, Any]:
        settings["Boot"] |= body["Boot"]
        return 200, {}

    machine.server.answers |= {("GET", path): lambda _h, _b: (200, settings), ("PATCH", path): patch}
    assert power_at(machine.server.port).turn_on() is PowerState.ON
    assert settings["Boot"]["BootSourceOverrideTarget"] == "UefiHttp"
    assert machine.document["Boot"]["BootSourceOverrideTarget"] == "None"


def test_boot_device_that_the_bmc_does_not_offer_is_refused_before_anything_is_changed(machine: Machine) -> None:
    machine.document["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"] = ["Pxe", "Hdd"]
    with pytest.raises(DeviceError, match="UefiHttp"):
        power_at(machine.server.port).turn_on()
    assert {method for method, _, _ in machine.server.asked} == {"GET"}


def test_emulator_that_makes_pxe_of_http_boot_is_caught() -> None:
    with RealRedfish() as real:
        with pytest.raises(DeviceError) as caught:
            power_at(real.port, system=None).turn_on()
        assert caught.value.reason == "BmcBootDevice"
        assert real.commands() == ["boot Pxe"]
        assert not real.is_on()


def test_slow_machine_is_awaited_and_is_not_told_twice() -> None:
    with RealRedfish() as real:
        real.file("delay_s").write_text("2")
        power = power_at(real.port, system=None, network_boot="pxe", deadline_s=20.0)
        assert power.turn_on() is PowerState.ON
        assert power.turn_off() is PowerState.OFF
        assert real.commands() == ["boot Pxe", "power On", "power ForceOff"]


def test_emulator_tells_who_its_machine_is() -> None:
    with RealRedfish() as real:
        seen = power_at(real.port, system=None).identify()
        assert seen.power is PowerState.OFF
        assert seen.guid == UUID.replace("-", "")
        assert seen.manufacturer == "Sushy Emulator"
        assert real.commands() == []


def test_what_a_bmc_tells_is_kept_printable(machine: Machine) -> None:
    seen = power_at(machine.server.port).identify()
    assert (seen.guid, seen.manufacturer, seen.product, seen.serial) == (UUID.replace("-", ""), "Maker", "Type7", "")


@pytest.mark.parametrize("state", ["Paused", "Unheard", None])
def test_unclear_power_state_is_unknown_and_nothing_is_switched(machine: Machine, state: str | None) -> None:
    machine.document["PowerState"] = state
    power = power_at(machine.server.port, deadline_s=1.0)
    assert power.status() is PowerState.UNKNOWN
    assert power.turn_on() is PowerState.UNKNOWN
    assert power.turn_off() is PowerState.UNKNOWN
    assert machine.server.told("POST") == []


def test_machine_that_is_just_going_off_is_switched_on_afterwards(machine: Machine) -> None:
    states = ["PoweringOff", "PoweringOff", "Off"]

    def get(_handler: object, _body: object) -> tuple[int, Any]:
        if states:
            machine.document["PowerState"] = states.pop(0)
        return 200, machine.document

    machine.server.answers["GET", SYSTEM] = get
    assert power_at(machine.server.port).turn_on() is PowerState.ON
    assert machine.server.told("POST") == [(RESET, {"ResetType": "On"})]


def test_bmc_that_only_forces_machines_on_is_asked_for_that(machine: Machine) -> None:
    reset = machine.document["Actions"]["#ComputerSystem.Reset"]
    reset["ResetType@Redfish.AllowableValues"] = ["ForceOn", "GracefulShutdown"]
    power = power_at(machine.server.port)
    assert power.turn_on() is PowerState.ON
    with pytest.raises(DeviceError, match="cannot switch it off"):
        power.turn_off()


def test_bmc_with_two_machines_must_be_told_which(machine: Machine) -> None:
    machine.server.answers |= {
        ("GET", "/redfish/v1/"): (200, {"Id": "R", "Systems": {"@odata.id": "/redfish/v1/Systems"}}),
        ("GET", "/redfish/v1/Systems"): (200, {"Members": [{"@odata.id": SYSTEM}, {"@odata.id": f"{SYSTEM}1"}]}),
        ("GET", f"{SYSTEM}1"): (200, machine.document),
    }
    with pytest.raises(DeviceError, match="exactly one"):
        power_at(machine.server.port, system=None).status()
    assert power_at(machine.server.port).status() is PowerState.OFF


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, DeviceError, "BmcRefused"),
        (401, DeviceError, "BmcRefused"),
        (403, DeviceError, "BmcRefused"),
        (404, DeviceError, "BmcRefused"),
        (409, TransientError, "BmcBusy"),
        (429, TransientError, "BmcBusy"),
        (500, TransientError, "BmcBusy"),
        (503, TransientError, "BmcBusy"),
    ],
)
def test_refusal_is_sorted_by_what_can_be_done(
    machine: Machine, status: int, kind: type[Exception], reason: str
) -> None:
    error = {"error": {"code": "Base.1.0.GeneralError", "message": "no\nway " + "x" * 999}}
    machine.server.answers["POST", RESET] = (status, error)
    with pytest.raises(kind, match="no way") as caught:
        power_at(machine.server.port).turn_on()
    assert getattr(caught.value, "reason", "") == reason
    assert len(str(caught.value)) < 400
    assert len(machine.server.told("POST")) == 1, "a command is not repeated"


@pytest.mark.parametrize(
    "answer",
    [
        (200, b""),
        (200, b"<html>please wait</html>"),
        (200, []),
        (200, {}),
        (200, {"Id": "1", "PowerState": {"really": "On"}, "Boot": 7}),
        (302, b""),
        lambda _handler, _body: None,
    ],
)
def test_garbage_is_no_state(machine: Machine, answer: Any) -> None:  # noqa: ANN401
    machine.server.answers["GET", SYSTEM] = answer
    with pytest.raises(TransientError):
        power_at(machine.server.port).turn_off()
    assert {path for _, path, _ in machine.server.asked} == {SYSTEM}, "redirects are not followed"


def test_endless_answer_is_cut_off(machine: Machine) -> None:
    machine.server.answers["GET", SYSTEM] = (200, b" " * (5 * 1024 * 1024))
    with pytest.raises(DeviceError, match="too long"):
        power_at(machine.server.port).status()


def trickle(handler: BaseHTTPRequestHandler, _body: object) -> None:
    with contextlib.suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(300):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)


def test_bmc_that_trickles_is_cut_off_at_the_deadline(machine: Machine) -> None:
    machine.server.answers["GET", SYSTEM] = trickle
    begun = time.monotonic()
    with pytest.raises(TransientError) as caught:
        power_at(machine.server.port, deadline_s=1.0).status()
    assert caught.value.reason == "BmcSilent"
    assert time.monotonic() - begun < 20, "and not when it has finished"


def test_command_whose_end_is_not_seen_claims_nothing(machine: Machine) -> None:
    def reset_and_fall_silent(handler: BaseHTTPRequestHandler, body: object) -> tuple[int, Any]:
        machine.server.answers["GET", SYSTEM] = trickle
        return machine._reset(handler, body)  # type: ignore[arg-type]

    machine.server.answers["POST", RESET] = reset_and_fall_silent
    with pytest.raises(TransientError):
        power_at(machine.server.port, deadline_s=1.0).turn_on()


def test_nobody_and_somebody_without_tls_are_unreachable() -> None:
    with scripted_server(is_plain=True) as plain, pytest.raises(TransientError):
        power_at(plain.port).status()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(TransientError, match="refused"):
            power_at(unused.getsockname()[1]).status()


def vouchings(folder: Path) -> list[Callable[[], Vouching]]:
    other = folder / "other.pem"
    other.write_bytes(server_certificate.__wrapped__()[0])
    return [
        lambda: Vouching(certificate="sha256:" + "0" * 64),
        Vouching,
        lambda: Vouching(ca=other),
        lambda: Vouching(ca=folder / "missing.pem"),
    ]


@pytest.mark.parametrize("number", range(4))
def test_stranger_gets_no_login(machine: Machine, tmp_path: Path, number: int) -> None:
    with pytest.raises(DeviceError) as caught:
        power_at(machine.server.port, vouching=vouchings(tmp_path)[number]()).turn_on()
    assert caught.value.reason == "BmcCertificate"
    assert machine.server.asked == []


def test_pin_counts_even_where_a_ca_would_vouch(machine: Machine, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(server_certificate()[0])
    wrong = Vouching(certificate="sha256:" + "0" * 64, ca=ca)
    with pytest.raises(DeviceError):
        power_at(machine.server.port, vouching=wrong).status()
    assert power_at(machine.server.port, vouching=Vouching(ca=ca)).status() is PowerState.OFF


def test_environment_has_no_say(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(server_certificate.__wrapped__()[0])
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    assert power_at(machine.server.port).status() is PowerState.OFF


def test_bmc_that_was_silent_twice_is_left_alone_for_a_while(machine: Machine) -> None:
    machine.server.answers["GET", SYSTEM] = lambda _handler, _body: None
    power = power_at(machine.server.port)
    for _ in range(2):
        with pytest.raises(TransientError):
            power.status()
    before = machine.server.connections
    with pytest.raises(TransientError, match="2 times in a row"):
        power.status()
    assert machine.server.connections == before
