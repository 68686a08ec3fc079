"""What was seen about a node's document: cables, addresses, the BMC, the TPM, the airlock.

Rules: what the repository or the seed says stands, and a difference to what was seen is told; what is missing is
filled in only where there is exactly one answer; the rest is left open, with a hint how to get it. A MAC address and a
serial number are claims of the machine: they are for finding it, and prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.daemon.adopt.airlocks import lowest_free
from reconciler.daemon.adopt.inventory import Document, Inventory
from reconciler.daemon.adopt.look import Pin, Sightings
from reconciler.daemon.adopt.remarks import OPEN, Remark
from reconciler.daemon.adopt.switches import natural
from reconciler.errors.taxonomy import RingfenceError
from reconciler.model.survey import BmcSighting, PortSighting, SwitchSighting

_ORDER = ("zone", "bmc", "interfaces", "tpm", "firmware", "airlock")
_BMC_ORDER = ("driver", "address", "port", "credentials", "certificate", "system", "networkBoot")
_CABLE_ORDER = ("name", "mac", "switch", "port")


def fill_nodes(inventory: Inventory, *, seen: Sightings) -> Iterator[Remark]:
    """Fill in what is open in every node's document, and yield what is to be told."""
    specs = inventory.specs("Node")
    for name in sorted(specs, key=natural):
        spec, subject = specs[name], f"node {name}"
        if "zone" not in spec:
            spec["zone"] = OPEN
            yield _open(subject, "NoZone", "spec.zone is not known", "say zone: NAME in the seed, or use --zone")
        yield from _bmc(spec, seen.bmcs.get(name), subject=subject)
        yield from _cables(spec, name=name, seen=seen, subject=subject)
        yield from _endorsement(spec, seen.endorsements.get(name), subject=subject)
        yield from _firmware(spec, subject=subject)
        yield from _airlock(spec, inventory, subject=subject)
        _arrange(spec)
    yield from _same_machine(seen.bmcs)


def _open(subject: str, code: str, message: str, hint: str) -> Remark:
    return Remark(subject=subject, code=code, message=message, hint=hint, is_open=True)


def _bmc(spec: Document, sighting: BmcSighting | RingfenceError | None, *, subject: str) -> Iterator[Remark]:
    bmc = spec["bmc"] = dict(spec["bmc"]) if isinstance(spec.get("bmc"), dict) else {}
    bmc.setdefault("driver", "ipmi")
    for field, hint in (
        ("address", "give its address in the seed, or with --bmc CREDENTIALS=ADDRESS[:PORT]"),
        ("credentials", "name its login in the seed; the secret itself stays in this machine's credentials file"),
    ):
        if field not in bmc:
            bmc[field] = OPEN
            yield _open(subject, "BmcUnknown", f"spec.bmc.{field} is not known", hint)
    if isinstance(sighting, RingfenceError):
        message = f"its BMC could not be asked, its document is kept: {sighting.message}"
        hint = sighting.hint or "if the machine is gone for good, delete its document in a commit of your own"
        yield Remark(subject=subject, code=sighting.reason, message=message, hint=hint)


def _cables(spec: Document, *, name: str, seen: Sightings, subject: str) -> Iterator[Remark]:
    known = spec.get("interfaces")
    cables: list[Document] = [dict(each) for each in known if isinstance(each, dict)] if isinstance(known, list) else []
    cables = cables or _noted(name, seen)
    if not cables:
        cables = [{}]
        hint = "give switch and port in the seed, or describe the port on the switch as: " + name + " eno1"
        yield _open(subject, "NoCable", "it is not known which switch port it is cabled to", hint)
    for i, cable in enumerate(cables):
        yield from _cable(cable, place=f"spec.interfaces[{i}]", seen=seen, subject=subject)
        cables[i] = {field: cable.get(field, OPEN) for field in _CABLE_ORDER}
    spec["interfaces"] = cables


def _noted(name: str, seen: Sightings) -> list[Document]:
    """Return the cables that ports' descriptions give to a node: ``r3u07`` or ``r3u07 eno1``."""
    cables: list[Document] = []
    for switch, sighting in sorted(_read(seen).items()):
        for port in sighting.ports.values():
            words = port.note.split()
            if words[:1] == [name]:
                cables.append({"name": words[1] if len(words) > 1 else "eth0", "switch": switch, "port": port.name})
    return cables


def _cable(cable: Document, *, place: str, seen: Sightings, subject: str) -> Iterator[Remark]:
    if "mac" in cable and "port" not in cable:
        yield from _find_port(cable, place=place, seen=seen, subject=subject)
    for field in ("name", "switch", "port"):
        if field not in cable and len(cable) > 0 and not (field != "name" and "mac" in cable):
            yield _open(subject, "CableUnknown", f"{place}.{field} is not known", "give it in the seed")
    port = _port(cable, seen)
    if port is None:
        if "mac" not in cable:
            hint = "read it off the machine, or power it on once and adopt again with the switch's control socket"
            yield _open(subject, "MacUnknown", f"{place}.mac is not known", hint)
        yield from _missing_port(cable, seen, subject=subject)
        return
    found = port.macs or port.attached
    if "mac" not in cable:
        if len(found) == 1:
            cable["mac"] = found[0]
            return
        what = f"port {port.name} has learnt {', '.join(found)}" if found else f"port {port.name} has learnt none"
        hint = "power it on once and adopt again" if not found else "write the right one into the seed"
        yield _open(subject, "MacUnknown", f"{place}.mac is not known: {what}", _table_hint(cable, seen) or hint)
    elif found and cable["mac"] not in found:
        message = f"{place}.mac is {cable['mac']}, and port {port.name} has learnt {', '.join(found)}"
        hint = "is the cable where the document says? A machine can send from any address that it likes"
        yield Remark(subject=subject, code="MacDiffers", message=message, hint=hint)


def _find_port(cable: Document, *, place: str, seen: Sightings, subject: str) -> Iterator[Remark]:
    places = [
        (switch, port.name)
        for switch, sighting in sorted(_read(seen).items())
        for port in sighting.ports.values()
        if cable["mac"] in (port.macs or port.attached) and cable.get("switch", switch) == switch
    ]
    if len(places) == 1:
        cable["switch"], cable["port"] = places[0]
        return
    where = ", ".join(f"{switch} {port}" for switch, port in places) or "on no port"
    hint = "an uplink learns everything behind it: give switch and port in the seed"
    message = f"{place}.port is not known: {cable['mac']} was learnt {where}"
    yield _open(subject, "CableUnknown", message, hint)


def _missing_port(cable: Document, seen: Sightings, *, subject: str) -> Iterator[Remark]:
    sighting = _read(seen).get(str(cable.get("switch")))
    if sighting is not None and sighting.ports and "port" in cable:
        message = f"its port {cable['port']} is not on switch {cable['switch']}; the document is kept"
        yield Remark(subject=subject, code="PortGone", message=message, hint="compare the cabling with the document")


def _table_hint(cable: Document, seen: Sightings) -> str:
    sighting = _read(seen).get(str(cable.get("switch")))
    if sighting is None or sighting.has_table:
        return ""
    return "learnt addresses were not read: say control: in the seed, ovs-vswitchd's socket as this machine sees it"


def _port(cable: Document, seen: Sightings) -> PortSighting | None:
    sighting = _read(seen).get(str(cable.get("switch")))
    return sighting.ports.get(str(cable.get("port"))) if sighting else None


def _read(seen: Sightings) -> Mapping[str, SwitchSighting]:
    return {name: each for name, each in seen.switches.items() if isinstance(each, SwitchSighting)}


def _endorsement(spec: Document, pin: Pin | None, *, subject: str) -> Iterator[Remark]:
    tpm = spec["tpm"] = dict(spec["tpm"]) if isinstance(spec.get("tpm"), dict) else {}
    if pin is not None and "endorsement" not in tpm:
        tpm["endorsement"] = pin.digest
        if pin.is_claim:
            message = f"spec.tpm.endorsement is taken from {pin.source}"
            hint = "compare it with the maker's papers or the machine itself before you sign"
            yield Remark(subject=subject, code="EndorsementTaken", message=message, hint=hint)
    elif pin is not None and tpm["endorsement"] != pin.digest:
        message = f"spec.tpm.endorsement is not the one that is known from {pin.source}: {pin.digest}"
        hint = "was the board changed, or do two documents have each other's TPM?"
        yield Remark(subject=subject, code="EndorsementDiffers", message=message, hint=hint)
    elif "endorsement" not in tpm:
        tpm["endorsement"] = OPEN
        message = "spec.tpm.endorsement cannot be read from outside"
        hint = "give the maker's EK certificate: ekCertificate in the seed, or ringfence node add --ek-certificate FILE"
        yield _open(subject, "EndorsementUnknown", message, hint)


def _firmware(spec: Document, *, subject: str) -> Iterator[Remark]:
    firmware = spec["firmware"] = dict(spec["firmware"]) if isinstance(spec.get("firmware"), dict) else {}
    for field, hint in (
        ("family", "say uefi, coreboot, heads or linuxboot"),
        ("profile", "name machine type and firmware, such as dell-r340: policies refer to it"),
    ):
        if field not in firmware:
            firmware[field] = OPEN
            yield _open(subject, "FirmwareUnknown", f"spec.firmware.{field} is not known", hint)


def _airlock(spec: Document, inventory: Inventory, *, subject: str) -> Iterator[Remark]:
    airlock = spec["airlock"] = dict(spec["airlock"]) if isinstance(spec.get("airlock"), dict) else {}
    if "vlan" in airlock:
        return
    vlan = lowest_free(
        str(spec["zone"]),
        zones=inventory.specs("Zone"),
        networks=inventory.specs("Network").values(),
        nodes=inventory.specs("Node").values(),
    )
    if vlan is not None:
        airlock["vlan"] = vlan
        return
    airlock["vlan"] = OPEN
    hint = "describe the zone in the seed, with parkingVlan and airlockVlans, or widen its range"
    yield _open(subject, "AirlockUnknown", f"zone {spec['zone']} has no free airlock VLAN that is known", hint)


def _arrange(spec: dict[str, Any]) -> None:
    bmc = spec["bmc"]
    spec["bmc"] = {name: bmc[name] for name in (*_BMC_ORDER, *bmc) if name in bmc}
    ordered = {name: spec[name] for name in (*_ORDER, *spec) if name in spec}
    spec.clear()
    spec.update(ordered)


def _same_machine(bmcs: Mapping[str, BmcSighting | RingfenceError]) -> Iterator[Remark]:
    first: dict[str, str] = {}
    for name, sighting in sorted(bmcs.items()):
        if isinstance(sighting, BmcSighting) and sighting.guid:
            earlier = first.setdefault(sighting.guid, name)
            if earlier != name:
                message = (
                    f"its BMC tells the same GUID as that of node {earlier}: perhaps one machine under two addresses"
                )
                hint = "switch one of them on by hand and look"
                yield Remark(subject=f"node {name}", code="SameMachine", message=message, hint=hint)
