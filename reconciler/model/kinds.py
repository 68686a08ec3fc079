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
from reconciler.model.drift import EnclaveDrift, Fights, NodeDrift
from reconciler.model.families import Family, Overlay
from reconciler.model.guards import Disruption, Freeze, Limits, MaintenanceWindow
from reconciler.model.policy import AppraisalPolicySpec
from reconciler.model.probing import ZoneProbe
from reconciler.model.switches import SwitchSpec
from reconciler.model.trunks import PortName

API_VERSION = "ringfence/v1alpha1"
USUAL_PORTS = {"ipmi": 623, "redfish": 443}


class Metadata(Value):
    """The name of a document, and labels to select it by."""

    name: Name
    """The name by which other documents mention this one; a file with one document is named after it."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Words to select by (`rack: r3`); keys and values are text."""


class Document(Value):
    """What every kind has in common."""

    api_version: Literal["ringfence/v1alpha1"]
    """The version of the format."""
    metadata: Metadata
    """The name, and labels."""


class TrustRule(Value):
    """Who may change which paths, and how many of them must have signed: the commit, or a tag that approves it."""

    paths: Annotated[tuple[PathPattern, ...], Field(min_length=1)]
    """The paths that the rule is about; `*` stays within a folder, `**` crosses folders."""
    signers: Annotated[tuple[Principal, ...], Field(min_length=1)]
    """Who may change them, as named in `trust/allowed_signers`."""
    threshold: Annotated[int, Field(ge=1, le=16)] = 1
    """How many of them must have signed: the commit, or a tag that approves it."""

    @model_validator(mode="after")
    def _reachable(self) -> TrustRule:
        if self.threshold > len(set(self.signers)):
            raise ValueError("the threshold is higher than the number of signers, so nobody could ever pass")
        return self


class TrustSpec(Value):
    """The rules by which a commit is judged; read from its parent."""

    rules: Annotated[tuple[TrustRule, ...], Field(min_length=1)]
    """What no rule covers, nobody may change."""


class Witness(Value):
    """Somebody outside who watches that the evidence branch only ever grows, and co-signs its tree heads."""

    name: Name
    """What the witness is called: it writes to the branch `witness/<name>`."""
    signer: Principal
    """Whose Ed25519 key it signs with, as named in `trust/allowed_signers`; never an evidence signer."""


class WitnessesSpec(Value):
    """Who watches the evidence branch from outside, and how many of them have to stand by it."""

    known: tuple[Witness, ...] = ()
    """The witnesses whose co-signatures count."""
    required: Annotated[int, Field(ge=0, le=16)] = 0
    """How many of them must have co-signed what an audit is shown."""
    within: Duration = Field(default="1d", validate_default=True)
    """How much older than the branch's newest commit the newest co-signature of a witness may be."""

    @model_validator(mode="after")
    def _reachable(self) -> WitnessesSpec:
        if self.required > len({witness.signer for witness in self.known}):
            raise ValueError("more witnesses are required than there are, so no audit could ever pass")
        return self


class EvidenceSpec(Value):
    """Where evidence is written, and whose signature on it counts."""

    branch: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")] = "evidence"
    """The branch on which the record of every node is kept."""
    signers: Annotated[tuple[Principal, ...], Field(min_length=1)]
    """Whose signature on a record counts: the reconciler's key."""
    witnesses: WitnessesSpec = WitnessesSpec()
    """Who watches the branch from outside, and how many of them have to stand by it."""


class RepositorySpec(Value):
    """Rules of the repository as a whole."""

    trust: TrustSpec
    """Who may change what."""
    evidence: EvidenceSpec
    """Where the record is kept, and who signs it."""
    interval: Duration = Field(default="30s", validate_default=True)
    """How often the hardware is compared with the repository."""
    boot_deadline: Duration = Field(default="10m", validate_default=True)
    """A node that has not proven itself so long after it was started is rejected."""
    confirm_deadline: Duration = Field(default="2m", validate_default=True)
    """A node that was let in and has not called from inside by then is rejected."""
    limits: Limits = Limits()
    """How much one commit may take away without saying so."""
    maintenance: tuple[MaintenanceWindow, ...] = ()
    """When members may be disturbed, in any enclave; without windows, at any time."""
    freeze: Freeze | None = None
    """While it stands, nothing is changed, except that trust can be withdrawn."""
    fights: Fights = Fights()
    """How often drift of one node or port is put right before Ringfence gives in."""


class Repository(Document):
    """``ringfence.yaml``: trust rules, interval, deadlines, evidence branch."""

    kind: Literal["Repository"]
    spec: RepositorySpec
    """Rules of the repository as a whole."""


class AirlockVlans(Value):
    """The range, ends included, from which this zone's airlocks take their VLANs."""

    first: Vlan
    """The first VLAN of the range."""
    last: Vlan
    """The last VLAN of the range."""

    @model_validator(mode="after")
    def _ordered(self) -> AirlockVlans:
        if self.last < self.first:
            raise ValueError("last is smaller than first")
        return self


class ZoneSpec(Value):
    """The VLANs of a zone that lead nowhere, or to the airlock's services only."""

    parking_vlan: Vlan
    """The VLAN that leads nowhere, on which every detached port sits."""
    airlock_vlans: AirlockVlans
    """The range that airlocks take their VLANs from, one a node."""
    probe: ZoneProbe | None = None
    """Test ports for `ringfence probe`; without them, isolation is not probed in this zone."""


class Zone(Document):
    """A set of switches that share one VLAN space."""

    kind: Literal["Zone"]
    spec: ZoneSpec
    """The VLANs that the zone needs for itself."""


class Switch(Document):
    """A switch under our control."""

    kind: Literal["Switch"]
    spec: SwitchSpec
    """How the switch is reached, and what of it is ours."""


class NetworkSpec(Value):
    """An isolated layer-2 network."""

    zone: Name
    """The zone that the network lies in."""
    vlan: Vlan
    """The VLAN that members are admitted to; no other document may use it."""
    shared: bool = False
    """Enclaves of one tenant are meant to reach each other here; otherwise two of them on it are asked about."""


class Network(Document):
    """A network that enclaves are admitted to."""

    kind: Literal["Network"]
    spec: NetworkSpec
    """Where the network lies."""


class Bmc(Value):
    """How a node's power is reached; ``credentials`` is a name, never a secret."""

    driver: Literal["ipmi", "redfish"]
    """How the BMC is spoken to."""
    address: Annotated[str, Field(pattern=r"^[0-9A-Za-z.\[\]:-]{1,255}$")]
    """Its IP address or host name."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Its port, where it is not the usual one: 623 (UDP) for `ipmi`, 443 for `redfish`."""
    credentials: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9/._-]{0,127}$")]
    """The name under which user and password stand on the reconciler's machine; never the secret itself."""
    certificate: Digest | None = None
    """For `redfish`: SHA-256 over the DER of the BMC's own certificate; without it, a CA must vouch for the name."""
    system: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$")] | None = None
    """For `redfish`: the machine's Id below `/redfish/v1/Systems`; needed where one BMC has several."""
    network_boot: Literal["http", "pxe"] | None = None
    """For `redfish`: how the firmware boots from the network, `http` if nothing is said."""

    @model_validator(mode="after")
    def _of_its_driver(self) -> Bmc:
        given = (self.certificate, self.system, self.network_boot)
        if self.driver != "redfish" and any(each is not None for each in given):
            raise ValueError("certificate, system and networkBoot go with driver redfish")
        return self

    @property
    def listens_on(self) -> int:
        """Return the port, the driver's usual one if none is said."""
        return self.port if self.port is not None else USUAL_PORTS[self.driver]


class Interface(Value):
    """One cable: the node's network card at one end, a switch port at the other."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]{1,15}$")]
    """What the card is called."""
    mac: Mac
    """Its hardware address."""
    switch: Name
    """The switch at the other end of the cable."""
    port: PortName
    """The port of that switch; one of its `ports`."""


class Tpm(Value):
    """Which TPM is this node's: SHA-256 over the DER of its EK's SubjectPublicKeyInfo."""

    endorsement: Digest
    """SHA-256 over the DER of the public EK, as `ringfence inspect ek` shows it."""


class Firmware(Value):
    """What the node's measurements mean, and which reference values apply."""

    family: Family
    """What the PCRs mean on this machine."""
    profile: Name
    """A name for machines whose firmware measures alike; policies give reference values by it."""
    overlays: tuple[Overlay, ...] = ()
    """Dynamic launches that add to the family."""


class Airlock(Value):
    """The VLAN that only this node and the boot and attestation services are on."""

    vlan: Vlan
    """One of the zone's airlock VLANs, and no other node's."""


class NodeSpec(Value):
    """One physical machine."""

    zone: Name
    """The zone whose switches it is cabled to."""
    bmc: Bmc
    """How its power is reached."""
    interfaces: Annotated[tuple[Interface, ...], Field(min_length=1)]
    """Its network cards that are cabled to our switches."""
    tpm: Tpm
    """Which TPM is its own."""
    firmware: Firmware
    """What its measurements mean."""
    airlock: Airlock
    """The VLAN on which it proves itself."""
    cleared: Annotated[int, Field(ge=0)] = 0
    """Rejections recorded up to this sequence number are forgiven by this commit."""
    drift: NodeDrift = "heal"
    """What is done while it serves nobody and is found powered on, or with a port that is not parked."""


class Node(Document):
    """A machine of the provider's inventory."""

    kind: Literal["Node"]
    spec: NodeSpec
    """The machine: power, cables, TPM, firmware."""


class Measurements(Value):
    """What a UKI makes the firmware, the stub and the kernel measure.

    For each PCR the SHA-256 event digests in their order. Derived from the image by
    ``ringfence image predict``, never collected from a machine.
    """

    pcr4: Annotated[tuple[HexDigest, ...], Field(min_length=1)]
    """What the firmware measures: the image itself, then the kernel inside it."""
    pcr9: tuple[HexDigest, ...]
    """What the kernel measures: its command line, then the initial file system."""
    pcr11: Annotated[tuple[HexDigest, ...], Field(min_length=1)]
    """What the stub measures: a name and a content for each section."""
    pcr12: tuple[HexDigest, ...] = ()
    """What is handed to the stub besides the image: nothing."""


class ImageSpec(Value):
    """A unified kernel image, by content."""

    format: Literal["uki"] = "uki"
    """A unified kernel image."""
    digest: Digest
    """SHA-256 of the file."""
    measurements: Measurements
    """What booting it measures; printed by `ringfence image predict`."""


class Image(Document):
    """What a node boots."""

    kind: Literal["Image"]
    spec: ImageSpec
    """The image, by content."""


class AppraisalPolicy(Document):
    """The rules by which the verifier appraises evidence."""

    kind: Literal["AppraisalPolicy"]
    spec: AppraisalPolicySpec
    """What evidence must show."""


class TenantSpec(Value):
    """What a tenant may use."""

    max_nodes: Annotated[int, Field(ge=0)] | None = None
    """How many nodes the tenant's enclaves may ask for in all; without it, any number."""


class Tenant(Document):
    """Somebody whose enclaves run here."""

    kind: Literal["Tenant"]
    spec: TenantSpec
    """What the tenant may use."""


class KeyKind(StrEnum):
    """What a key is for."""

    OVERLAY = "overlay"
    DISK = "disk"
    SSH_HOST = "ssh-host"
    OPAQUE = "opaque"


class KeySpec(Value):
    """A key is declared here and stored with its custodian, never in git."""

    type: KeyKind
    """What the key is for."""
    custodian: Literal["local"] = "local"
    """Who keeps it."""
    rotation: Duration | None = None
    """A version that is older than this is replaced by a new one; without it, age alone replaces none."""


class Key(Document):
    """A secret that members of an enclave receive."""

    kind: Literal["Key"]
    spec: KeySpec
    """What the key is for, and who keeps it."""


class NodeSelection(Value):
    """Either ``names``, or a ``count`` of nodes whose labels match ``select``.

    ``spread`` names a label (``rack``): the nodes are taken from as many different values of it as there are.
    """

    names: tuple[Name, ...] | None = None
    """These very nodes."""
    count: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """So many nodes of those that match."""
    select: dict[str, str] = Field(default_factory=dict)
    """Labels that a node must have, all of them; with `count`."""
    spread: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """A label over whose values the nodes are spread (`rack`); with `count`."""

    @model_validator(mode="after")
    def _one_way(self) -> NodeSelection:
        if (self.names is None) == (self.count is None):
            raise ValueError("give either names or count")
        if self.names is not None and (self.select or self.spread):
            raise ValueError("select and spread go with count, not with names")
        if self.names is not None and len(set(self.names)) != len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ValueError(f"node {twice} is named twice")
        return self


class EnclaveSpec(Value):
    """What a tenant wants to run, on what, proven how."""

    nodes: NodeSelection
    """Which nodes, or how many of which."""
    image: Name
    """The image that they boot."""
    policy: Name
    """The policy under which they must prove themselves."""
    networks: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1)]
    """The network that they are admitted to; one for now."""
    keys: tuple[Name, ...] = ()
    """The keys that each member receives; all of the same tenant."""
    reattest: Duration = Field(default="30s", validate_default=True)
    """How often each member proves itself again; silence for much longer counts as lost trust."""
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Who gets nodes first; a higher one may also take nodes from a lower one that is ``preemptible``."""
    preemptible: bool = False
    """Whether an enclave of higher priority may take nodes from this one."""
    disruption: Disruption = Disruption()
    """How many members may be missing at once because of changes."""
    maintenance: tuple[MaintenanceWindow, ...] = ()
    """When members of this enclave may be disturbed; the repository's windows must be open as well."""
    drift: EnclaveDrift = "heal"
    """What is done about a member that is found powered off, or with a port that leads elsewhere."""
    suspend: bool = False
    """Members stay as they are and are held to their proofs; nothing else is changed until this is gone."""


class Enclave(Document):
    """A set of proven machines on networks of their own."""

    kind: Literal["Enclave"]
    spec: EnclaveSpec
    """What is to run, on what, proven how."""


AnyDocument = Annotated[
    Repository | Zone | Switch | Network | Node | Image | AppraisalPolicy | Tenant | Key | Enclave,
    Field(discriminator="kind"),
]
"""Any document of a state repository."""
