"""Benches for the contract suites: an adapter, and a handle to what is really so.

A bench is made by a context manager in a list of ``tests/contracts/conftest.py``; the same suite runs on each, the
simulated world's and the real peer's. The handle sets and reads the truth past the adapter, and makes the device
fail.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyrage

from reconciler.drivers.custodian import AgeCustodian, create_identity
from reconciler.drivers.https import Vouching
from reconciler.drivers.ipmi.pool import WorkerPool
from reconciler.drivers.ipmi.power import IpmiPower
from reconciler.drivers.redfish.power import RedfishPower
from reconciler.drivers.secret import Credentials, Secret
from reconciler.drivers.spool.boot import SpoolBootService
from reconciler.drivers.spool.database import Database
from reconciler.drivers.spool.desk import SpoolDesk
from reconciler.drivers.spool.front import Issued, SpoolFront, Submission
from reconciler.ports.attestation import Answer, AttestationDesk
from reconciler.ports.boot import BootService
from reconciler.ports.custody import Custodian
from reconciler.ports.power import Power
from tests.support.devices import RealBmc, hung
from tests.support.redfish import RealRedfish
from tests.support.served import put_image
from tests.support.softtpm import SoftTpm
from tests.support.world_custodian import SimulatedCustodian
from tests.support.world_desk import Counter, SimulatedBoot, SimulatedDesk, SimulatedService
from tests.support.world_line import FOREVER, Fault, FaultKind, Line
from tests.support.world_power import SimulatedPower

DEADLINE_S = 2.0
AIRLOCK_VLAN, ENCLAVE_VLAN = 101, 200
Failing = Callable[[], AbstractContextManager[None]]


@dataclass(kw_only=True)
class PowerBench:
    """A machine that is off; ``refusing`` is the same BMC for somebody who does not know its password.

    ``silent``: nothing answers. ``away``: the BMC itself is starting again. ``idle``: it takes commands about power and
    does nothing. ``stubborn``: it does not take the network as boot device.
    """

    power: Power
    is_on: Callable[[], bool]
    resets: Callable[[], int]
    silent: Failing
    away: Failing
    idle: Failing
    stubborn: Failing
    refusing: Power


@dataclass(kw_only=True)
class DeskBench:
    """Boot service and attestation desk over one store, a node n1, and ``image`` in the image store."""

    boot: BootService
    desk: AttestationDesk
    node: Caller
    image: str


@dataclass(kw_only=True)
class CustodyBench:
    """An empty custodian and its clock; ``again`` opens the same store anew, as after a crash."""

    custodian: Custodian
    again: Callable[[], Custodian]
    now: Callable[[], datetime]


@dataclass(kw_only=True)
class Caller:
    """Node n1's side of the desk, whatever is behind it: each function does what one request does."""

    enrol: Callable[[], str]
    challenge: Callable[[str], bytes]
    prove: Callable[[str, bytes], None]
    verdict: Callable[[str, bytes], Answer | None]
    acknowledge: Callable[[str, bytes, dict[str, str]], None]
    confirm: Callable[[str], None]


def failing(line: Line, device: str, kind: FaultKind) -> Failing:
    """Return what makes every call to ``device`` fail for a while."""

    @contextmanager
    def fail() -> Iterator[None]:
        line.faults.append(Fault(device=device, kind=kind, times=FOREVER))
        try:
            yield
        finally:
            line.faults.clear()

    return fail


@dataclass(kw_only=True)
class _Machine:
    is_on: bool = False
    resets: int = 0

    def power_on(self) -> None:
        self.resets += self.is_on
        self.is_on = True

    def power_off(self) -> None:
        self.is_on = False


@contextmanager
def simulated_power() -> Iterator[PowerBench]:
    """Give a machine of the simulated world."""
    line, machine = Line(), _Machine()
    refusing = Line(faults=[Fault(device="power/*", kind=FaultKind.REFUSED, times=FOREVER)])
    yield PowerBench(
        power=SimulatedPower("n1", machine=machine, line=line),
        is_on=lambda: machine.is_on,
        resets=lambda: machine.resets,
        silent=failing(line, "power/*", FaultKind.HANG),
        away=failing(line, "power/*", FaultKind.HANG),
        idle=failing(line, "power/*", FaultKind.OLD),
        stubborn=failing(line, "power/*", FaultKind.REFUSED),
        refusing=SimulatedPower("n1", machine=machine, line=refusing),
    )


@contextmanager
def ipmi() -> Iterator[PowerBench]:
    """Give a real BMC, OpenIPMI's."""
    with RealBmc() as real, contextlib.closing(WorkerPool(size=2)) as pool:

        def power(password: str, *, deadline_s: float = DEADLINE_S) -> IpmiPower:
            credentials = Credentials(user=real.user, password=Secret(password.encode()))
            return IpmiPower(
                "n1",
                address="127.0.0.1",
                port=real.port,
                credentials=credentials,
                pool=pool,
                deadline_s=deadline_s,
            )

        power(real.password, deadline_s=10.0).status()  # the BMC and the workers are up
        yield PowerBench(
            power=power(real.password),
            is_on=lambda: real.machine("power") == "1",
            resets=lambda: sum(command.startswith("reset") for command in real.commands()),
            silent=lambda: hung(real.process),
            away=lambda: _away(real.halt, real.boot),
            idle=lambda: _present(real.folder / "stuck"),
            stubborn=lambda: _present(real.folder / "stubborn"),
            refusing=power("not its password"),
        )


@contextmanager
def redfish() -> Iterator[PowerBench]:
    """Give a real Redfish service, sushy-tools'."""
    with RealRedfish() as real:

        def power(password: str) -> RedfishPower:
            return RedfishPower(
                "n1",
                address="127.0.0.1",
                port=real.port,
                credentials=Credentials(user=real.user, password=Secret(password.encode())),
                vouching=Vouching(certificate=real.pin),
                network_boot="pxe",  # of UefiHttp the emulator makes Pxe
                deadline_s=2 * DEADLINE_S,  # it is a program of some size on a machine of two processors
            )

        yield PowerBench(
            power=power(real.password),
            is_on=real.is_on,
            resets=lambda: sum("Restart" in command for command in real.commands()),
            silent=lambda: hung(real.process),
            away=lambda: _away(real.halt, real.boot),
            idle=lambda: _present(real.folder / "stuck"),
            stubborn=lambda: _present(real.folder / "stubborn"),
            refusing=power("not its password"),
        )


@contextmanager
def _present(file: Path) -> Iterator[None]:
    file.touch()
    try:
        yield
    finally:
        file.unlink()


@contextmanager
def _away(halt: Callable[[], None], boot: Callable[[], None]) -> Iterator[None]:
    halt()
    try:
        yield
    finally:
        boot()


@contextmanager
def simulated_desk() -> Iterator[DeskBench]:
    """Give the services of the simulated world."""
    line, counter, tpm = Line(), Counter(), SoftTpm("n1")
    service = SimulatedService(
        counter,
        airlocks={AIRLOCK_VLAN: "n1"},
        networks={ENCLAVE_VLAN: "blue-net"},
        issue=lambda _ek, session: tpm.issue(session),
        now=line.clock.now,
    )
    service.start()

    def enrol() -> str:
        session, blob, encrypted = service.enrol(
            vlan=AIRLOCK_VLAN, ek_certificate=tpm.ek_certificate, ak_public=tpm.ak_public
        )
        service.activate(session, secret=tpm.activate(blob, encrypted))
        return session

    def prove(session: str, nonce: bytes) -> None:
        service.submit(session, nonce=nonce, quote=b"q", signature=b"s", pcrs={4: bytes(32)}, event_log=b"l",
                       ephemeral="age1e")  # fmt: skip

    image = "sha256:" + "a" * 64
    yield DeskBench(
        boot=SimulatedBoot(counter, images=[image], line=line),
        desk=SimulatedDesk(counter, line=line),
        node=Caller(
            enrol=enrol,
            challenge=lambda session: service.challenge(session).nonce,
            prove=prove,
            verdict=lambda session, nonce: service.verdict(session, nonce=nonce),
            acknowledge=lambda session, nonce, receipts: service.acknowledge(session, nonce=nonce, receipts=receipts),
            confirm=lambda session: service.confirm(session, vlan=ENCLAVE_VLAN),
        ),
        image=image,
    )


@contextmanager
def spool() -> Iterator[DeskBench]:
    """Give the spool, with the service's side on a connection of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rf-")))
        (folder / "images").mkdir()
        ours, theirs = (stack.enter_context(contextlib.closing(Database(folder / "spool"))) for _ in range(2))
        front = SpoolFront(theirs, images=folder / "images")
        front.begin_listening()
        desk = SpoolDesk(ours)
        yield DeskBench(
            boot=SpoolBootService(ours, images=folder / "images"),
            desk=desk,
            node=spool_caller(front),
            image=put_image(folder, b"a kernel"),
        )


def spool_caller(front: SpoolFront, node: str = "n1") -> Caller:
    """Return a node's side of the spool."""
    issued = Issued(seed=bytes(32), secret=b"the secret", credential_blob=b"blob", encrypted_secret=b"encrypted")

    def enrol() -> str:
        session = front.open_session(node, ek_certificate=b"ek", ak_public=b"ak", issued=issued)
        front.activate(session, secret=issued.secret)
        return session

    def prove(session: str, nonce: bytes) -> None:
        front.store_evidence(
            session,
            Submission(nonce=nonce, ephemeral="age1e", quote=b"q", signature=b"s", pcrs={4: bytes(32)}, event_log=b"l"),
        )

    return Caller(
        enrol=enrol,
        challenge=lambda session: front.issue_challenge(session).nonce,
        prove=prove,
        verdict=lambda session, nonce: front.fetch_answer(session, nonce=nonce),
        acknowledge=lambda session, nonce, receipts: front.acknowledge(session, nonce=nonce, receipts=receipts),
        confirm=lambda session: front.confirm(session, network="blue-net"),
    )


@contextmanager
def simulated_custody() -> Iterator[CustodyBench]:
    """Give the custodian of the simulated world."""
    line = Line()
    custodian = SimulatedCustodian(line=line)
    yield CustodyBench(custodian=custodian, again=lambda: custodian, now=line.clock.now)


@contextmanager
def age_custody() -> Iterator[CustodyBench]:
    """Give the key store in an age file."""
    with tempfile.TemporaryDirectory(prefix="rf-") as name:
        folder = Path(name)
        create_identity(folder / "identity")

        def opened() -> AgeCustodian:
            return AgeCustodian(folder, identity=folder / "identity", deadline_s=DEADLINE_S)

        yield CustodyBench(custodian=opened(), again=opened, now=utc_now)


def unwrap(wrapped: bytes, identity: pyrage.x25519.Identity) -> bytes:
    """Return what is in an age file."""
    opened: bytes = pyrage.decrypt(wrapped, [identity])
    return opened


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
