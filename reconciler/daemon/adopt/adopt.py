"""Adoption as a whole: the repository and the seed, a look at the hardware, and the documents that come of it.

1. What the repository holds and the seed says is put together (``inventory``).
2. Every switch and BMC of it is read once (``look``); endorsements are taken from what is on record.
3. What is open is filled in where there is one answer, and left open with a hint where there is none.
4. Each document is merged into its file, so that comments and fields of people's own stay.

Nothing is written here, and nothing is deleted at all: hardware that is gone is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.daemon.adopt.endorsed import anchors_of, pin_of_file
from reconciler.daemon.adopt.inventory import KINDS, Inventory, read_inventory
from reconciler.daemon.adopt.look import Pin, Reach, Sightings, look
from reconciler.daemon.adopt.nodes import fill_nodes
from reconciler.daemon.adopt.remarks import OPEN, Remark
from reconciler.daemon.adopt.seed import Seed
from reconciler.daemon.adopt.switches import fill_switches, natural
from reconciler.errors.taxonomy import RingfenceError
from reconciler.repo.edit import merge_document
from reconciler.repo.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What adoption proposes: files by path that are ``new`` or ``changed``, and the paths that stay as they are.

    ``snapshot`` is the repository with these files in it.
    """

    new: Mapping[str, bytes]
    changed: Mapping[str, bytes]
    same: tuple[str, ...]
    remarks: tuple[Remark, ...]
    seen: Sightings
    snapshot: Snapshot

    @property
    def files(self) -> dict[str, bytes]:
        """Return what is to be written."""
        return {**self.new, **self.changed}

    @property
    def inventory(self) -> dict[str, bytes]:
        """Return every file of the inventory, whether it is to be written or stands already."""
        return {path: self.snapshot.files[path] for path in (*self.new, *self.changed, *self.same)}


def adopt(
    snapshot: Snapshot,
    *,
    seed: Seed,
    reach: Reach,
    now: datetime,
    workers: int,
) -> Adoption:
    """Return the inventory that the hardware shows, as files of the repository in ``snapshot``.

    InputError: a file of the site cannot be read; a device that cannot be is a remark.
    """
    inventory = read_inventory(snapshot, seed)
    seen = look(inventory, reach=reach, workers=workers)
    remarks: list[Remark] = []
    endorsements = dict(reach.on_record([name for name, spec in inventory.specs("Node").items() if not _has_pin(spec)]))
    endorsements |= _certified(seed, snapshot, now=now, remarks=remarks)
    seen = replace(seen, endorsements=endorsements)
    remarks += _zones(inventory)
    remarks += fill_nodes(inventory, seen=seen)
    remarks += fill_switches(inventory, seed=seed, seen=seen)
    return _written(snapshot, inventory, remarks=tuple(remarks), seen=seen)


def _has_pin(spec: Mapping[str, object]) -> bool:
    tpm = spec.get("tpm")
    return isinstance(tpm, dict) and "endorsement" in tpm


def _certified(seed: Seed, snapshot: Snapshot, *, now: datetime, remarks: list[Remark]) -> dict[str, Pin]:
    found: dict[str, Pin] = {}
    anchors = anchors_of(snapshot)
    for node in seed.nodes:
        if node.ek_certificate is None:
            continue
        try:
            pin = pin_of_file(node.ek_certificate, anchors=anchors, at=now)
            source = f"EK certificate {node.ek_certificate.name}"
            found[node.name] = Pin(digest=pin, source=source, is_claim=False)
        except RingfenceError as error:
            remarks.append(
                Remark(
                    subject=f"node {node.name}", code=error.reason, message=str(error), hint=error.hint, is_open=True
                )
            )
    return found


def _zones(inventory: Inventory) -> Iterator[Remark]:
    named = {
        str(spec["zone"])
        for kind in ("Switch", "Node", "Network")
        for spec in inventory.specs(kind).values()
        if spec.get("zone")
    }
    for name in sorted(named):
        key = ("Zone", name)
        document = inventory.documents.setdefault(
            key, {"apiVersion": "ringfence/v1alpha1", "kind": "Zone", "metadata": {"name": name}, "spec": {}}
        )
        for field, hint in (
            ("parkingVlan", "a VLAN that leads nowhere"),
            ("airlockVlans", "a range with one VLAN for each node, such as {first: 101, last: 199}"),
        ):
            if field not in document["spec"]:
                document["spec"][field] = OPEN
                message = f"spec.{field} cannot be read off a switch"
                yield Remark(
                    subject=f"zone {name}", code="ZoneUnknown", message=message, hint=f"choose {hint}", is_open=True
                )


def _written(snapshot: Snapshot, inventory: Inventory, *, remarks: tuple[Remark, ...], seen: Sightings) -> Adoption:
    contents: dict[str, bytes] = {}
    for key in sorted(inventory.documents, key=lambda key: (KINDS.index(key[0]), natural(key[1]))):
        path = inventory.path_of(key)
        before = contents.get(path, snapshot.files.get(path))
        contents[path] = merge_document(before, inventory.documents[key])
    new = {path: content for path, content in contents.items() if path not in snapshot.files}
    changed = {
        path: content
        for path, content in contents.items()
        if path in snapshot.files and snapshot.files[path] != content
    }
    files = dict(sorted({**snapshot.files, **contents}.items()))
    return Adoption(
        new=new,
        changed=changed,
        same=tuple(path for path in contents if path not in new and path not in changed),
        remarks=remarks,
        seen=seen,
        snapshot=replace(snapshot, files=files),
    )
