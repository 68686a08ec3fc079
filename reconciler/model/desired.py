"""The desired state: every document at one trusted commit, checked and indexed.

Only ``repo`` builds one, from a trusted commit without findings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.kinds import (
    AppraisalPolicy,
    Enclave,
    Image,
    Key,
    Network,
    Node,
    Repository,
    Switch,
    Tenant,
    Zone,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedImage:
    """An image's document as it stands at ``commit`` of the trusted history, under ``name``."""

    commit: str
    name: str
    image: Image


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """What the repository asks for, at ``commit`` (40 hexadecimal digits) with root tree ``tree``.

    Mappings are by name. Enclave names are unique over all tenants; ``owners`` says
    which tenant an enclave belongs to. ``policies`` are whole, with what they include.
    ``ek_roots`` and ``ek_intermediates`` are PEM certificates, ``ek_crls`` revocation
    lists in PEM or DER. ``former_images`` are images that members still run and that this commit does not hold any
    more, by digest, from earlier trusted commits; what is not there is not known.
    """

    commit: str
    tree: str
    repository: Repository
    zones: Mapping[str, Zone]
    switches: Mapping[str, Switch]
    networks: Mapping[str, Network]
    nodes: Mapping[str, Node]
    images: Mapping[str, Image]
    policies: Mapping[str, AppraisalPolicy]
    tenants: Mapping[str, Tenant]
    enclaves: Mapping[str, Enclave]
    owners: Mapping[str, str]
    keys: Mapping[str, Key]
    ek_roots: tuple[bytes, ...]
    ek_intermediates: tuple[bytes, ...]
    ek_crls: tuple[bytes, ...]
    former_images: Mapping[str, DatedImage] = field(default_factory=dict)

    def find_image(self, digest: str) -> DatedImage | None:
        """Return the image of ``digest``: this commit's, or else an earlier one's; None if neither is known."""
        for name, image in self.images.items():
            if image.spec.digest == digest:
                return DatedImage(commit=self.commit, name=name, image=image)
        return self.former_images.get(digest)

    def parking_vlan(self, node: str) -> int:
        """Return the VLAN on which the detached ports of ``node`` sit."""
        return self.zones[self.nodes[node].spec.zone].spec.parking_vlan

    def enclave_vlan(self, enclave: str) -> int:
        """Return the VLAN of the network that members of ``enclave`` are admitted to."""
        return self.networks[self.enclaves[enclave].spec.networks[0]].spec.vlan
