"""Switch ports in NETCONF's configuration: what is written and read, by the model that a switch speaks.

A model is data: where a port's description, its being on and its VLANs stand. Rules: what is
written replaces all that the port said about VLANs, so that no trunk is left over; a port reads
as plain access only if it says that and nothing else; whatever is not understood is OTHER.
Which VLANs exist on the switch is not looked at: it refuses one that it does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState
from reconciler.model.trunks import Carried, carried_by, parse_spans
from reconciler.ports.isolation import AccessPort

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
_LAST_VLAN = 4094
_OTHER = PortState(mode=PortMode.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class VlanModel:
    """Where things stand; elements are written ``{namespace}name``, paths are below the port's entry.

    ``entry`` is the way from the top of the configuration to a port, ``name`` its key, which stands once more at
    ``own_name`` where there is one. ``is_on`` holds ``on_word`` or ``off_word``. ``mode`` (``access_word``) and
    ``access`` (``access_form``) are below ``vlans``: a container that holds nothing else and is replaced as a whole, or
    the entry itself, in which other things stand too. ``demanded`` are values without which a port is no access port.
    Of a trunk (``trunk_word``), ``trunks`` are the VLANs with a tag, ranges written with ``between``, all VLANs if none
    are; ``native`` (``native_form``) is the one without, which passes though no list has it if it ``is_native_own``.
    """

    entry: tuple[str, ...]
    name: str
    own_name: tuple[str, ...] = ()
    description: tuple[str, ...]
    is_on: tuple[str, ...]
    on_word: str = "true"
    off_word: str = "false"
    vlans: tuple[str, ...] = ()
    mode: str
    access_word: str
    access: str
    access_form: str = "{}"
    demanded: tuple[tuple[str, str], ...] = ()
    trunk_word: str
    trunks: str
    between: str
    native: str
    native_form: str = "{}"
    is_native_own: bool


_IF = "{http://openconfig.net/yang/interfaces}"
_ETH = "{http://openconfig.net/yang/interfaces/ethernet}"
_VLAN = "{http://openconfig.net/yang/vlan}"
_NX = "{http://cisco.com/ns/yang/cisco-nx-os-device}"

OPENCONFIG = VlanModel(
    entry=(f"{_IF}interfaces", f"{_IF}interface"),
    name=f"{_IF}name",
    own_name=(f"{_IF}config", f"{_IF}name"),
    description=(f"{_IF}config", f"{_IF}description"),
    is_on=(f"{_IF}config", f"{_IF}enabled"),
    vlans=(f"{_ETH}ethernet", f"{_VLAN}switched-vlan", f"{_VLAN}config"),
    mode=f"{_VLAN}interface-mode",
    access_word="ACCESS",
    access=f"{_VLAN}access-vlan",
    trunk_word="TRUNK",
    trunks=f"{_VLAN}trunk-vlans",
    between="..",
    native=f"{_VLAN}native-vlan",
    is_native_own=True,
)
"""openconfig-interfaces, openconfig-if-ethernet and openconfig-vlan."""

NXOS = VlanModel(
    entry=(f"{_NX}System", f"{_NX}intf-items", f"{_NX}phys-items", f"{_NX}PhysIf-list"),
    name=f"{_NX}id",
    description=(f"{_NX}descr",),
    is_on=(f"{_NX}adminSt",),
    on_word="up",
    off_word="down",
    mode=f"{_NX}mode",
    access_word="access",
    access=f"{_NX}accessVlan",
    access_form="vlan-{}",
    demanded=((f"{_NX}layer", "Layer2"),),
    trunk_word="trunk",
    trunks=f"{_NX}trunkVlans",
    between="-",
    native=f"{_NX}nativeVlan",
    native_form="vlan-{}",
    is_native_own=False,
)
"""Cisco NX-OS's own model, Cisco-NX-OS-device, where the VLANs that a trunk would carry stand beside the mode."""

MODELS: Mapping[str, VlanModel] = {"nxos": NXOS, "openconfig": OPENCONFIG}
"""The models by the name that a Switch document calls them; another vendor's own is one more."""


def describe(node: str) -> str:
    """Return what a port's description says."""
    return f"ringfence: {node or 'no node'}"


def selection(model: VlanModel, ports: Iterable[str]) -> Any:  # noqa: ANN401  # lxml has no types
    """Return the subtree that selects ``ports``."""
    from lxml import etree

    top = etree.Element(model.entry[0])
    for port in ports:
        _write(_entry(top, model), (model.name,), port)
    return top


def edit(model: VlanModel, wanted: Mapping[str, AccessPort], *, parking: int | None) -> Any:  # noqa: ANN401  # as above
    """Return the configuration to merge so that each port is what is wanted of it; parked ports are switched off."""
    from lxml import etree

    config = etree.Element(f"{{{BASE}}}config", nsmap={"nc": BASE})
    top = etree.SubElement(config, model.entry[0])
    for port, place in wanted.items():
        entry = _entry(top, model)
        _write(entry, (model.name,), port)
        if model.own_name:
            _write(entry, model.own_name, port)
        _write(entry, model.description, describe(place.node))
        _write(entry, model.is_on, model.off_word if place.vlan == parking else model.on_word)
        for leaf, text in model.demanded:
            _write(entry, (leaf,), text)
        _write(entry, (*model.vlans, model.mode), model.access_word)
        _write(entry, (*model.vlans, model.access), model.access_form.format(place.vlan))
        if model.vlans:
            entry.find("/".join(model.vlans)).set(f"{{{BASE}}}operation", "replace")
    return config


def port_states(
    model: VlanModel,
    data: Any,  # noqa: ANN401  # as above
    ports: Iterable[str],
    *,
    parking: int | None,
) -> Mapping[str, PortState]:
    """Return what the configuration in ``data`` says of ``ports``; one that it does not have is UNKNOWN."""
    found: dict[str, list[Any]] = {}
    for entry in data.iter(model.entry[-1]):
        found.setdefault((entry.findtext(model.name) or "").strip(), []).append(entry)
    return {port: _state(model, found[port], parking=parking) if port in found else UNKNOWN_PORT for port in ports}


def _state(model: VlanModel, entries: list[Any], *, parking: int | None) -> PortState:
    if len(entries) != 1:
        return _OTHER
    (entry,) = entries
    containers = entry.findall("/".join(model.vlans)) if model.vlans else [entry]
    if len(containers) != 1 or not all(_texts(entry, leaf) == [text] for leaf, text in model.demanded):
        return _OTHER
    (container,) = containers
    if _texts(container, model.mode) == [model.trunk_word]:
        return PortState(mode=PortMode.OTHER, carried=_carried(model, container))
    has_more = any(child.tag not in (model.mode, model.access) for child in container)
    if model.vlans and has_more:
        return _OTHER  # Whatever it is: it is there besides being a plain access port.
    vlan = _vlan(model, _texts(container, model.access))
    if _texts(container, model.mode) != [model.access_word] or vlan is None:
        return _OTHER
    is_off = _texts(entry, "/".join(model.is_on)) == [model.off_word]
    return _OTHER if vlan == parking and not is_off else PortState(mode=PortMode.ACCESS, vlan=vlan)


def _carried(model: VlanModel, container: Any) -> Carried | None:  # noqa: ANN401  # as above
    """Return what a trunk carries, None where that cannot be told."""
    lists = [parse_spans(text, between=model.between) for text in _texts(container, model.trunks)]
    natives = [_number(model.native_form, text) for text in _texts(container, model.native)]
    if len(natives) > 1 or None in natives or None in lists:
        return None
    every = frozenset(range(1, _LAST_VLAN + 1))
    allowed = frozenset[int]().union(*(found for found in lists if found)) if lists else every
    native = natives[0] if natives else None
    return carried_by(allowed | {native} if native is not None and model.is_native_own else allowed, native=native)


def _texts(place: Any, path: str) -> list[str]:  # noqa: ANN401  # as above
    return [(found.text or "").strip() for found in place.findall(path)]


def _vlan(model: VlanModel, texts: list[str]) -> int | None:
    """Return the VLAN that the one text stands for."""
    return _number(model.access_form, texts[0]) if len(texts) == 1 else None


def _number(form: str, text: str) -> int | None:
    """Return the VLAN that ``text`` stands for if VLANs are written like ``form``."""
    digits = re.sub(r"\D", "", text, flags=re.ASCII)
    is_so = bool(digits) and form.format(digits) == text and 1 <= int(digits) <= _LAST_VLAN
    return int(digits) if is_so else None


def _entry(top: Any, model: VlanModel) -> Any:  # noqa: ANN401  # as above
    from lxml import etree

    place = top
    for step in model.entry[1:-1]:
        found = place.find(step)
        place = etree.SubElement(place, step) if found is None else found
    return etree.SubElement(place, model.entry[-1])


def _write(entry: Any, path: tuple[str, ...], text: str) -> None:  # noqa: ANN401  # as above
    """Make the elements of ``path`` that are missing, and write ``text`` into the last."""
    from lxml import etree

    for step in path:
        found = entry.find(step)
        entry = etree.SubElement(entry, step) if found is None else found
    entry.text = text
