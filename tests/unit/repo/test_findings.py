"""Bad input: each mistake is told with its place, its code and what to do, all of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import Finding, InputError
from reconciler.repo.desired import load_desired
from reconciler.repo.documents import MAX_FILE_BYTES, parse_documents
from reconciler.repo.snapshot import Snapshot, read_directory
from tests.support.documents import FILES, added, changed, node

N1 = "site/nodes/n1.yaml"
N2 = "site/nodes/n2.yaml"
TOP = "ringfence.yaml"
ZONE = "site/zones/east.yaml"
NET = "site/networks/blue-net.yaml"
SWITCH = "site/switches/tor.yaml"
POLICY = "policies/measured-boot.yaml"
BLUE = "tenants/blue/enclaves/blue.yaml"
SIGNERS = "trust/allowed_signers"


def snapshot(files: Mapping[str, bytes]) -> Snapshot:
    return Snapshot(commit="0" * 40, tree="0" * 40, files=files, findings=())


def findings(files: Mapping[str, bytes]) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as caught:
        load_desired(snapshot(files))
    return caught.value.findings


@dataclass(frozen=True)
class Mistake:
    """One change to a valid repository, and the one finding that follows."""

    name: str
    files: Mapping[str, bytes]
    place: str
    code: str
    message: str
    hint: str = ""


def enclave(name: str, *, nodes: str = "{count: 1}", network: str = "blue-net", keys: str = "[]") -> bytes:
    spec = f"spec: {{nodes: {nodes}, image: worker, policy: measured-boot, networks: [{network}], keys: {keys}}}\n"
    return f"apiVersion: ringfence/v1alpha1\nkind: Enclave\nmetadata: {{name: {name}}}\n{spec}".encode()


def network(name: str, vlan: int) -> bytes:
    spec = f"spec: {{zone: east, vlan: {vlan}}}\n"
    return f"apiVersion: ringfence/v1alpha1\nkind: Network\nmetadata: {{name: {name}}}\n{spec}".encode()


def key(name: str) -> bytes:
    return f"apiVersion: ringfence/v1alpha1\nkind: Key\nmetadata: {{name: {name}}}\nspec: {{type: disk}}\n".encode()


RED = {
    "tenants/red/tenant.yaml": b"apiVersion: ringfence/v1alpha1\nkind: Tenant\nmetadata: {name: red}\nspec: {}\n",
    "tenants/red/keys/red-disk.yaml": key("red-disk"),
    "site/networks/red-net.yaml": network("red-net", 201),
}
RED_ENCLAVE = "tenants/red/enclaves/red.yaml"
GREEN = "tenants/blue/enclaves/green.yaml"
EAST = FILES[ZONE].decode().replace("name: east", "name: west").encode()

YAML_MISTAKES = [
    Mistake("tag", changed(N1, "swp1", "!!str swp1"), f"{N1}:11:13", "TagRefused", "the tag tag:yaml.org", "delete it"),
    Mistake("own tag", changed(N1, "swp1", "!x swp1"), f"{N1}:11:13", "TagRefused", "is not allowed here", "delete it"),
    Mistake("anchor", changed(N1, "swp1", "&a swp1"), f"{N1}:11:13", "AnchorRefused", "&a", "delete it"),
    Mistake("alias", changed(N1, "swp1", "*a"), f"{N1}:11:13", "AliasRefused", "*a is not allowed", "write it out"),
    Mistake(
        "duplicate key",
        changed(N1, "      port: swp1\n", "      port: swp1\n      mac: 52:54:00:00:03:99\n"),
        f"{N1}:12:7",
        "DuplicateKey",
        "mac stands here a second time",
        "the first is in line 9",
    ),
    Mistake("key that is a number", changed(N1, "eno1", "eno1\n      5: x"), f"{N1}:9:7", "KeyNotText", "5", '"5"'),
    Mistake(
        "key that is a list", changed(N1, "eno1", "eno1\n      ? [a]\n      : b"), f"{N1}:9:9", "KeyNotText", "list"
    ),
    Mistake("merge key is just a key", changed(N1, "eno1", "eno1\n      <<: {}"), f"{N1}:9:7", "UnknownField", "<<"),
    Mistake("too deep", changed(N1, "eno1", "[" * 40 + "]" * 40), f"{N1}:8:42", "TooDeep", "deeper than 32 levels"),
    Mistake("not YAML", changed(BLUE, "[n1]", "[n1"), f"{BLUE}:5:21", "NotYaml", "is not YAML:"),
    Mistake("tab", changed(N1, "  zone", "\tzone"), f"{N1}:5:1", "NotYaml", "is not YAML: found character"),
    Mistake("control character", changed(N1, "eno1", "en\x01o1"), N1, "NotYaml", "is not YAML:"),
    Mistake("not UTF-8", {**FILES, N1: b"a: b\nc: \xff\n"}, f"{N1}:2:4", "NotUtf8", "is not UTF-8", "as UTF-8"),
    Mistake("half a character", changed(N1, "eno1", '"\\ud800"'), f"{N1}:8:13", "NotText", "surrogate"),
    Mistake("directive", {**FILES, N1: b"%YAML 1.1\n---\n" + FILES[N1]}, f"{N1}:2:1", "DirectiveRefused", "directive"),
    Mistake("too large", {**FILES, N1: b"#" * (MAX_FILE_BYTES + 1)}, N1, "TooLarge", "the limit is 1048576", "split"),
    Mistake("long number", changed(N1, "vlan: 101", f"vlan: {'1' * 99}"), f"{N1}:14:19", "NumberTooLong", "digits"),
    Mistake("empty file", {**FILES, N1: b"# nothing\n"}, N1, "NoDocument", "holds no document", "write a Node"),
]

FIELD_MISTAKES = [
    Mistake(
        "unknown field",
        changed(N1, "  zone: east", "  zome: x\n  zone: east"),
        f"{N1}:5:3",
        "UnknownField",
        "there is no field spec.zome",
        "did you mean zone?",
    ),
    Mistake(
        "unknown inner field",
        changed(N1, "{vlan", "{vlam: 1, vlan"),
        f"{N1}:14:13",
        "UnknownField",
        "spec.airlock.vlam",
        "did you mean vlan?",
    ),
    Mistake(
        "unknown field in a list",
        changed(N1, "name: eno1", "name: eno1\n      prot: x"),
        f"{N1}:9:7",
        "UnknownField",
        "spec.interfaces[0].prot",
        "did you mean port?",
    ),
    Mistake(
        "snake case",
        changed(TOP, "  evidence", "  boot_deadline: 5m\n  evidence"),
        f"{TOP}:9:3",
        "UnknownField",
        "boot_deadline",
        "did you mean bootDeadline?",
    ),
    Mistake(
        "nothing like it",
        changed(N1, "  zone: east", "  qqq: x\n  zone: east"),
        f"{N1}:5:3",
        "UnknownField",
        "spec.qqq",
        "delete it",
    ),
    Mistake(
        "missing field",
        changed(N1, "      port: swp1\n", ""),
        f"{N1}:8:7",
        "MissingField",
        "spec.interfaces[0].port is missing",
        "add it",
    ),
    Mistake(
        "missing section", {**FILES, NET: FILES[NET].split(b"spec")[0]}, f"{NET}:1:1", "MissingField", "spec is missing"
    ),
    Mistake(
        "number for a name",
        changed(N1, "port: swp1", "port: 0012e4"),
        f"{N1}:11:13",
        "WrongType",
        "is a number; text is wanted",
        'put it in quotes: "0012e4"',
    ),
    Mistake(
        "true for a name",
        changed(N1, "port: swp1", "port: true"),
        f"{N1}:11:13",
        "WrongType",
        "is true or false; text",
        'quotes: "true"',
    ),
    Mistake(
        "text for a number",
        changed(N1, "vlan: 101", 'vlan: "101"'),
        f"{N1}:14:19",
        "WrongType",
        "is text; a whole number",
        "without quotes: 101",
    ),
    Mistake(
        "fraction for a number",
        changed(N1, "vlan: 101", "vlan: 101.5"),
        f"{N1}:14:19",
        "WrongType",
        "a whole number is wanted",
    ),
    Mistake(
        "infinity for a number",
        changed(N1, "vlan: 101", "vlan: .inf"),
        f"{N1}:14:19",
        "WrongType",
        "a whole number is wanted",
    ),
    Mistake(
        "no value", changed(N1, "vlan: 101", "vlan: "), f"{N1}:14:13", "WrongType", "is empty; a whole number is wanted"
    ),
    Mistake(
        "text for a list",
        changed(SWITCH, "[swp1, swp2, swp3]", "swp1"),
        f"{SWITCH}:9:10",
        "WrongType",
        "is text; a list is wanted",
        "in brackets: [swp1]",
    ),
    Mistake(
        "list for a mapping",
        changed(N1, "{vlan: 101}", "[101]"),
        f"{N1}:14:12",
        "WrongType",
        "is a list; a mapping is wanted",
    ),
    Mistake(
        "number for a duration",
        changed(TOP, "  evidence", "  interval: 30\n  evidence"),
        f"{TOP}:9:13",
        "WrongType",
        "a duration is wanted",
        "30s, 5m, 2h",
    ),
    Mistake(
        "bad duration",
        changed(TOP, "  evidence", "  interval: 30 s\n  evidence"),
        f"{TOP}:9:13",
        "BadValue",
        "a whole number and one of s, m, h",
    ),
    Mistake(
        "VLAN out of range",
        changed(NET, "vlan: 200", "vlan: 4095"),
        f"{NET}:6:9",
        "OutOfRange",
        "spec.vlan is 4095; the most is 4094",
    ),
    Mistake(
        "VLAN nought",
        changed(NET, "vlan: 200", "vlan: 0"),
        f"{NET}:6:9",
        "OutOfRange",
        "spec.vlan is 0; the least is 1",
    ),
    Mistake(
        "bad MAC",
        changed(N1, "52:54:00:00:03:01", "52-54-00-00-03-01"),
        f"{N1}:9:12",
        "BadValue",
        "is not a MAC address",
        "lower case with colons",
    ),
    Mistake(
        "bad name",
        changed(N1, "port: swp1", "port: Swp_1"),
        f"{N1}:11:13",
        "BadValue",
        "is not a name",
        "lower-case letters",
    ),
    Mistake("bad address", changed(SWITCH, "tcp:127", "udp:127"), f"{SWITCH}:7:12", "BadValue", "is not of the form"),
    Mistake(
        "wrong version",
        changed(N1, "v1alpha1", "v1"),
        f"{N1}:1:13",
        "BadValue",
        "is ringfence/v1, which is not known",
        "did you mean ringfence/v1alpha1?",
    ),
    Mistake(
        "wrong choice",
        changed(POLICY, "derived", "derivd"),
        f"{POLICY}:6:10",
        "BadValue",
        "is derivd, which",
        "did you mean derived?",
    ),
    Mistake(
        "far-off choice", changed(POLICY, "derived", "x"), f"{POLICY}:6:10", "BadValue", "is x, which", "write derived"
    ),
    Mistake(
        "empty list",
        changed(SWITCH, "[swp1, swp2, swp3]", "[]"),
        f"{SWITCH}:9:10",
        "BadValue",
        "is empty",
        "at least one",
    ),
    Mistake(
        "list too long",
        changed(BLUE, "[blue-net]", "[blue-net, blue-net]"),
        f"{BLUE}:8:13",
        "BadValue",
        "is too long; the most is 1",
    ),
    Mistake(
        "rule of the model",
        changed(ZONE, "first: 100, last: 199", "first: 199, last: 100"),
        f"{ZONE}:6:17",
        "BadValue",
        "last is smaller than first",
    ),
    Mistake("PCR missing from a policy", changed(POLICY, "0, 1, ", ""), f"{POLICY}:5:3", "BadValue", "pcrs lacks 0"),
    Mistake(
        "bad key of a mapping",
        changed(POLICY, "  image", '  firmware: [{profile: x, pcrs: {"9": [' + "a" * 64 + "]}}]\n  image"),
        f"{POLICY}:6:34",
        "BadValue",
        "not the number of a firmware PCR",
        "from 0 to 7",
    ),
    Mistake(
        "unknown kind",
        changed(N1, "kind: Node", "kind: Nod"),
        f"{N1}:2:7",
        "UnknownKind",
        "there is no kind Nod",
        "did you mean Node?",
    ),
    Mistake(
        "no such kind",
        changed(N1, "kind: Node", "kind: 5"),
        f"{N1}:2:7",
        "UnknownKind",
        "there is no kind 5",
        "kinds are Repository",
    ),
    Mistake("no kind", changed(N1, "kind: Node\n", ""), f"{N1}:1:1", "MissingField", "kind is missing", "say one of"),
    Mistake(
        "a list as document", {**FILES, N1: b"- a\n"}, f"{N1}:1:1", "WrongType", "is a list; a document is a mapping"
    ),
]

PLACE_MISTAKES = [
    Mistake(
        "wrong kind in path",
        added("images/n9.yaml", node("n9", 9)),
        "images/n9.yaml:2:7",
        "WrongPlace",
        "a Node is not read from here; this place is for kind Image",
        "a Node stands in site/nodes/*.yaml",
    ),
    Mistake(
        "name is not the file's",
        changed(N1, "name: n1", "name: n7"),
        f"{N1}:3:18",
        "WrongName",
        "is called n7, but its place says n1",
        "write name: n1",
    ),
    Mistake(
        "tenant is not the folder's",
        changed("tenants/blue/tenant.yaml", "name: blue", "name: red"),
        "tenants/blue/tenant.yaml:3:18",
        "WrongName",
        "its place says blue",
    ),
    Mistake(
        "no repository",
        {p: c for p, c in FILES.items() if p != TOP},
        TOP,
        "NoRepository",
        "is missing",
        "ringfence init",
    ),
    Mistake(
        "no signers", {p: c for p, c in FILES.items() if p != SIGNERS}, SIGNERS, "NoSigners", "is missing", "add a line"
    ),
    Mistake(
        "bad signer",
        {**FILES, SIGNERS: FILES[SIGNERS] + b"nonsense\n"},
        f"{SIGNERS}:3:1",
        "BadSigner",
        "is not one principal and one key",
        "AAAA",
    ),
    Mistake(
        "wildcard signer",
        {**FILES, SIGNERS: FILES[SIGNERS] + b"* ssh-ed25519 AAAA\n"},
        f"{SIGNERS}:3:1",
        "BadSigner",
        "is not one principal",
    ),
    Mistake(
        "authority",
        {**FILES, SIGNERS: FILES[SIGNERS] + b"x cert-authority ssh-ed25519 AAAA\n"},
        f"{SIGNERS}:3:1",
        "BadSigner",
        "is not one principal",
    ),
    Mistake(
        "strange option",
        {**FILES, SIGNERS: FILES[SIGNERS] + b'x tty="1" ssh-ed25519 AAAA\n'},
        f"{SIGNERS}:3:1",
        "BadSigner",
        "an option that is not allowed",
    ),
    Mistake(
        "DSA key",
        {**FILES, SIGNERS: FILES[SIGNERS] + b"x ssh-dss AAAA\n"},
        f"{SIGNERS}:3:1",
        "BadSigner",
        "type ssh-dss",
    ),
    Mistake(
        "key is another",
        {**FILES, SIGNERS: FILES[SIGNERS] + b"x ssh-rsa AAAA\n"},
        f"{SIGNERS}:3:1",
        "BadSigner",
        "not what it says",
    ),
    Mistake(
        "key not base64",
        {**FILES, SIGNERS: FILES[SIGNERS] + b"x ssh-rsa A\n"},
        f"{SIGNERS}:3:1",
        "BadSigner",
        "not what it says",
    ),
    Mistake(
        "not ASCII",
        {**FILES, SIGNERS: FILES[SIGNERS] + "é ssh-rsa A\n".encode()},
        f"{SIGNERS}:3:1",
        "BadSigner",
        "outside ASCII",
    ),
    Mistake(
        "key of two",
        {**FILES, SIGNERS: FILES[SIGNERS] + FILES[SIGNERS].split(b"\n")[0].replace(b"alice", b"eve")},
        f"{SIGNERS}:3:1",
        "BadSigner",
        "is the key of alice",
        "one signer",
    ),
    Mistake(
        "no EK roots",
        {p: c for p, c in FILES.items() if not p.endswith("pem")},
        "trust/ek-roots",
        "NoEkRoots",
        "holds no certificate",
        "*.pem",
    ),
    Mistake(
        "not a PEM",
        added("trust/ek-roots/x.pem", b"\x30\x03"),
        "trust/ek-roots/x.pem",
        "NotPem",
        "is not a PEM",
        "openssl x509",
    ),
    Mistake(
        "bad base64 in PEM",
        added("trust/ek-roots/x.pem", b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"),
        "trust/ek-roots/x.pem",
        "NotPem",
        "is not a PEM",
    ),
]

REFERENCE_MISTAKES = [
    Mistake(
        "switch",
        changed(N1, "switch: tor", "switch: tro"),
        f"{N1}:10:15",
        "DanglingReference",
        "there is no Switch tro",
        "did you mean tor?",
    ),
    Mistake(
        "port",
        changed(N1, "port: swp1", "port: swp9"),
        f"{N1}:11:13",
        "DanglingReference",
        "switch tor has no port swp9",
        "did you mean swp",
    ),
    Mistake(
        "far-off port",
        changed(N1, "port: swp1", "port: x"),
        f"{N1}:11:13",
        "DanglingReference",
        "has no port x",
        f"add it to spec.ports in {SWITCH}",
    ),
    Mistake(
        "zone of a network",
        changed(NET, "zone: east", "zone: north"),
        f"{NET}:5:9",
        "DanglingReference",
        "there is no Zone north",
        "add one to site/zones/*.yaml",
    ),
    Mistake(
        "image",
        changed(BLUE, "image: worker", "image: wroker"),
        f"{BLUE}:6:10",
        "DanglingReference",
        "there is no Image wroker",
        "did you mean worker?",
    ),
    Mistake(
        "policy",
        changed(BLUE, "policy: measured-boot", "policy: x"),
        f"{BLUE}:7:11",
        "DanglingReference",
        "there is no AppraisalPolicy x",
        "add one to policies/*.yaml",
    ),
    Mistake(
        "network",
        changed(BLUE, "[blue-net]", "[blu-net]"),
        f"{BLUE}:8:14",
        "DanglingReference",
        "there is no Network blu-net",
        "did you mean blue-net?",
    ),
    Mistake(
        "key",
        changed(BLUE, "[blue-disk]", "[x]"),
        f"{BLUE}:9:10",
        "DanglingReference",
        "there is no Key x",
        "tenants/<tenant>/keys",
    ),
    Mistake(
        "node",
        changed(BLUE, "[n1]", "[n5]"),
        f"{BLUE}:5:19",
        "DanglingReference",
        "there is no Node n5",
        "add one to site/nodes",
    ),
    Mistake(
        "rule signer",
        changed(TOP, "[alice]", "[alcie]"),
        f"{TOP}:8:19",
        "DanglingReference",
        "there is no signer alcie",
        "did you mean alice?",
    ),
    Mistake(
        "evidence signer",
        changed(TOP, "[carol]", "[x]"),
        f"{TOP}:9:24",
        "DanglingReference",
        "there is no signer x",
        "add a line for x",
    ),
    Mistake(
        "tenant of a key",
        added("tenants/red/keys/red-disk.yaml", key("red-disk")),
        "tenants/red/keys/red-disk.yaml:3:18",
        "DanglingReference",
        "there is no tenant red",
        "add tenants/red/tenant.yaml",
    ),
    Mistake(
        "somebody else's key",
        {**FILES, **RED, RED_ENCLAVE: enclave("red", network="red-net", keys="[blue-disk]")},
        f"{RED_ENCLAVE}:4:93",
        "NotYours",
        "belongs to tenant blue",
        "tenants/red/keys",
    ),
    Mistake(
        "switch in another zone",
        {**changed(SWITCH, "zone: east", "zone: west"), "site/zones/west.yaml": EAST},
        f"{N1}:10:15",
        "ZoneMismatch",
        "is in zone west, the node in east",
    ),
    Mistake(
        "network in another zone",
        {**changed(NET, "zone: east", "zone: west"), "site/zones/west.yaml": EAST},
        f"{BLUE}:5:19",
        "ZoneMismatch",
        "node n1 is in zone east, the enclave's network in west",
    ),
]

CLASH_MISTAKES = [
    Mistake(
        "duplicate MAC",
        changed(N2, "52:54:00:00:03:02", "52:54:00:00:03:01"),
        f"{N2}:9:12",
        "DuplicateMac",
        "52:54:00:00:03:01 is taken by node n1",
        f"see {N1}:9",
    ),
    Mistake(
        "port used twice",
        changed(N2, "port: swp2", "port: swp1"),
        f"{N2}:11:13",
        "PortTwice",
        "port swp1 of switch tor is taken by node n1",
        f"see {N1}:11",
    ),
    Mistake(
        "interface twice",
        changed(N2, "  tpm", '    - {name: eno1, mac: "52:54:00:00:03:03", switch: tor, port: swp3}\n  tpm'),
        f"{N2}:12:14",
        "InterfaceTwice",
        "interface eno1 is taken",
        "its own name",
    ),
    Mistake(
        "BMC twice",
        changed(N2, "10.0.3.2", "10.0.3.1"),
        f"{N2}:6:32",
        "BmcTwice",
        "BMC 10.0.3.1 port 623 is taken by node n1",
        f"see {N1}:6",
    ),
    Mistake(
        "TPM twice",
        changed(N2, f"{2:064x}", f"{1:064x}"),
        f"{N2}:12:22",
        "EndorsementTwice",
        "is taken by node n1",
        f"see {N1}:12",
    ),
    Mistake(
        "bridge twice",
        added("site/switches/tor2.yaml", FILES[SWITCH].replace(b"name: tor", b"name: tor2")),
        "site/switches/tor2.yaml:8:11",
        "SwitchTwice",
        "bridge tor at tcp:127.0.0.1:6640 is taken by switch tor",
    ),
    Mistake(
        "two networks, one VLAN",
        added("site/networks/x.yaml", network("x", 200)),
        "site/networks/x.yaml:4:26",
        "VlanClash",
        "VLAN 200 of zone east is taken by network blue-net",
        f"see {NET}:6",
    ),
    Mistake(
        "network on parking",
        changed(NET, "vlan: 200", "vlan: 999"),
        f"{NET}:6:9",
        "VlanClash",
        "is taken by zone east",
        f"see {ZONE}:5",
    ),
    Mistake(
        "network in the airlocks",
        changed(NET, "vlan: 200", "vlan: 150"),
        f"{NET}:6:9",
        "VlanClash",
        "is one of the airlock VLANs of zone east",
        f"see {ZONE}:6",
    ),
    Mistake(
        "parking in the airlocks",
        changed(ZONE, "999", "150"),
        f"{ZONE}:5:16",
        "VlanClash",
        "is one of the zone's airlock VLANs",
        "outside the range",
    ),
    Mistake(
        "two nodes, one airlock",
        changed(N2, "vlan: 102", "vlan: 101"),
        f"{N2}:14:19",
        "VlanClash",
        "is taken by node n1",
        f"see {N1}:14",
    ),
    Mistake(
        "airlock outside the range",
        changed(N2, "vlan: 102", "vlan: 300"),
        f"{N2}:14:19",
        "VlanClash",
        "is not one of the airlock VLANs",
        "from 100 to 199",
    ),
    Mistake(
        "network of two tenants",
        {**FILES, **RED, RED_ENCLAVE: enclave("red", keys="[red-disk]")},
        f"{RED_ENCLAVE}:4:76",
        "NetworkShared",
        "network blue-net is used by tenant blue",
        f"see {BLUE}:8",
    ),
    Mistake(
        "node of two enclaves",
        added(GREEN, enclave("green", nodes="{names: [n2, n1]}")),
        f"{GREEN}:4:28",
        "NodeTwice",
        "node n1 is taken by enclave blue",
        f"see {BLUE}:5",
    ),
    Mistake(
        "same name twice",
        added("site/nodes/more.yaml", node("n8", 3) + b"---\n" + node("n1", 4)),
        "site/nodes/more.yaml:18:18",
        "DuplicateName",
        "there is a Node n1 already",
        f"{N1}:3",
    ),
]

MISTAKES = [*YAML_MISTAKES, *FIELD_MISTAKES, *PLACE_MISTAKES, *REFERENCE_MISTAKES, *CLASH_MISTAKES]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_mistake_is_told_with_its_place_and_a_hint(mistake: Mistake) -> None:
    found = findings(mistake.files)
    assert [finding.code for finding in found][:1] == [mistake.code], found
    first = found[0]
    assert first.place == mistake.place, found
    assert mistake.message in first.message
    assert mistake.hint in first.hint


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_mistake_has_no_echo(mistake: Mistake) -> None:
    """One mistake, one finding: a broken node does not make everything that mentions it look wrong."""
    doubled = {"switch in another zone"}
    assert len(findings(mistake.files)) == 1 or mistake.name in doubled


def test_valid_repository_has_no_findings_and_is_indexed_by_name() -> None:
    desired = load_desired(snapshot(FILES))
    assert list(desired.nodes) == ["n1", "n2"]
    assert desired.owners == {"blue": "blue"}
    assert desired.nodes["n1"].spec.interfaces[0].mac == "52:54:00:00:03:01"
    assert desired.enclave_vlan("blue") == 200
    assert desired.ek_roots == (FILES["trust/ek-roots/lab.pem"],)


def test_all_mistakes_are_told_at_once_in_order() -> None:
    files = {**FILES, N1: FILES[N1].replace(b"swp1", b"swp9"), N2: FILES[N2].replace(b"zone", b"zome"), TOP: b"a: ["}
    found = findings(files)
    assert [finding.path for finding in found] == sorted(finding.path for finding in found)
    assert {finding.code for finding in found} == {"NotYaml", "DanglingReference", "UnknownField", "MissingField"}


def test_error_shows_the_first_finding_and_counts_the_rest() -> None:
    with pytest.raises(InputError) as caught:
        load_desired(snapshot({**FILES, N1: b"", N2: b""}))
    assert str(caught.value) == f"{N1}: holds no document (and 1 more)"
    assert caught.value.exit_code == 2


def test_several_nodes_may_share_a_file_of_any_name() -> None:
    files = changed(SWITCH, "swp3]", "swp3, swp4]")
    desired = load_desired(snapshot({**files, "site/nodes/rack-3.yaml": node("n3", 3) + b"---\n" + node("n4", 4)}))
    assert list(desired.nodes) == ["n1", "n2", "n3", "n4"]


def test_enclaves_of_one_tenant_may_share_a_network() -> None:
    desired = load_desired(snapshot(added(GREEN, enclave("green"))))
    assert set(desired.enclaves) == {"blue", "green"}


def test_files_that_are_no_documents_are_left_alone() -> None:
    extra = {"site/README.md": b"x", "docs/x.yaml": b": [", "site/nodes/.gitkeep": b""}
    assert load_desired(snapshot({**FILES, **extra})).nodes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("yes", "yes"),
        ("0o17", 15),
        ("0x1F", 31),
        ("012", 12),
        ("1_000", "1_000"),
        ("2026-01-02", "2026-01-02"),
        ("'1'", "1"),
        ("~", None),
        ("TRUE", True),
        ("-1.5e3", -1500.0),
        ("-.inf", float("-inf")),
        ("0b1", "0b1"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    documents, wrong = parse_documents(f"a: {text}\n".encode(), path="x.yaml")
    assert not wrong
    assert documents[0].value == {"a": value}


def test_working_folder_is_read_like_a_commit(tmp_path: Path) -> None:
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (tmp_path / "site/nodes/n3.yaml").symlink_to("n1.yaml")
    (tmp_path / "images/big.yaml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    (tmp_path / "policies/far").symlink_to("/")
    (tmp_path / "site/n3.yaml").write_bytes(b"a: b")
    (tmp_path / "site/nodes/n3.yml").write_bytes(b"a: b")
    (tmp_path / "ringfence.yml").write_bytes(b"a: b")
    read = read_directory(tmp_path)
    assert dict(read.files) == dict(sorted(FILES.items()))
    assert sorted((finding.place, finding.code) for finding in read.findings) == [
        ("images/big.yaml", "TooLarge"),
        ("policies/far", "NotAPlainFile"),
        ("ringfence.yml", "StrayFile"),
        ("site/n3.yaml", "StrayFile"),
        ("site/nodes/n3.yaml", "NotAPlainFile"),
        ("site/nodes/n3.yml", "StrayFile"),
    ]


def test_folder_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_directory(tmp_path / "nowhere")
    assert caught.value.reason == "NoFolder"
