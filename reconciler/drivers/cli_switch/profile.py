"""What a platform's command line is told, and how it is read: words and patterns, nothing else.

Rules of reading: a port is plain access only if exactly one line says its VLAN and every other line about it is one
that the profile knows to be harmless; a line that nobody thought of makes it OTHER. Rules of writing: a port that is
to be parked, or that is not plain access now, is shut first, so that it leads nowhere while it is changed; a plain one
that only moves is not shut, its VLAN changes in one line. Lines are written for ports and nodes whose names are plain
words; whoever calls has checked that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.drivers.cli_switch.trunk import TrunkMeaning, carried_of
from reconciler.model.observed import PortMode, PortState
from reconciler.ports.isolation import AccessPort

_LAST_VLAN = 4094


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A command, and how its answer is cut into ports.

    ``line`` begins what is said of ``port``, perhaps with a first word of it (``rest``); lines that are indented go on.
    ``is_list``: a port is there if it stands in this answer.
    """

    command: str
    line: re.Pattern[str]
    is_list: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What lines about a port mean.

    ``access`` has the VLAN as its group, ``label`` the description. ``shut``: the port is switched off. ``harmless``
    lines say nothing of who is reached, those of a ``trunk`` what it carries; ``stale`` ones are taken back one by one
    when a port is written. Where ``spoiling`` stands anywhere in an answer, no port of it is plain: something else has
    a say in them.
    """

    access: re.Pattern[str]
    shut: re.Pattern[str]
    label: re.Pattern[str]
    harmless: re.Pattern[str]
    stale: re.Pattern[str] | None = None
    trunk: TrunkMeaning | None = None
    spoiling: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What is said to change ports: ``{port}``, ``{vlan}``, ``{node}`` and ``{line}`` are filled in.

    ``begin`` and ``finish`` enclose all ports; in between, for each: ``enter``, ``shut`` if need be, ``negate`` for
    stale lines, ``place``, ``name`` or ``unname``, ``open`` if it is not to stay shut. ``cancel`` gives up what was not
    finished. ``save`` makes it last over a reboot. ``done`` stands in the last answer of ``finish``, ``saved`` in that
    of ``save``.
    """

    begin: tuple[str, ...]
    place: tuple[str, ...]
    name: str
    unname: str
    shut: str
    open: str
    finish: tuple[str, ...]
    enter: tuple[str, ...] = ()
    negate: str = ""
    cancel: tuple[str, ...] = ()
    save: tuple[str, ...] = ()
    done: re.Pattern[str] | None = None
    saved: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One platform. ``driver`` is netmiko's name of it; ``refusal`` and ``busy`` are what it says when it will not."""

    driver: str
    readings: tuple[Reading, ...]
    meaning: Meaning
    writing: Writing
    refusal: re.Pattern[str]
    busy: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A port as its switch shows it; ``stale`` are lines to take back."""

    state: PortState
    is_shut: bool
    label: str
    stale: tuple[str, ...] = ()


def parse(profile: Profile, answers: Sequence[str]) -> Mapping[str, Seen]:
    """Return the ports in ``answers``, one for each of the profile's readings; a port that is in no list is not there.

    Not raised: anything. What is not understood makes a port OTHER.
    """
    told: dict[str, list[str]] = {}
    listed: set[str] = set()
    is_spoiled = False
    for reading, answer in zip(profile.readings, answers, strict=True):
        lines = answer.replace("\r", "").split("\n")
        ports = _cut(reading, lines)
        for port, about in ports.items():
            told.setdefault(port, []).extend(about)
        listed |= ports.keys() if reading.is_list else set()
        spoiling = profile.meaning.spoiling
        is_spoiled |= spoiling is not None and any(spoiling.match(line) for line in lines)
    return {port: _seen(profile.meaning, told[port], is_spoiled=is_spoiled) for port in sorted(listed)}


def _cut(reading: Reading, lines: Iterable[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        match = reading.line.match(line)
        if match:
            current = found.setdefault(match["port"], [])
            rest = match.groupdict().get("rest")
            current += [rest.strip()] if rest else []
        elif current is not None and line[:1].isspace() and line.strip():
            current.append(line.strip())
        else:
            current = None
    return found


def _seen(meaning: Meaning, lines: Iterable[str], *, is_spoiled: bool) -> Seen:
    vlans: list[int] = []
    stale: list[str] = []
    label, is_shut, is_plain = "", False, not is_spoiled
    told = list(lines)
    for line in told:
        access, named = meaning.access.fullmatch(line), meaning.label.search(line)
        is_off = bool(meaning.shut.search(line))
        is_shut |= is_off
        if named:
            label = named[1]
        if access:
            vlans.append(int(access[1]))
        elif not (named or is_off or meaning.harmless.fullmatch(line)):
            is_plain = False
            if meaning.stale and meaning.stale.fullmatch(line):
                stale.append(line)
    is_access = is_plain and len(vlans) == 1 and 1 <= vlans[0] <= _LAST_VLAN
    state = (
        PortState(mode=PortMode.ACCESS, vlan=vlans[0]) if is_access else _other(meaning, told, is_spoiled=is_spoiled)
    )
    return Seen(state=state, is_shut=is_shut, label=label, stale=tuple(stale))


def _other(meaning: Meaning, lines: Iterable[str], *, is_spoiled: bool) -> PortState:
    carried = carried_of(meaning.trunk, lines) if meaning.trunk and not is_spoiled else None
    return PortState(mode=PortMode.OTHER, carried=carried)


def lines_for(says: Writing, port: str, *, place: AccessPort, seen: Seen, is_parked: bool) -> list[str]:
    """Return what to say so that ``port``, which is as ``seen``, becomes what ``place`` wants of it."""
    words = {"port": port, "vlan": place.vlan, "node": place.node}
    is_shut_first = is_parked or seen.state.mode is not PortMode.ACCESS
    templates = [
        *says.enter,
        *([says.shut] if is_shut_first else []),
        *([says.negate] * len(seen.stale) if says.negate else []),
        *says.place,
        says.name if place.node else says.unname,
        *([] if is_parked else [says.open]),
    ]
    stale = iter(seen.stale)
    return [
        template.format(**words, line=next(stale)) if template == says.negate else template.format(**words)
        for template in templates
    ]
