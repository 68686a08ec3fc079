"""The NETCONF adapter against a real server: what can go wrong beyond the contract."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.drivers.netconf import Netconf, SshLogin
from reconciler.errors.taxonomy import DeviceError, InvariantError, TransientError
from reconciler.ports.isolation import AccessPort
from tests.support.devices import hung, wait_until
from tests.support.netconf import RealNetconf, missing_netconf
from tests.support.world_switch import access, send

pytestmark = pytest.mark.skipif(bool(missing_netconf()), reason=f"not installed: {', '.join(missing_netconf())}")
PARKING = 999


@pytest.fixture(scope="module")
def started() -> Iterator[RealNetconf]:
    with RealNetconf() as server:
        yield server


@pytest.fixture
def real(started: RealNetconf) -> RealNetconf:
    for port in ("swp1", "swp2"):
        started.park(port)
    return started


@pytest.fixture
def login(real: RealNetconf) -> SshLogin:
    return SshLogin(user=real.user, key=real.user_key, host_key=real.host_key)


@pytest.fixture
def switch(real: RealNetconf, login: SshLogin) -> Iterator[Netconf]:
    with contextlib.closing(_switch(real, login)) as adapter:
        yield adapter


def _switch(real: RealNetconf, login: SshLogin, *, deadline_s: float = 8.0) -> Netconf:
    return Netconf("tor", address=real.address, login=login, parking=PARKING, deadline_s=deadline_s)


def test_switch_with_another_host_key_is_not_spoken_to(real: RealNetconf, login: SshLogin) -> None:
    real.run("rm", "-f", "stranger", "stranger.pub")
    real.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "stranger")
    other = " ".join((real.folder / "stranger.pub").read_text().split()[:2])
    with (
        contextlib.closing(_switch(real, replace(login, host_key=other))) as adapter,
        pytest.raises(DeviceError) as caught,
    ):
        adapter.read_ports(["swp1"])
    assert caught.value.reason == "SwitchHostKey"


def test_login_that_is_refused_is_the_operators_to_mend(real: RealNetconf, login: SshLogin) -> None:
    with (
        contextlib.closing(_switch(real, replace(login, key=real.folder / "host"))) as adapter,
        pytest.raises(DeviceError) as caught,
    ):
        adapter.read_ports(["swp1"])
    assert caught.value.reason == "SwitchLogin"


def test_nobody_listening_is_unreachable(login: SshLogin) -> None:
    adapter = Netconf("tor", address="ssh:127.0.0.1:1", login=login, deadline_s=5.0)
    with pytest.raises(TransientError) as caught:
        adapter.read_ports(["swp1"])
    assert caught.value.reason == "SwitchUnreachable"


@pytest.mark.parametrize("address", ["tcp:127.0.0.1:830", "ssh:127.0.0.1", "ssh:a b:830", ""])
def test_address_of_another_form_is_refused(login: SshLogin, address: str) -> None:
    with pytest.raises(DeviceError):
        Netconf("tor", address=address, login=login)


def test_vlan_that_does_not_exist_never_reaches_the_switch(real: RealNetconf, switch: Netconf) -> None:
    for vlan in (0, 4095, 5000):
        with pytest.raises(InvariantError):
            send(switch, "swp1", vlan=vlan)
    assert real.vlan("swp1") == PARKING


def test_parked_port_is_off_and_one_that_was_switched_on_again_does_not_count_as_parked(
    real: RealNetconf, switch: Netconf
) -> None:
    send(switch, "swp1", vlan=101)
    assert not real.is_off("swp1")
    send(switch, "swp1", vlan=PARKING)
    assert real.is_off("swp1")
    real.park("swp1", is_on=True)
    assert not switch.read_ports(["swp1"])["swp1"].is_access(PARKING)
    assert send(switch, "swp1", vlan=PARKING) == access(PARKING)
    assert real.is_off("swp1")


def test_candidate_that_somebody_else_has_locked_is_waited_for_by_a_later_pass(
    real: RealNetconf, switch: Netconf
) -> None:
    with real.session() as other, other.locked("candidate"), pytest.raises(TransientError) as caught:
        send(switch, "swp1", vlan=101)
    assert caught.value.reason == "SwitchBusy"
    assert send(switch, "swp1", vlan=101) == access(101)


def test_no_lock_is_left_after_a_write_or_a_refusal(real: RealNetconf, switch: Netconf) -> None:
    send(switch, "swp1", vlan=101)
    with real.fault("refuse"), pytest.raises(DeviceError):
        send(switch, "swp1", vlan=102)
    with real.session() as other, other.locked("candidate"):
        assert real.vlan("swp1") == 101


def test_admission_whose_confirmation_does_not_come_is_undone_by_the_switch_itself(
    real: RealNetconf, login: SshLogin
) -> None:
    with contextlib.closing(_switch(real, login)) as adapter, real.fault("deaf"), pytest.raises(TransientError):
        send(adapter, "swp1", vlan=101)  # Committed on probation; then the switch is heard no more.
    wait_until(lambda: real.vlan("swp1") == PARKING, what="it stays on probation")
    assert real.is_off("swp1")


def test_parking_is_never_undone_even_if_nothing_is_heard_after_its_commit(real: RealNetconf, login: SshLogin) -> None:
    with contextlib.closing(_switch(real, login)) as adapter:
        send(adapter, "swp1", vlan=200)
        with real.fault("deaf"), pytest.raises(TransientError):
            adapter.apply({"swp1": AccessPort(vlan=PARKING), "swp2": AccessPort(vlan=101)})
    assert real.vlan("swp1") == PARKING
    assert real.is_off("swp1")
    assert real.vlan("swp2") == PARKING, "and what came after it was not begun"


def test_sshd_that_hangs_is_given_up_at_the_deadline(real: RealNetconf, login: SshLogin) -> None:
    adapter = _switch(real, login, deadline_s=1.0)
    with contextlib.closing(adapter), hung(real.sshd), pytest.raises(TransientError):
        adapter.read_ports(["swp1"])


def test_session_that_the_server_ended_is_made_anew(real: RealNetconf, switch: Netconf) -> None:
    switch.read_ports(["swp1"])
    real.end_sessions()
    assert send(switch, "swp1", vlan=101) == access(101)


def test_import_of_the_adapter_does_not_import_its_client() -> None:
    program = "import sys, reconciler.drivers.netconf; sys.exit('ncclient' in sys.modules or 'lxml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env=dict(os.environ), timeout=10, check=False)
    assert done.returncode == 0
