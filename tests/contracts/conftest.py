"""Which benches each contract suite runs on: the simulated world's and the real adapters'.

A new adapter is one more line here. Benches with a real peer are skipped where its programs are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.support import benches, cli_benches, hil_benches, switch_benches
from tests.support.benches import CustodyBench, DeskBench, PowerBench
from tests.support.devices import missing_programs
from tests.support.netconf import missing_netconf
from tests.support.switch_benches import SwitchFactory

SWITCHES: list[SwitchFactory] = [
    switch_benches.simulated_switch,
    switch_benches.openvswitch,
    switch_benches.netconf,
    switch_benches.netconf_nxos,
    *cli_benches.ALL,
    *hil_benches.ALL,
]
POWERS: list[Callable[[], AbstractContextManager[PowerBench]]] = [
    benches.simulated_power,
    benches.ipmi,
    benches.redfish,
]
DESKS: list[Callable[[], AbstractContextManager[DeskBench]]] = [benches.simulated_desk, benches.spool]
CUSTODIANS: list[Callable[[], AbstractContextManager[CustodyBench]]] = [benches.simulated_custody, benches.age_custody]
NEED_PROGRAMS = (switch_benches.openvswitch, benches.ipmi)


def _bench(request: pytest.FixtureRequest) -> AbstractContextManager[object]:
    if request.param in NEED_PROGRAMS and missing_programs():
        pytest.skip(f"not installed: {', '.join(missing_programs())}")
    if request.param in (switch_benches.netconf, switch_benches.netconf_nxos) and missing_netconf():
        pytest.skip(f"not installed: {', '.join(missing_netconf())}")
    made: AbstractContextManager[object] = request.param()
    return made


def _name(factory: Callable[[], object]) -> str:
    return factory.__name__


@pytest.fixture(params=SWITCHES, ids=_name)
def switches(request: pytest.FixtureRequest) -> Iterator[object]:
    with _bench(request) as bench:
        yield bench


@pytest.fixture(params=POWERS, ids=_name)
def powers(request: pytest.FixtureRequest) -> Iterator[object]:
    with _bench(request) as bench:
        yield bench


@pytest.fixture(params=DESKS, ids=_name)
def desks(request: pytest.FixtureRequest) -> Iterator[object]:
    with _bench(request) as bench:
        yield bench


@pytest.fixture(params=CUSTODIANS, ids=_name)
def custodians(request: pytest.FixtureRequest) -> Iterator[object]:
    with _bench(request) as bench:
        yield bench
