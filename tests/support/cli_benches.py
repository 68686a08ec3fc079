"""Benches for the isolation port: switches that are spoken to by their command line, one for each platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from reconciler.drivers.cli_switch.switch import CliSwitch
from reconciler.drivers.secret import Credentials, Secret
from reconciler.model.observed import PortMode, PortState
from reconciler.model.trunks import Carried
from tests.support.benches import Failing
from tests.support.ssh_switch import PASSWORD, USER, SshSwitch, ssh_switch
from tests.support.switch_benches import PARKING, SwitchBench, SwitchFactory
from tests.support.world_switch import access

DEADLINE_S = 4.0


def adapter(peer: SshSwitch, platform: str, *, deadline_s: float = DEADLINE_S, **other: Any) -> CliSwitch:  # noqa: ANN401 - what a test changes
    """Return the adapter to ``peer``."""
    settings: dict[str, Any] = {
        "platform": platform,
        "address": f"ssh:127.0.0.1:{peer.port}",
        "host_key": peer.key,
        "credentials": Credentials(user=USER, password=Secret(PASSWORD.encode())),
        "parking": PARKING,
        "deadline_s": deadline_s,
    }
    return CliSwitch("tor", **{**settings, **other})


@contextmanager
def _bench(platform: str) -> Iterator[SwitchBench]:
    with ssh_switch(platform, names=("swp1", "swp2")) as peer:
        dialect = peer.dialect

        def truth(port: str) -> PortState:
            is_so = dialect.running[port]
            is_plain = not is_so.is_trunk and not is_so.trunk and is_so.is_shut == (is_so.access == PARKING)
            return access(is_so.access) if is_plain else PortState(mode=PortMode.OTHER)

        def make_trunk(port: str) -> None:
            is_so = dialect.running[port]
            is_so.is_trunk, is_so.trunk, is_so.is_shut = True, "10,20", False

        def fault(name: str, value: object) -> Failing:
            @contextmanager
            def fail() -> Iterator[None]:
                before = getattr(dialect.faults, name)
                setattr(dialect.faults, name, value)
                try:
                    yield
                finally:
                    setattr(dialect.faults, name, before)

            return fail

        yield SwitchBench(
            switch=adapter(peer, platform),
            truth=truth,
            node=lambda port: dialect.running[port].description,
            make_trunk=make_trunk,
            trunk=Carried(vlans=frozenset({10, 20}), native={"os10": PARKING, "nvue": 1}.get(platform)),
            silent=fault("is_silent", value=True),
            refusing=fault("refuses", value=True),
            half=fault("loses", value="swp2"),
            rebooting=fault("reboots", value=True),
        )


def _named(platform: str) -> SwitchFactory:
    def factory() -> Any:  # noqa: ANN401 - a context manager of a bench
        return _bench(platform)

    factory.__name__ = platform
    return factory


ALL: list[Callable[[], Any]] = [_named(platform) for platform in ("nxos", "eos", "os10", "junos", "nvue")]
