"""The kinds of document in a state repository.

Each document looks like a Kubernetes one: ``apiVersion``, ``kind``, ``metadata``,
``spec``. These classes say what one document may hold; what documents say about each
other (references, clashes) is checked in ``repo``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from reconciler.model.base import (
    Digest,
    Duration,
    HexDigest,
    Mac,
    Name,
    PathPattern,
    Principal,
    Value,
    Vlan,
)
from reconciler.model.families import Family, Overlay
from reconciler.model.guards import Disruption, Freeze, Limits, MaintenanceWindow
from reconciler.model.policy import AppraisalPolicySpec

API_VERSION = "ringfence/v1alpha1"


class Metadata(Value):
    """The name of a document, and labels to select it by."""

    name: Name
    labels: dict[str, str] = Field(default_factory=dict)


class Document(Value):
    """What every kind has in common."""

    api_version: Literal["ringfence/v1alpha1"]
    metadata: Metadata


class TrustRule(Value):
    """Who may change which paths, and how many of them must have signed: the commit, or a tag that approves it."""

    paths: Annotated[tuple[PathPattern, ...], Field(min_length=1)]
    signers: Annotated[tuple[Principal, ...], Field(min_length=1)]
    threshold: Annotated[int, Field(ge=1, le=16)] = 1

    @model_validator(mode="after")
    def _reachable(self) -> TrustRule:
        if self.threshold > len(set(self.signers)):
            raise ValueError("the threshold is higher than the number of signers, so nobody could ever pass")
        return self


class TrustSpec(Value):
    """The rules by which a commit is judged; read from its parent."""

    rules: Annotated[tuple[TrustRule, ...], Field(min_length=1)]


class EvidenceSpec(Value):
    """Where evidence is written, and whose signature on it counts."""

    branch: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")] = "evidence"
    signers: Annotated[tuple[Principal, ...], Field(min_length=1)]


class RepositorySpec(Value):
    """Rules of the repository as a whole."""

    trust: TrustSpec
    evidence: EvidenceSpec
    interval: Duration = Field(default="30s", validate_default=True)
    boot_deadline: Duration = Field(default="10m", validate_default=True)
    confirm_deadline: Duration = Field(default="2m", validate_default=True)
    limits: Limits = Limits()
    maintenance: tuple[MaintenanceWindow, ...] = ()
    """When members may be disturbed, in any enclave; without windows, at any time."""
    freeze: Freeze | None = None


class Repository(Document):
    """``ringfence.yaml``: trust rules, interval, deadlines, evidence branch."""

    kind: Literal["Repository"]
    spec: RepositorySpec


class AirlockVlans(Value):
    """The range, ends included, from which this zone's airlocks take their VLANs."""

    first: Vlan
    last: Vlan

    @model_validator(mode="after")
    def _ordered(self) -> AirlockVlans:
        if self.last < self.first:
            raise ValueError("last is smaller than first")
        return self


class ZoneSpec(Value):
    """The VLANs of a zone that lead nowhere, or to the airlock's services only."""

    parking_vlan: Vlan
    airlock_vlans: AirlockVlans


class Zone(Document):
    """A set of switches that share one VLAN space."""

    kind: Literal["Zone"]
    spec: ZoneSpec


class SwitchSpec(Value):
    """How a switch is reached, and which of its ports are ours to move."""

    zone: Name
    driver: Literal["openvswitch"]
    address: Annotated[str, Field(pattern=r"^tcp:[0-9a-fA-F.:\[\]]+:[0-9]{1,5}$")]
    bridge: Name
    ports: Annotated[tuple[Name, ...], Field(min_length=1)]


class Switch(Document):
    """A switch under our control."""

    kind: Literal["Switch"]
    spec: SwitchSpec


class NetworkSpec(Value):
    """An isolated layer-2 network."""

    zone: Name
    vlan: Vlan


class Network(Document):
    """A network that enclaves are admitted to."""

    kind: Literal["Network"]
    spec: NetworkSpec


class Bmc(Value):
    """How a node's power is reached; ``credentials`` is a name, never a secret."""

    driver: Literal["ipmi"]
    address: Annotated[str, Field(pattern=r"^[0-9A-Za-z.\[\]:-]{1,255}$")]
    port: Annotated[int, Field(ge=1, le=65535)] = 623
    credentials: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9/._-]{0,127}$")]


class Interface(Value):
    """One cable: the node's network card at one end, a switch port at the other."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]{1,15}$")]
    mac: Mac
    switch: Name
    port: Name


class Tpm(Value):
    """Which TPM is this node's: SHA-256 over the DER of its EK's SubjectPublicKeyInfo."""

    endorsement: Digest


class Firmware(Value):
    """What the node's measurements mean, and which reference values apply."""

    family: Family
    profile: Name
    overlays: tuple[Overlay, ...] = ()


class Airlock(Value):
    """The VLAN that only this node and the boot and attestation services are on."""

    vlan: Vlan


class NodeSpec(Value):
    """One physical machine."""

    zone: Name
    bmc: Bmc
    interfaces: Annotated[tuple[Interface, ...], Field(min_length=1)]
    tpm: Tpm
    firmware: Firmware
    airlock: Airlock
    cleared: Annotated[int, Field(ge=0)] = 0
    """Rejections recorded up to this sequence number are forgiven by this commit."""


class Node(Document):
    """A machine of the provider's inventory."""

    kind: Literal["Node"]
    spec: NodeSpec


class Measurements(Value):
    """What a UKI makes the firmware, the stub and the kernel measure.

    For each PCR the SHA-256 event digests in their order. Derived from the image by
    ``ringfence image predict``, never collected from a machine.
    """

    pcr4: Annotated[tuple[HexDigest, ...], Field(min_length=1)]
    pcr9: tuple[HexDigest, ...]
    pcr11: Annotated[tuple[HexDigest, ...], Field(min_length=1)]
    pcr12: tuple[HexDigest, ...] = ()


class ImageSpec(Value):
    """A unified kernel image, by content."""

    format: Literal["uki"] = "uki"
    digest: Digest
    measurements: Measurements


class Image(Document):
    """What a node boots."""

    kind: Literal["Image"]
    spec: ImageSpec


class AppraisalPolicy(Document):
    """The rules by which the verifier appraises evidence."""

    kind: Literal["AppraisalPolicy"]
    spec: AppraisalPolicySpec


class TenantSpec(Value):
    """What a tenant may use."""

    max_nodes: Annotated[int, Field(ge=0)] | None = None


class Tenant(Document):
    """Somebody whose enclaves run here."""

    kind: Literal["Tenant"]
    spec: TenantSpec


class KeyKind(StrEnum):
    """What a key is for."""

    OVERLAY = "overlay"
    DISK = "disk"
    SSH_HOST = "ssh-host"
    OPAQUE = "opaque"


class KeySpec(Value):
    """A key is declared here and stored with its custodian, never in git."""

    type: KeyKind
    custodian: Literal["local"] = "local"


class Key(Document):
    """A secret that members of an enclave receive."""

    kind: Literal["Key"]
    spec: KeySpec


class NodeSelection(Value):
    """Either ``names``, or a ``count`` of nodes whose labels match ``select``.

    ``spread`` names a label (``rack``): the nodes are taken from as many different values of it as there are.
    """

    names: tuple[Name, ...] | None = None
    count: Annotated[int, Field(ge=0, le=100_000)] | None = None
    select: dict[str, str] = Field(default_factory=dict)
    spread: Annotated[str, Field(min_length=1, max_length=63)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> NodeSelection:
        if (self.names is None) == (self.count is None):
            raise ValueError("give either names or count")
        if self.names is not None and (self.select or self.spread):
            raise ValueError("select and spread go with count, not with names")
        if self.names is not None and len(set(self.names)) != len(self.names):
            raise ValueError("a node is named twice")
        return self


class EnclaveSpec(Value):
    """What a tenant wants to run, on what, proven how."""

    nodes: NodeSelection
    image: Name
    policy: Name
    networks: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1)]
    keys: tuple[Name, ...] = ()
    reattest: Duration = Field(default="30s", validate_default=True)
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Who gets nodes first; a higher one may also take nodes from a lower one that is ``preemptible``."""
    preemptible: bool = False
    disruption: Disruption = Disruption()
    maintenance: tuple[MaintenanceWindow, ...] = ()
    """When members of this enclave may be disturbed; the repository's windows must be open as well."""
    suspend: bool = False
    """Members stay as they are and are held to their proofs; nothing else is changed until this is gone."""


class Enclave(Document):
    """A set of proven machines on networks of their own."""

    kind: Literal["Enclave"]
    spec: EnclaveSpec


AnyDocument = Annotated[
    Repository | Zone | Switch | Network | Node | Image | AppraisalPolicy | Tenant | Key | Enclave,
    Field(discriminator="kind"),
]
"""Any document of a state repository."""
