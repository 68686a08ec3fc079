"""The command ``probe``: real frames from test ports, and whether any is heard where it must not be."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.operate import Output, Repository, SettingsFile, open_workshop
from reconciler.errors.taxonomy import InputError

if TYPE_CHECKING:
    from reconciler.daemon.settings import ProbeSettings, Settings
    from reconciler.execute.probe import Bench, Findings
    from reconciler.model.desired import DesiredState
    from reconciler.model.probing import PortRef
    from reconciler.plan.probing import Ear
    from reconciler.ports.isolation import Switch

_SHOWN = 10
_STOPS = (signal.SIGINT, signal.SIGTERM)
_EXIT = {"tight": 0, "unknown": 1, "leaks": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reached:
    """The switches, by name."""

    switches: Mapping[str, Switch]


def probe(
    repo: Repository = Path(),
    settings: SettingsFile = None,
    zone: Annotated[str | None, typer.Option(help="This zone only; else every zone that has test ports here.")] = None,
    patience: Annotated[float, typer.Option(min=0.1, help="How many seconds a test port may take to forward.")] = 5.0,
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TEXT,
) -> None:
    """Send frames of every sort from test ports, and say whether one was heard where it must not be.

    Needs a VLAN and test ports in the zone's document (spec.probe), cables to them in the settings, and raw sockets.
    """
    from reconciler.daemon.settings import load_settings
    from reconciler.drivers.wires import WireProcess
    from reconciler.execute.probe import probe as run_probe

    own = load_settings(settings)
    if own.probe is None:
        hint = "name the cables to test ports in the settings, under probe (docs/settings.md)"
        raise InputError("probe", "this machine has no cable to a test port", reason="ProbeNotSetUp", hint=hint)
    told = typer.echo if output is Output.TEXT else _nothing
    found: dict[str, Any] = {}
    worst = "tight"
    with _stopped_as_by_hand(), open_workshop(repo, settings) as workshop:
        sight = workshop.source.refresh()
        for name in _zones(sight.desired, own.probe, only=zone):
            bench = _bench(sight.desired, own, zone=name)
            deaf = _not_listened_in(sight.desired, bench.ears, zone=name)
            told(_heading(name, bench))
            wires = WireProcess(enter=own.probe.enter)
            try:
                reached = _Reached(switches=workshop.switches_for(sight))
                findings = run_probe(reached, wires, bench, patience_s=patience, watch=_nothing)
            finally:
                wires.close()
            told("\n".join(_lines(findings, deaf=deaf)))
            found[name] = _document(findings, bench, deaf=deaf)
            worst = max(worst, findings.verdict, key=lambda verdict: _EXIT[verdict])
    if output is Output.JSON:
        typer.echo(json.dumps({"verdict": worst, "zones": found}, indent=2))
    raise typer.Exit(_EXIT[worst])


def _nothing(*_: object) -> None:
    return


@contextmanager
def _stopped_as_by_hand() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the probe; the test ports are parked first, and nothing interrupts what is left."""

    def stop(*_: object) -> None:
        for number in _STOPS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in _STOPS}
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("stopped: the test ports are parked, and nothing is proven", err=True)
        raise typer.Exit(_EXIT["unknown"]) from None
    for number, handler in before.items():
        signal.signal(number, handler)


def _zones(desired: DesiredState, own: ProbeSettings, *, only: str | None) -> list[str]:
    """Return the zones to probe, each with at least two test ports that this machine has cables to."""
    if only is not None and only not in desired.zones:
        raise InputError(f"zone {only}", "there is no such zone", reason="ZoneUnknown", hint="see site/zones")
    cables = {(cable.switch, cable.port) for cable in own.cables}
    known = {name: _test_ports(desired, name) for name in sorted(desired.zones) if only in {None, name}}
    stray = cables - {(port.switch, port.port) for name in desired.zones for port in _test_ports(desired, name)}
    if stray:
        switch, port = min(stray)
        hint = "name it in spec.probe.ports of its zone, or take the cable out of the settings"
        message = "the settings have a cable to it, and no zone calls it a test port"
        raise InputError(f"port {switch}/{port}", message, reason="ProbeNotAllowed", hint=hint)
    found = [name for name, ports in known.items() if len([p for p in ports if (p.switch, p.port) in cables]) > 1]
    if not found:
        what = f"zone {only}" if only else "probe"
        hint = "a probe takes two test ports (spec.probe of the zone) with cables to this machine (settings)"
        raise InputError(what, "may not be probed from here", reason="ProbeNotAllowed", hint=hint)
    return found


def _test_ports(desired: DesiredState, zone: str) -> tuple[PortRef, ...]:
    allowed = desired.zones[zone].spec.probe
    return allowed.ports if allowed else ()


def _bench(desired: DesiredState, own: Settings, *, zone: str) -> Bench:
    from reconciler.execute.probe import Bench
    from reconciler.plan.probing import vlans_of

    spec, cables = desired.zones[zone].spec, own.probe.cables if own.probe else ()
    interface_of = {(cable.switch, cable.port): cable.interface for cable in cables}
    ports = [port for port in _test_ports(desired, zone) if (port.switch, port.port) in interface_of]
    return Bench(
        interfaces={port: interface_of[port.switch, port.port] for port in ports},
        parking=spec.parking_vlan,
        meeting=spec.probe.vlan if spec.probe else 0,
        vlans=vlans_of(desired, zone=zone),
        ears=tuple(_ears(desired, own, zone=zone)),
    )


def _ears(desired: DesiredState, own: Settings, *, zone: str) -> Iterator[Ear]:
    """Yield where this machine's services are in ``zone``: in airlocks, and in the networks of enclaves."""
    from reconciler.plan.probing import Ear

    for listener in own.listeners:
        if listener.interface is None:
            continue
        if listener.kind == "airlock" and listener.node in desired.nodes:
            node = desired.nodes[listener.node].spec
            if node.zone == zone:
                name = f"the airlock of {listener.node}"
                yield Ear(name=name, interface=listener.interface, vlan=node.airlock.vlan)
        elif listener.kind == "enclave" and listener.network in desired.networks:
            network = desired.networks[listener.network].spec
            if network.zone == zone:
                yield Ear(name=f"network {listener.network}", interface=listener.interface, vlan=network.vlan)


def _not_listened_in(desired: DesiredState, ears: Iterable[Ear], *, zone: str) -> list[str]:
    """Return the airlocks and networks of ``zone`` that nobody listens in from here."""
    heard = {ear.name for ear in ears}
    places = [f"the airlock of {name}" for name, node in sorted(desired.nodes.items()) if node.spec.zone == zone]
    places += [f"network {name}" for name, one in sorted(desired.networks.items()) if one.spec.zone == zone]
    return [place for place in places if place not in heard]


def _heading(zone: str, bench: Bench) -> str:
    from reconciler.plan.probing import name_of

    ports = ", ".join(name_of(port) for port in bench.ports)
    airlocks = sum(ear.name.startswith("the airlock") for ear in bench.ears)
    return (
        f"zone {zone}: test ports {ports} (parking VLAN {bench.parking}, probe VLAN {bench.meeting}); "
        f"also listening in airlocks: {airlocks}, networks: {len(bench.ears) - airlocks}"
    )


def _lines(findings: Findings, *, deaf: list[str]) -> Iterator[str]:
    width = max([len(title) for title in findings.sent] + [0])
    for title, sent in findings.sent.items():
        count = sum(leak.placement == title for leak in findings.leaks)
        yield f"  {title.ljust(width)}  {sent} frames  {f'{count} leaked' if count else 'nothing where it must not be'}"
    yield from (
        f"leak: {leak.placement}: sent from {leak.sender} on VLAN {leak.vlan}, {leak.shown}: heard in {leak.heard}"
        for leak in findings.leaks
    )
    if findings.late:
        places = ", ".join(sorted({leak.placement for leak in findings.late}))
        yield f"late: {len(findings.late)} frames crossed right after a move, and not a second later ({places})"
    yield from (f"doubt: {doubt}" for doubt in findings.doubts)
    if deaf:
        shown = ", ".join(deaf[:_SHOWN]) + (f" and {len(deaf) - _SHOWN} more" if len(deaf) > _SHOWN else "")
        yield f"not listened in, for want of an interface here: {shown}"
    yield {
        "tight": "tight: every control was heard, and nothing else",
        "unknown": "unknown: this probe proves nothing",
        "leaks": "leaks: frames crossed where none may",
    }[findings.verdict]


def _document(findings: Findings, bench: Bench, *, deaf: list[str]) -> dict[str, Any]:
    from reconciler.plan.probing import name_of

    return {
        "verdict": findings.verdict,
        "testPorts": [name_of(port) for port in bench.ports],
        "listenedIn": [ear.name for ear in bench.ears],
        "notListenedIn": deaf,
        "frames": findings.sent,
        "leaks": [asdict(leak) for leak in findings.leaks],
        "late": [asdict(leak) for leak in findings.late],
        "doubts": findings.doubts,
    }


COMMANDS: tuple[Callable[..., None], ...] = (probe,)
