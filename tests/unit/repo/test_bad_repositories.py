"""Documents that do not fit together: each mistake is told with its place, its code and what to do, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors.taxonomy import InputError
from reconciler.repo.desired import load_desired
from reconciler.repo.documents import MAX_FILE_BYTES
from reconciler.repo.snapshot import read_directory
from tests.support.documents import FILES, added, changed, node
from tests.support.mistakes import BLUE, N1, N2, NET, SIGNERS, SWITCH, TOP, ZONE, Mistake, findings, snapshot
from tests.support.pki import authority, revocations


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

PROBE = """last: 199}
  probe:
    vlan: 990
    ports:
      - {switch: tor, port: swp4}
      - {switch: tor, port: swp3}
"""


TRUNKS = "trunks: [{{port: up1, vlans: {vlans}}}]\n"


def _probed(old: str = "", new: str = "", *, name: str = "east") -> dict[str, bytes]:
    """Return the valid files with test ports in a zone, and ``old`` in those replaced by ``new``."""
    text = FILES[ZONE].decode().replace("name: east", f"name: {name}")
    zone = text.replace("last: 199}\n", PROBE.replace(old, new) if old else PROBE)
    switch = changed(SWITCH, "swp3]", "swp3, swp4]")
    return {**switch, f"site/zones/{name}.yaml": zone.encode()}


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
    Mistake(
        "intermediate that is no PEM",
        added("trust/ek-intermediates/x.pem", b"\x30\x03"),
        "trust/ek-intermediates/x.pem",
        "NotPem",
        "is not a PEM",
        "openssl x509",
    ),
    Mistake(
        "revocation list of nobody known",
        added("trust/ek-crls/x.crl", revocations(authority("Stranger"))),
        "trust/ek-crls/x.crl",
        "BadRevocationList",
        "no certificate of its issuer CN=Stranger",
        "trust/ek-intermediates",
    ),
    Mistake(
        "revocation list that is none",
        added("trust/ek-crls/x.pem", b"nothing"),
        "trust/ek-crls/x.pem",
        "BadRevocationList",
        "longer than what holds it",
        "remove the list",
    ),
    Mistake(
        "revocation list that is too large",
        added("trust/ek-crls/x.crl", bytes((4 << 20) + 1)),
        "trust/ek-crls/x.crl",
        "BadRevocationList",
        "at most 4194304",
        "remove the list",
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
        "add site/zones/north.yaml",
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
        "add policies/x.yaml",
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
        "add tenants/blue/keys/x.yaml",
    ),
    Mistake(
        "node",
        changed(BLUE, "[n1]", "[n5]"),
        f"{BLUE}:5:19",
        "DanglingReference",
        "there is no Node n5",
        "add site/nodes/n5.yaml",
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
        "test port of a switch that is not there",
        _probed("tor, port: swp3", "tro, port: swp3"),
        f"{ZONE}:11:18",
        "DanglingReference",
        "there is no Switch tro",
        "did you mean tor?",
    ),
    Mistake(
        "test port that its switch does not have",
        _probed("swp3", "swp33"),
        f"{ZONE}:11:29",
        "DanglingReference",
        "switch tor has no port swp33",
        "did you mean swp3?",
    ),
    Mistake(
        "test port in another zone",
        _probed("swp4", "swp4", name="west"),
        "site/zones/west.yaml:10:18",
        "ZoneMismatch",
        "switch tor is in zone east",
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
        "test port of a node",
        _probed("swp4", "swp1"),
        f"{N1}:11:13",
        "PortTwice",
        "port swp1 of switch tor is taken by zone east",
        f"see {ZONE}:10",
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
        "trunk that carries the parking VLAN",
        changed(SWITCH, "  bridge: tor\n", f"  bridge: tor\n  {TRUNKS.format(vlans='[200, {first: 990, last: 999}]')}"),
        f"{SWITCH}:9:31",
        "VlanClash",
        "trunk up1 carries VLAN 999, on which zone east parks",
        "no trunk carries it",
    ),
    Mistake(
        "trunk with the parking VLAN untagged",
        changed(SWITCH, "  bridge: tor\n", f"  bridge: tor\n  {TRUNKS.format(vlans='[200], native: 999')}"),
        f"{SWITCH}:9:46",
        "VlanClash",
        "trunk up1 carries VLAN 999",
    ),
    Mistake(
        "trunk among the ports",
        changed(SWITCH, "  bridge: tor\n", f"  bridge: tor\n  {TRUNKS.replace('up1', 'swp3').format(vlans='[200]')}"),
        f"{SWITCH}:5:3",
        "BadValue",
        "swp3 is a trunk and one of ports",
        "take it out of one of the two",
    ),
    Mistake(
        "network on the probe VLAN",
        {**_probed(), NET: changed(NET, "vlan: 200", "vlan: 990")[NET]},
        f"{NET}:6:9",
        "VlanClash",
        "VLAN 990 of zone east is taken by zone east",
        f"see {ZONE}:8",
    ),
    Mistake(
        "probes in the airlocks",
        _probed("990", "150"),
        f"{ZONE}:8:11",
        "VlanClash",
        "VLAN 150 is one of the zone's airlock VLANs",
        "probe outside the range",
    ),
    Mistake(
        "one test port",
        _probed("      - {switch: tor, port: swp3}\n", ""),
        f"{ZONE}:10:7",
        "BadValue",
        "spec.probe.ports has 1; the least is 2",
        "give 2 or more",
    ),
    Mistake(
        "a test port twice",
        _probed("swp4", "swp3"),
        f"{ZONE}:8:5",
        "BadValue",
        "a port is named twice",
        "name each port once",
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

MISTAKES = [*PLACE_MISTAKES, *REFERENCE_MISTAKES, *CLASH_MISTAKES]


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
    doubled = {"switch in another zone", "test port in another zone"}
    assert len(findings(mistake.files)) == 1 or mistake.name in doubled


def test_valid_repository_has_no_findings_and_is_indexed_by_name() -> None:
    desired = load_desired(snapshot(FILES))
    assert list(desired.nodes) == ["n1", "n2"]
    assert desired.owners == {"blue": "blue"}
    assert desired.nodes["n1"].spec.interfaces[0].mac == "52:54:00:00:03:01"
    assert desired.enclave_vlan("blue") == 200
    assert desired.ek_roots == (FILES["trust/ek-roots/lab.pem"],)
    assert (desired.ek_intermediates, desired.ek_crls) == ((), ())


def test_intermediates_and_revocation_lists_travel_as_they_are() -> None:
    root = authority("Root")
    middle, crl = authority("Middle", by=root), revocations(root)
    files = {
        **FILES,
        "trust/ek-roots/root.pem": root.pem,
        "trust/ek-intermediates/middle.pem": middle.pem,
        "trust/ek-crls/root.crl": crl,
        "trust/ek-crls/README": b"left alone",
        "trust/ek-crls/older/root.crl": b"left alone",
    }
    desired = load_desired(snapshot(files))
    assert root.pem in desired.ek_roots
    assert (desired.ek_intermediates, desired.ek_crls) == ((middle.pem,), (crl,))


def test_all_mistakes_are_told_at_once_in_order() -> None:
    files = {**FILES, N1: FILES[N1].replace(b"swp1", b"swp9"), N2: FILES[N2].replace(b"zone", b"zome"), TOP: b"a: ["}
    found = findings(files)
    assert [finding.path for finding in found] == sorted(finding.path for finding in found)
    assert {finding.code for finding in found} == {"NotYaml", "DanglingReference", "UnknownField"}


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


def test_revocation_lists_may_be_larger_than_documents(tmp_path: Path) -> None:
    folder = tmp_path / "trust/ek-crls"
    folder.mkdir(parents=True)
    (folder / "large.crl").write_bytes(bytes(MAX_FILE_BYTES + 1))
    (folder / "huge.crl").write_bytes(bytes((4 << 20) + 1))
    read = read_directory(tmp_path)
    assert list(read.files) == ["trust/ek-crls/large.crl"]
    assert [(finding.place, finding.code) for finding in read.findings] == [("trust/ek-crls/huge.crl", "TooLarge")]
    assert "the limit is 4194304" in read.findings[0].message


def test_folder_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_directory(tmp_path / "nowhere")
    assert caught.value.reason == "NoFolder"


def test_one_redfish_bmc_may_have_several_machines_and_each_belongs_to_one_node() -> None:
    def machine(name: str, number: int, system: str) -> bytes:
        bmc = f"driver: redfish, system: '{system}', address: 10.0.3.9, "
        return node(name, number).replace(f"driver: ipmi, address: 10.0.3.{number}, ".encode(), bmc.encode())

    assert load_desired(snapshot({**FILES, N1: machine("n1", 1, "1"), N2: machine("n2", 2, "2")})).nodes
    with pytest.raises(InputError, match=r"BMC 10\.0\.3\.9 port 443 system 1 is taken by node n1") as caught:
        load_desired(snapshot({**FILES, N1: machine("n1", 1, "1"), N2: machine("n2", 2, "1")}))
    assert caught.value.reason == "BmcTwice"
