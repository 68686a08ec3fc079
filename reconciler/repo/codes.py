"""The codes of findings in a state repository: what each means, and what to do next.

``docs/errors.md`` and the pages of the kinds are made from this table; a test holds that it has every code that is
given, and no other. A code is stable.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from reconciler.errors.taxonomy import Severity

_E, _W = Severity.ERROR, Severity.WARNING
FILE = "file"
"""Stands for every kind: findings about how a file is written, or what any document may hold."""


class FindingCode(NamedTuple):
    """``kinds`` are those whose documents it stands at; ``severities`` both, where it depends."""

    kinds: tuple[str, ...]
    severities: tuple[Severity, ...]
    meaning: str
    hint: str


_ROWS: tuple[tuple[str, str, tuple[Severity, ...], str, str], ...] = (
    ("NotUtf8", FILE, (_E,), "the file is not UTF-8", "save it as UTF-8"),
    ("NotYaml", FILE, (_E,), "the file is not YAML", "mend it where the finding stands, or a line above"),
    ("MergeConflict", FILE, (_E,), "git's markers of a conflict were left in", "choose a side and delete the markers"),
    ("TooLarge", FILE, (_E,), "the file is larger than the limit", "split it"),
    ("TooDeep", FILE, (_E,), "the document is nested too deep", "look for brackets that were not closed"),
    ("DirectiveRefused", FILE, (_E,), "a YAML directive", "delete the line"),
    ("AnchorRefused", FILE, (_E,), "a YAML anchor", "delete it, and write out what refers to it"),
    ("AliasRefused", FILE, (_E,), "a YAML alias", "write out what it stands for"),
    ("TagRefused", FILE, (_E,), "a YAML tag", "delete it; quote what is meant to be text"),
    ("DuplicateKey", FILE, (_E,), "a key stands twice in one mapping", "delete one; documents are parted by ---"),
    ("KeyNotText", FILE, (_E,), "a key is no text", "quote it"),
    ("NotText", FILE, (_E,), "a text holds half a character", "write the character itself"),
    ("NumberTooLong", FILE, (_E,), "a number has too many digits", "quote it if it is text"),
    ("NoDocument", FILE, (_E,), "the file holds no document", "write one, or delete the file"),
    ("NotAPlainFile", FILE, (_E,), "a link, a submodule or a device", "replace it by what it leads to"),
    ("StrayFile", FILE, (_E,), "a document that nothing reads where it stands", "move or rename the file"),
    ("WrongPlace", FILE, (_E,), "a document of another kind than its folder's", "move it"),
    ("WrongName", FILE, (_E,), "the document's name is not its file's", "rename one of the two"),
    ("DuplicateName", FILE, (_E,), "two documents of a kind have one name", "rename one"),
    ("UnknownKind", FILE, (_E,), "there is no such kind", "write one of the kinds"),
    ("UnknownField", FILE, (_E,), "there is no such field", "look for its right name, or delete it"),
    ("MissingField", FILE, (_E,), "a field is missing", "add it"),
    ("WrongType", FILE, (_E,), "a value of another type than is wanted", "write it as the hint says"),
    ("BadValue", FILE, (_E,), "a value that is not allowed", "write it as the hint says"),
    ("OutOfRange", FILE, (_E,), "a number or a time beyond its limits", "stay within them"),
    ("LeftOpen", FILE, (_E,), "a fact that ringfence adopt could not read", "fill it in as the hint says"),
    ("SecretHere", FILE, (_E,), "a field that looks like a secret", "change the secret; give only its name"),
    ("DanglingReference", FILE, (_E,), "a name that leads nowhere", "correct it, or add what it names"),
    ("NoRepository", "Repository", (_E,), "ringfence.yaml is missing", "go to the top folder, or: ringfence init"),
    ("NoSigners", "Repository", (_E,), "trust/allowed_signers is missing", "add a line for each signer"),
    ("BadSigner", "Repository", (_E,), "a line of trust/allowed_signers cannot be used", "correct the line"),
    ("RepositoryTwice", "Repository", (_E,), "ringfence.yaml holds two documents", "keep one"),
    ("Missing", "Repository", (_E,), "a root of trust is missing", "put it back"),
    ("LockedOut", "Repository", (_E,), "nobody could change a root of trust any more", "name enough known signers"),
    ("TooMany", "Repository", (_E,), "there are too many keys in trust/gpg", "remove those not in use"),
    ("BadHandle", "Repository", (_E,), "a line of trust/handles cannot be used", "correct the line"),
    ("NoEkRoots", "Repository", (_E,), "trust/ek-roots is empty, and an enclave is there", "add the makers' roots"),
    ("NotPem", "Repository", (_E,), "a file in trust/ is no certificate in PEM", "convert it"),
    (
        "BadRevocationList",
        "Repository",
        (_E,),
        "a list in trust/ek-crls cannot be used",
        "add its issuer, or remove it",
    ),
    ("NobodyMay", "Repository", (_E, _W), "no rule covers a path", "add a rule for it"),
    ("WitnessIsWriter", "Repository", (_E,), "a witness signs the evidence too", "give it a key of its own"),
    ("WitnessTwice", "Repository", (_E,), "two witnesses have one name or one signer", "name another one"),
    ("VlanClash", "Zone, Network, Node, Switch", (_E,), "a VLAN has two uses in one zone", "choose another VLAN"),
    ("SwitchTwice", "Switch", (_E,), "two documents describe one bridge", "delete one"),
    ("NetworkShared", "Enclave", (_E,), "two tenants use one network", "give each tenant a network"),
    ("NetworkJoined", "Enclave", (_W,), "two enclaves of a tenant use one network", "part them, or: shared: true"),
    ("DuplicateMac", "Node", (_E,), "two interfaces have one MAC address", "correct one"),
    ("PortTwice", "Node", (_E,), "two interfaces are on one switch port", "correct one"),
    ("InterfaceTwice", "Node", (_E,), "two interfaces of a node have one name", "rename one"),
    ("BmcTwice", "Node", (_E,), "two nodes have one BMC", "correct one"),
    ("EndorsementTwice", "Node", (_E,), "two nodes have one TPM", "read the EK of both again"),
    ("ZoneMismatch", "Node, Enclave", (_E,), "what belongs together lies in two zones", "correct one of the two"),
    ("NodeTwice", "Enclave", (_E,), "two enclaves name one node", "take it out of one"),
    ("NotYours", "Enclave", (_E,), "the key is another tenant's", "declare a key of this tenant's own"),
    ("SelectsNothing", "Enclave", (_E,), "no node could ever be selected", "correct the labels, or add nodes"),
    ("SelectsTooFew", "Enclave", (_W,), "fewer nodes match than are asked for", "ask for fewer, or add nodes"),
    ("SpreadsOverNothing", "Enclave", (_W,), "no node that matches has the label", "label the nodes"),
    ("QuotaExceeded", "Enclave, Tenant", (_E,), "the tenant asks for more than maxNodes", "ask for fewer, or raise it"),
    ("NeverOpen", "Enclave", (_E,), "maintenance windows never open together", "choose a time within both"),
    (
        "PolicyRefuses",
        "Enclave",
        (_E, _W),
        "the policy could never accept the node",
        "mend the policy, or choose others",
    ),
    ("PolicyCircular", "AppraisalPolicy", (_E,), "a policy includes itself", "let both include a third"),
    ("PolicyIncomplete", "AppraisalPolicy", (_E,), "the policy in use cannot be judged by", "add what it lacks"),
    ("PolicyContradicts", "AppraisalPolicy", (_E,), "nothing could satisfy the policy", "delete one of the two sides"),
    ("ImagesDisagree", "Image", (_E,), "one digest, two sets of measurements", "derive both again"),
    ("ImageNotPredicted", "Image", (_W,), "the measurements have no image's form", "ringfence image predict FILE"),
    (
        "Unused",
        "Image, AppraisalPolicy, Network, Key",
        (_W,),
        "no enclave uses it",
        "delete it, unless it is for later",
    ),
)

FINDINGS: Mapping[str, FindingCode] = MappingProxyType(
    {
        name: FindingCode(kinds=tuple(kinds.split(", ")), severities=severities, meaning=meaning, hint=hint)
        for name, kinds, severities, meaning, hint in _ROWS
    }
)
"""Every code that a finding can have."""
