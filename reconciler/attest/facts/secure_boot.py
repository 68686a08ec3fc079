"""PCR 7 of a UEFI machine: Secure Boot's configuration, what vouched for what ran, and what weakens it.

1. There is exactly one separator, by digest. 2. Before it, every event's digest is that of its data; one that is not
may hide any variable, so that nothing else there is proven. 3. What an event is follows from the variable in its
data, not from its type: PK, KEK and dbx are configuration, a ``db`` that holds signature lists is configuration and
one that holds a single entry has vouched for something. 4. Each configuration variable is measured once, before the
separator. 5. SecureBoot is one byte, 0 or 1.

Whoever runs after the firmware can extend PCR 7, too: what stands after the separator can be added to, never taken
from.

Source: TCG PC Client Platform Firmware Profile 1.06, 3.3.4.8 and 10.2.6; shim's SBAT.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from reconciler.attest.eventlog.log import Event
from reconciler.attest.eventlog.variables import GLOBAL, Variable, parse_variable
from reconciler.attest.facts.sbat import parse_sbat_level
from reconciler.attest.facts.signatures import digest_of_authority, parse_signature_lists
from reconciler.attest.facts.view import Outcome, View, problem
from reconciler.attest.reader import MalformedError

_DATABASE = UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
_SHIM = UUID("605dab50-e046-4300-abb6-3dd810dd8b23")
_SECURE_BOOT = (GLOBAL, "SecureBoot")
_DB = (_DATABASE, "db")
_SBAT_LEVEL = (_SHIM, "SbatLevel")
_CONFIGURATION: Mapping[tuple[UUID, str], str] = MappingProxyType(
    {
        _SECURE_BOOT: "secureBoot",
        (GLOBAL, "PK"): "pk",
        (GLOBAL, "KEK"): "kek",
        _DB: "db",
        (_DATABASE, "dbx"): "dbx",
    }
)
_BEFORE = (*_CONFIGURATION.values(), "authoritiesBeforeSeparator")
_AFTER = ("authoritiesAfterSeparator", "sbatLevel", "sbatGenerations")
_SWITCHES: Mapping[bytes, bool] = MappingProxyType({b"\0": False, b"\x01": True})
_DEBUG = b"UEFI Debug Mode"
_DMA = b"DMA Protection Disabled"

_Told = list[tuple[Event, Variable]]


def collect_secure_boot(view: View) -> Outcome:
    """Yield all that PCR 7 proves."""
    for name, text in (("uefiDebugMode", _DEBUG), ("dmaProtectionDisabled", _DMA)):
        events = [event for event, _ in view.places_of(7, texts=(text, text + b"\0"))]
        yield view.fact(name, value=bool(events), pcr=7, events=events)
    # 1. One separator.
    halves = view.halves(7)
    if halves is None:
        yield problem(*_BEFORE, *_AFTER, pcr=7, message="PCR 7 does not have exactly one separator")
        return
    before, after = halves
    yield from _before(view, events=before)
    yield from _after(view, events=after)


def _before(view: View, *, events: list[Event]) -> Outcome:
    # 2. All of it is what it says it is.
    hidden = [event for event in events if not event.is_verified]
    for event in hidden:
        message = "an event whose digest is not that of its data may hide what was measured"
        told = _CONFIGURATION.get(_identity(event), "")
        yield problem(*(name for name in _BEFORE if name != told), pcr=7, message=message, event=event)
    # 3. Configuration and authorities, by content.
    configuration: dict[str, _Told] = {name: [] for name in _CONFIGURATION.values()}
    authorities: _Told = []
    for event in events:
        try:
            variable = parse_variable(event.data)
        except MalformedError as error:
            if event.is_verified and not _is_action(event):
                yield problem(*_BEFORE, pcr=7, message=str(error), event=event)
            continue
        name = _CONFIGURATION.get((variable.vendor, variable.name))
        if name is None or (name == "db" and digest_of_authority(variable.content) is not None):
            authorities.append((event, variable))
        else:
            configuration[name].append((event, variable))
    for name, measured in configuration.items():
        yield from _configured(view, name=name, told=measured)
    yield from _authorities(view, name="authoritiesBeforeSeparator", told=authorities)


def _configured(view: View, *, name: str, told: _Told) -> Outcome:
    # 4. Each variable once.
    for event, variable in told[1:]:
        yield problem(name, pcr=7, message=f"{variable.name!r} is measured twice", event=event)
    for event, variable in told[:1]:
        # 5. One byte.
        value: bool | frozenset[str] | None
        if name == "secureBoot":
            value = _SWITCHES.get(variable.content)
            if value is None:
                yield problem(name, pcr=7, message="SecureBoot is not one byte, 0 or 1", event=event)
                continue
        else:
            try:
                value = frozenset(parse_signature_lists(variable.content))
            except MalformedError as error:
                yield problem(name, pcr=7, message=str(error), event=event)
                continue
        yield view.fact(name, value=value, pcr=7, events=[event], verified=event.is_verified)


def _after(view: View, *, events: list[Event]) -> Outcome:
    authorities: _Told = []
    levels: _Told = []
    for event in events:
        if not event.is_verified:
            message = "an event whose digest is not that of its data may hide what was measured"
            yield problem(*_AFTER, pcr=7, message=message, event=event)
            continue
        try:
            variable = parse_variable(event.data)
        except MalformedError as error:
            if not _is_action(event):
                yield problem(*_AFTER, pcr=7, message=str(error), event=event)
            continue
        identity = (variable.vendor, variable.name)
        if identity == _SBAT_LEVEL:
            levels.append((event, variable))
        elif identity in _CONFIGURATION and digest_of_authority(variable.content) is None:
            message = f"{variable.name!r} is measured after the separator"
            yield problem(_CONFIGURATION[identity], pcr=7, message=message, event=event)
        else:
            authorities.append((event, variable))
    yield from _authorities(view, name="authoritiesAfterSeparator", told=authorities)
    yield from _sbat(view, levels=levels)


def _authorities(view: View, *, name: str, told: _Told) -> Outcome:
    """Yield the digests of the entries that vouched; a variable that holds none, such as a switch, vouched for none."""
    found = [(event, digest_of_authority(variable.content)) for event, variable in told]
    entries = [(event, digest) for event, digest in found if digest is not None]
    value = frozenset(digest for _, digest in entries)
    yield view.fact(name, value=value, pcr=7, events=[event for event, _ in entries])


def _sbat(view: View, *, levels: _Told) -> Outcome:
    names = ("sbatLevel", "sbatGenerations")
    for event, _ in levels[1:]:
        yield problem(*names, pcr=7, message="the SBAT level is measured twice", event=event)
    for event, variable in levels[:1]:
        try:
            date, generations = parse_sbat_level(variable.content)
        except MalformedError as error:
            yield problem(*names, pcr=7, message=str(error), event=event)
            continue
        yield view.fact("sbatLevel", value=date, pcr=7, events=[event])
        yield view.fact("sbatGenerations", value=generations, pcr=7, events=[event])


def _identity(event: Event) -> tuple[UUID, str]:
    try:
        variable = parse_variable(event.data)
    except MalformedError:
        return GLOBAL, ""
    return variable.vendor, variable.name


def _is_action(event: Event) -> bool:
    """Return whether the data is a printable text, which no variable is: a variable's size has zeros in it."""
    text = event.data.rstrip(b"\0")
    return bool(text) and text.isascii() and text.decode("ascii").isprintable()
