"""Which adapter a node's BMC gets, and when it is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.cli.bmcs import DRIVERS, BmcSet
from reconciler.drivers.ipmi.pool import WorkerPool
from reconciler.drivers.ipmi.power import IpmiPower
from reconciler.drivers.redfish.power import RedfishPower
from reconciler.drivers.secret import Credentials, Secret
from reconciler.errors.taxonomy import InputError, TransientError
from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Bmc
from reconciler.model.observed import PowerState
from tests.support.redfish import RealRedfish
from tests.support.sites import site


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with contextlib.closing(WorkerPool(size=0)) as started:
        yield started


def of(pool: WorkerPool, *names: str, ca: Path | None = None) -> BmcSet:
    login = Credentials(user="admin", password=Secret(RealRedfish.password.encode()))
    return BmcSet(credentials=dict.fromkeys(names, login), file=Path("credentials.json"), pool=pool, ca=ca)


def with_bmc(desired: DesiredState, node: str, **changes: object) -> DesiredState:
    document = desired.nodes[node]
    bmc = Bmc.model_validate({**document.spec.bmc.model_dump(), **changes})
    spec = document.spec.model_copy(update={"bmc": bmc})
    return replace(desired, nodes={**desired.nodes, node: document.model_copy(update={"spec": spec})})


def logins(desired: DesiredState) -> list[str]:
    return [node.spec.bmc.credentials for node in desired.nodes.values()]


def test_every_driver_that_a_document_may_name_has_an_adapter() -> None:
    assert sorted(DRIVERS) == sorted(Bmc.model_json_schema()["properties"]["driver"]["enum"])


def test_bmc_gets_the_adapter_that_its_document_names_and_keeps_it(pool: WorkerPool) -> None:
    desired = site(nodes=2)
    first, second = sorted(desired.nodes)
    bmcs = of(pool, *logins(desired))
    before = bmcs.of(desired)
    assert all(isinstance(power, IpmiPower) for power in before.values())
    after = bmcs.of(with_bmc(desired, first, driver="redfish"))
    assert isinstance(after[first], RedfishPower)
    assert after[second] is before[second]


def test_bmc_of_a_node_that_is_gone_is_forgotten(pool: WorkerPool) -> None:
    desired = site(nodes=2)
    first, second = sorted(desired.nodes)
    bmcs = of(pool, *logins(desired))
    before = bmcs.of(desired)
    assert set(bmcs.of(replace(desired, nodes={first: desired.nodes[first]}))) == {first}
    assert bmcs.of(desired)[second] is not before[second]


def test_login_that_is_not_on_this_machine_is_told(pool: WorkerPool) -> None:
    with pytest.raises(InputError) as caught:
        of(pool).of(site(nodes=1))
    assert caught.value.reason == "CredentialsMissing"
    assert "credentials.json" in caught.value.hint


@pytest.mark.parametrize("spec", [{}, {"address": "10.0.3.7", "port": 0}, {"address": "10.0.3.7", "driver": "x"}])
def test_document_that_is_not_complete_cannot_be_looked_at(pool: WorkerPool, spec: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"spec\.bmc"):
        of(pool, "bmc/n1").survey("n1", spec={"credentials": "bmc/n1", **spec})


def test_document_in_the_making_is_looked_at_as_it_stands(pool: WorkerPool) -> None:
    with RealRedfish() as real:
        spec = {"driver": "redfish", "address": "127.0.0.1", "port": real.port, "credentials": "bmc/n1"}
        bmcs = of(pool, "bmc/n1")
        seen = bmcs.survey("n1", spec={**spec, "certificate": real.pin}).identify()
        assert (seen.power, seen.manufacturer) == (PowerState.OFF, "Sushy Emulator")
        assert of(pool, "bmc/n1", ca=real.certificate).survey("n1", spec=spec).identify() == seen
        real.halt()
        with pytest.raises(TransientError):
            bmcs.survey("n1", spec={**spec, "certificate": real.pin}).identify()
