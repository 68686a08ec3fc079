"""Looking at the hardware that the inventory names: each switch and each BMC once, several at a time.

A device that cannot be read is an error in its place, never a gap that looks like nothing being there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.daemon.adopt.inventory import Document, Inventory
from reconciler.errors.taxonomy import RingfenceError
from reconciler.execute.concurrency import map_all
from reconciler.model.survey import BmcSighting, SwitchSighting
from reconciler.ports.survey import BmcSurvey, SwitchSurvey


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """An endorsement (``sha256:…``) and how it is known; ``is_claim``: a machine said so, or a record of it."""

    digest: str
    source: str
    is_claim: bool = True


Surveyed = SwitchSighting | RingfenceError
Identified = BmcSighting | RingfenceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How devices are reached: each makes an adapter from a document's spec; RingfenceError where that is not possible.

    ``bmc`` is given ``spec.bmc``. ``on_record`` returns the endorsements that are known of the given nodes, and how.
    """

    switch: Callable[[str, Document], SwitchSurvey]
    bmc: Callable[[str, Document], BmcSurvey]
    on_record: Callable[[Iterable[str]], Mapping[str, Pin]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """What was seen, by switch and by node. ``endorsements`` are pins that are on record, and how they are known."""

    switches: Mapping[str, Surveyed] = field(default_factory=dict)
    bmcs: Mapping[str, Identified] = field(default_factory=dict)
    endorsements: Mapping[str, Pin] = field(default_factory=dict)


def look(inventory: Inventory, *, reach: Reach, workers: int) -> Sightings:
    """Return what the switches and BMCs of ``inventory`` show; nothing is changed."""
    switches = {name: spec for name, spec in inventory.specs("Switch").items() if spec.get("address")}
    bmcs = {name: spec["bmc"] for name, spec in inventory.specs("Node").items() if _has_bmc(spec)}

    def survey(name: str) -> tuple[str, Surveyed]:
        try:
            return name, reach.switch(name, switches[name]).survey()
        except RingfenceError as error:
            return name, error

    def identify(name: str) -> tuple[str, Identified]:
        try:
            return name, reach.bmc(name, bmcs[name]).identify()
        except RingfenceError as error:
            return name, error

    return Sightings(
        switches=dict(map_all(survey, sorted(switches), workers=workers)),
        bmcs=dict(map_all(identify, sorted(bmcs), workers=workers)),
    )


def _has_bmc(spec: Document) -> bool:
    bmc = spec.get("bmc")
    return isinstance(bmc, dict) and bool(bmc.get("address"))
