"""Switch ports in NETCONF's configuration: what is written and read, by the model that a switch speaks.

A model is data: where a port's description, its being on and its VLANs stand. Rules: what is
written replaces all that the port said about VLANs, so that no trunk is left over; a port reads
as plain access only if it says that and nothing else; whatever is not understood is OTHER.
Which VLANs exist on the switch is not looked at: it refuses one that it does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.observed import UNKNOWN_PORT, PortMode, PortState
from reconciler.ports.isolation import AccessPort

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
_LAST_VLAN = 4094
_OTHER = PortState(mode=PortMode.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class VlanModel:
    """Where things stand; elements are written ``{namespace}name``, paths are below the port's entry.

    ``entry`` is the way from the top of the configuration to a port, ``name`` its key. ``is_on`` holds true or false.
    ``vlans`` is the container that is replaced as a whole, with ``mode`` (``access_word``) and ``access`` in it.
    """

    entry: tuple[str, ...]
    name: str
    own_name: tuple[str, ...]
    description: tuple[str, ...]
    is_on: tuple[str, ...]
    vlans: tuple[str, ...]
    mode: str
    access_word: str
    access: str


_IF = "{http://openconfig.net/yang/interfaces}"
_ETH = "{http://openconfig.net/yang/interfaces/ethernet}"
_VLAN = "{http://openconfig.net/yang/vlan}"

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
)
"""openconfig-interfaces, openconfig-if-ethernet and openconfig-vlan."""

MODELS: Mapping[str, VlanModel] = {"openconfig": OPENCONFIG}
"""The models by the name that a Switch document calls them; a vendor's own is one more, often ``replace`` of one."""


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
        _write(entry, model.own_name, port)
        _write(entry, model.description, describe(place.node))
        _write(entry, model.is_on, "false" if place.vlan == parking else "true")
        _write(entry, (*model.vlans, model.mode), model.access_word)
        _write(entry, (*model.vlans, model.access), str(place.vlan))
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
    containers = entries[0].findall("/".join(model.vlans))
    if len(containers) != 1:
        return _OTHER
    said = [(child.tag, (child.text or "").strip()) for child in containers[0] if isinstance(child.tag, str)]
    if sorted(tag for tag, _ in said) != sorted((model.mode, model.access)):
        return _OTHER
    mode, vlan = dict(said)[model.mode], dict(said)[model.access]
    if mode != model.access_word or not (vlan.isascii() and vlan.isdigit()) or not 1 <= int(vlan) <= _LAST_VLAN:
        return _OTHER
    is_off = entries[0].findtext("/".join(model.is_on), default="").strip() == "false"
    if int(vlan) == parking and not is_off:
        return _OTHER
    return PortState(mode=PortMode.ACCESS, vlan=int(vlan))


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
