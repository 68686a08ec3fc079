"""What ``ringfence adopt`` leaves open: a question mark where a fact could not be read, and where it is had from.

No field takes a question mark, so a document with one is refused; this only says it in better words.
"""

from __future__ import annotations

from reconciler.repo.documents import Location, Plain

OPEN = "?"
_HINTS = {
    "endorsement": "give the maker's EK certificate to ringfence adopt (ekCertificate) or ringfence node add",
    "mac": "read it off the machine, or power it on once and run ringfence adopt again",
    "port": "see which switch port the cable ends in",
    "switch": "see which switch the cable ends in",
    "profile": "name machine type and firmware, such as dell-r340",
    "vlan": "choose a free VLAN of the zone's airlockVlans",
    "ports": "list the ports that Ringfence may move",
    "parkingVlan": "choose a VLAN that leads nowhere",
    "airlockVlans": "choose a range with one VLAN for each node",
    "bridge": "name the bridge, as the switch calls it",
    "zone": "name the zone that it stands in",
}


def open_hint(value: Plain, location: Location) -> str:
    """Return how the field at ``location`` is filled in if ``value`` says that it is left open, else nothing."""
    if value != OPEN or not location:
        return ""
    named = [part for part in location if isinstance(part, str)]
    return _HINTS.get(named[-1] if named else "", "fill it in")
