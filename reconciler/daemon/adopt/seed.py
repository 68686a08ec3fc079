"""The seed: where to look, and what nobody can read off the hardware. One small YAML file.

Rules: read as strictly as the state repository (``repo.documents``), with findings at their lines. A text of a node
may hold a range, ``swp[1-40]`` or ``r3u[01-40]``: the entry then stands for as many nodes, all its ranges going up
together. Later entries for the same node add to earlier ones. Nothing here is a secret; credentials are named.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from reconciler.errors.taxonomy import Finding, InputError, cut
from reconciler.model.base import Digest, Mac, Name, Value, Vlan
from reconciler.model.families import Family, Overlay
from reconciler.model.kinds import AirlockVlans
from reconciler.model.probing import ZoneProbe
from reconciler.repo.documents import Location, Plain, RawDocument, parse_documents
from reconciler.repo.edit import merged

_RANGE = re.compile(r"\[([0-9]{1,6})-([0-9]{1,6})\]")
_MAX_NODES = 10_000
Port = Annotated[int, Field(ge=1, le=65535)]


class SeedZone(Value):
    """A zone, as its document will say it."""

    name: Name
    parking_vlan: Vlan
    airlock_vlans: AirlockVlans
    probe: ZoneProbe | None = None


class SeedSwitch(Value):
    """Where a switch is. ``ports`` are names or patterns (``swp*``) of ports to own; ``control`` is a path."""

    name: Name
    zone: Name | None = None
    address: Annotated[str, Field(pattern=r"^tcp:\S+:[0-9]{1,5}$")]
    bridge: str | None = None
    ports: tuple[str, ...] = ()
    control: Path | None = None


class SeedNetwork(Value):
    """A network, as its document will say it."""

    name: Name
    zone: Name | None = None
    vlan: Vlan


class SeedBmc(Value):
    """Where a BMC is, and by which name its login is found on this machine; the rest as in a node's document."""

    driver: Literal["ipmi", "redfish"] | None = None
    address: str | None = None
    port: Port | None = None
    credentials: str | None = None
    certificate: Digest | None = None
    system: str | None = None
    network_boot: Literal["http", "pxe"] | None = None


class SeedInterface(Value):
    """One cable; what is left out is matched with what the switch has learnt."""

    name: str
    mac: Mac | None = None
    switch: Name | None = None
    port: str | None = None


class SeedFirmware(Value):
    """What the machine's measurements mean."""

    family: Family | None = None
    profile: Name | None = None
    overlays: tuple[Overlay, ...] | None = None


class SeedAirlock(Value):
    """The airlock's VLAN; left out, the lowest free one is taken."""

    vlan: Vlan


class SeedNode(Value):
    """One machine. ``ek_certificate`` is a file beside the seed: PEM or DER."""

    name: Name
    zone: Name | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    bmc: SeedBmc = SeedBmc()
    interfaces: tuple[SeedInterface, ...] = ()
    endorsement: Digest | None = None
    ek_certificate: Path | None = None
    firmware: SeedFirmware = SeedFirmware()
    airlock: SeedAirlock | None = None


class Seed(Value):
    """Everything that adoption is told. ``zone`` and ``defaults`` hold where an entry does not say otherwise."""

    zone: Name | None = None
    zones: tuple[SeedZone, ...] = ()
    switches: tuple[SeedSwitch, ...] = ()
    networks: tuple[SeedNetwork, ...] = ()
    nodes: tuple[SeedNode, ...] = ()

    def below(self, folder: Path) -> Seed:
        """Return the seed with relative paths taken from ``folder``."""
        nodes = [
            node.model_copy(update={"ek_certificate": folder / node.ek_certificate}) if node.ek_certificate else node
            for node in self.nodes
        ]
        switches = [
            switch.model_copy(update={"control": folder / switch.control}) if switch.control else switch
            for switch in self.switches
        ]
        return self.model_copy(update={"nodes": tuple(nodes), "switches": tuple(switches)})


def load_seed(path: Path) -> Seed:
    """Read the seed at ``path``; raise InputError with every finding."""
    try:
        content = path.read_bytes()
    except OSError as error:
        hint = "see docs/adopt.md for what stands in it"
        message = f"cannot be read: {error.strerror}"
        raise InputError(f"seed {path}", message, reason="SeedMissing", hint=hint) from error
    return parse_seed(content, path=str(path)).below(path.resolve().parent)


def parse_seed(content: bytes, *, path: str) -> Seed:
    """Return the seed in ``content``; raise InputError with every finding."""
    raws, findings = parse_documents(content, path=path)
    if findings:
        raise _refusal(path, findings)
    if len(raws) != 1 or not isinstance(raws[0].value, dict):
        raise _refusal(path, [Finding(path=path, code="SeedMalformed", message="is not one mapping")])
    raw = raws[0]
    whole = dict(raws[0].value)
    entries = whole.pop("nodes", [])
    defaults = whole.pop("defaults", {})
    nodes: list[Plain] = []
    origins: list[int] = []
    for i, entry in enumerate(entries if isinstance(entries, list) else []):
        try:
            expanded = expand(merged(defaults, entry))
        except ValueError as error:
            findings.append(_at(raw, ("nodes", i), str(error)))
            continue
        nodes += expanded
        origins += [i] * len(expanded)
    try:
        seed = Seed.model_validate_json(json.dumps({**whole, "nodes": nodes}), by_alias=True, by_name=False)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            location = fault["loc"]
            if location[:1] == ("nodes",) and len(location) > 1:
                location = ("nodes", origins[int(location[1])], *location[2:])
            shown = ".".join(str(part) for part in location)
            findings.append(_at(raw, location, f"{shown}: {cut(fault['msg']).lower()}"))
        raise _refusal(path, sorted(set(findings))) from None
    if findings:
        raise _refusal(path, findings)
    return seed


def expand(entry: Plain) -> list[Plain]:
    """Return the entries that ``entry`` stands for; raise ValueError if its ranges do not fit together."""
    counts = {_count(found) for text in _texts(entry) for found in _RANGE.finditer(text)}
    if not counts:
        return [entry]
    if len(counts) > 1:
        raise ValueError(f"its ranges have different lengths: {', '.join(map(str, sorted(counts)))}")
    (count,) = counts
    if not 0 < count <= _MAX_NODES:
        raise ValueError(f"a range goes up, and by at most {_MAX_NODES}")
    return [_numbered(entry, i) for i in range(count)]


def _count(found: re.Match[str]) -> int:
    return int(found[2]) - int(found[1]) + 1


def _texts(value: Plain) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def _numbered(value: Plain, number: int) -> Plain:
    if isinstance(value, dict):
        return {name: _numbered(each, number) for name, each in value.items()}
    if isinstance(value, list):
        return [_numbered(each, number) for each in value]
    if isinstance(value, str):
        return _RANGE.sub(lambda found: str(int(found[1]) + number).zfill(len(found[1])), value)
    return value


def _at(raw: RawDocument, location: Location, message: str) -> Finding:
    line, column = raw.at(*location)
    hint = "see docs/adopt.md for what stands in a seed"
    return Finding(path=raw.path, line=line, column=column, code="SeedMalformed", message=message, hint=hint)


def _refusal(path: str, findings: list[Finding]) -> InputError:
    first = findings[0]
    return InputError(f"seed {path}", first.message, reason=first.code, hint=first.hint, findings=tuple(findings))
