"""What newcomers get wrong in a state repository, and every word that they are told about it.

The words stand in ``newcomers.txt``, a section for each mistake, to be read aloud: what, where, what next. Run with
``RINGFENCE_REWRITE=1`` to write them anew, and read what changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import typer

from reconciler.cli.repository import validate
from tests.support.documents import FILES, added, changed
from tests.support.mistakes import BLUE, N1, N2, NET, POLICY, SWITCH, TOP, ZONE

TOLD = Path(__file__).with_name("newcomers.txt")
TENANT = "tenants/blue/tenant.yaml"
IMAGE = "images/worker.yaml"
KEY = "tenants/blue/keys/blue-disk.yaml"
HEX = "0123456789abcdef" * 4

Files = Mapping[str, bytes]


def without(*paths: str) -> Files:
    return {path: content for path, content in FILES.items() if path not in paths}


def moved(old: str, new: str) -> Files:
    return {**without(old), new: FILES[old]}


def everywhere(path: str, change: Callable[[bytes], bytes]) -> Files:
    return {**FILES, path: change(FILES[path])}


def red_tenant() -> Files:
    """Return the valid files with a second tenant, and a key of it that the first tenant's enclave lists."""
    files = changed(BLUE, "keys: [blue-disk]", "keys: [blue-disk, red-disk]")
    files["tenants/red/tenant.yaml"] = FILES[TENANT].replace(b"name: blue", b"name: red")
    files["tenants/red/keys/red-disk.yaml"] = FILES[KEY].replace(b"blue-disk", b"red-disk")
    return files


CONFLICT = b"<<<<<<< HEAD\n  vlan: 200\n=======\n  vlan: 201\n>>>>>>> theirs\n"
DEPLOYMENT = b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: blue}\nspec: {replicas: 3}\n"

MISTAKES: Mapping[str, Files] = {
    "an empty folder": {},
    "the file is called .yml": moved(N1, "site/nodes/n1.yml"),
    "ringfence.yml": moved(TOP, "ringfence.yml"),
    "nodes/ at the top": moved(N1, "nodes/n1.yaml"),
    "a folder in the singular": moved(BLUE, "tenants/blue/enclave/blue.yaml"),
    "a folder in capitals": moved(N1, "Site/Nodes/n1.yaml"),
    "an enclave beside its tenant": moved(BLUE, "tenants/blue/blue.yaml"),
    "a network among the nodes": moved(NET, "site/nodes/blue-net.yaml"),
    "the name is not the file's": changed(N1, "name: n1", "name: r3u07"),
    "a tenant's folder without tenant.yaml": without(TENANT),
    "no allowed signers": without("trust/allowed_signers"),
    "a signer that has no key": changed(TOP, "signers: [alice]", "signers: [alice, mallory]"),
    "the private key among the signers": everywhere(
        "trust/allowed_signers", lambda content: content + b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
    ),
    "indented with a tab": changed(N1, "  zone: east", "\tzone: east"),
    "indented by one blank too few": changed(NET, "  vlan", " vlan"),
    "no blank after the colon": changed(NET, "vlan: 200", "vlan:200"),
    "a bracket left open": changed(BLUE, "[n1]", "[n1"),
    "a quote left open": changed(SWITCH, '"tcp:127.0.0.1:6640"', '"tcp:127.0.0.1:6640'),
    "two documents without ---": everywhere(N1, lambda content: content + FILES[N2]),
    "a merge left unfinished": everywhere(NET, lambda content: content.replace(b"  vlan: 200\n", CONFLICT)),
    "saved as UTF-16": everywhere(NET, lambda content: content.decode().encode("utf-16")),
    "a template language": changed(NET, "vlan: 200", "vlan: {{ vlan }}"),
    "garbage at the end": everywhere(NET, lambda content: content + b"EOF\n"),
    "an anchor and an alias": everywhere(
        N1, lambda content: content.replace(b"zone: east", b"zone: &z east").replace(b"name: eno1", b"name: *z")
    ),
    "a Kubernetes document": {**FILES, BLUE: DEPLOYMENT},
    "apiVersion: v1": changed(BLUE, "ringfence/v1alpha1", "v1"),
    "replicas": changed(BLUE, "  image", "  replicas: 3\n  image"),
    "a namespace": changed(BLUE, "{name: blue}", "{name: blue, namespace: blue}"),
    "the kind in lower case": changed(BLUE, "kind: Enclave", "kind: enclave"),
    "a field in the singular": changed(BLUE, "networks: [blue-net]", "network: blue-net"),
    "a field in snake case": changed(ZONE, "parkingVlan", "parking_vlan"),
    "a list that is none": changed(BLUE, "networks: [blue-net]", "networks: blue-net"),
    "count and names both": changed(BLUE, "{names: [n1]}", "{names: [n1], count: 1}"),
    "neither count nor names": changed(BLUE, "{names: [n1]}", "{}"),
    "a node named twice": changed(BLUE, "[n1]", "[n1, n1]"),
    "a negative count": changed(BLUE, "{names: [n1]}", "{count: -1}"),
    "a label that is a number": changed(N1, "{name: n1}", "{name: n1, labels: {rack: 3}}"),
    "a selector for nobody": changed(BLUE, "{names: [n1]}", "{count: 1, select: {class: large}}"),
    "a flag in words": changed(BLUE, "  image", "  suspend: yes\n  image"),
    "a duration without a unit": changed(BLUE, "  image", "  reattest: 30\n  image"),
    "a duration in Go's way": changed(TOP, "  evidence", "  bootDeadline: 1h30m\n  evidence"),
    "a time without quotes or a nought": changed(
        TOP, "  evidence", "  maintenance: [{start: 9:00, duration: 1h}]\n  evidence"
    ),
    "a weekday in full": changed(
        TOP, "  evidence", '  maintenance: [{days: [monday], start: "09:00", duration: 1h}]\n  evidence'
    ),
    "a MAC in capitals": changed(N1, "52:54:00:00:03:01", "52-54-00-AB-03-01"),
    "a VLAN in quotes": changed(NET, "vlan: 200", 'vlan: "200"'),
    "VLAN 0": changed(NET, "vlan: 200", "vlan: 0"),
    "VLAN 4095": changed(NET, "vlan: 200", "vlan: 4095"),
    "a digest without sha256:": changed(IMAGE, f"sha256:{HEX}", HEX),
    "a bad switch address": changed(SWITCH, "tcp:127.0.0.1:6640", "https://127.0.0.1"),
    "a BMC port too high": changed(N1, "address: 10.0.3.1,", "address: 10.0.3.1, port: 70000,"),
    "the BMC's password": changed(N1, "credentials: bmc/n1", "credentials: bmc/n1, password: hunter2"),
    "user and password as credentials": changed(N1, "credentials: bmc/n1", '"credentials": "admin:hunter2"'),
    "a port that the switch lacks": changed(N1, "port: swp1", "port: swp11"),
    "one port for two nodes": changed(N2, "port: swp2", "port: swp1"),
    "a copied node": added("site/nodes/n3.yaml", FILES[N2]),
    "the image is missing": without(IMAGE),
    "a policy misspelt": changed(BLUE, "measured-boot", "measured_boot"),
    "another tenant's key": red_tenant(),
    "a missing field": changed(N1, "      switch: tor\n", ""),
    "a field without a value": changed(N1, "zone: east", "zone:"),
    "a policy that asks for nothing": changed(POLICY, "  image: derived\n", ""),
    "a PCR out of order": changed(POLICY, "[0, 1, 2,", "[1, 0, 2,"),
    "more than the quota": changed(TENANT, "maxNodes: 4", "maxNodes: 0"),
    "status written by hand": everywhere(BLUE, lambda content: content + b"status: {phase: Ready}\n"),
    "nobody may change the rules": changed(TOP, 'paths: ["**"]', 'paths: ["site/**", "tenants/**"]'),
    "a threshold of more than there are": changed(
        TOP, "signers: [alice]\n", "signers: [alice]\n        threshold: 2\n"
    ),
    "more nodes than there are": changed(BLUE, "{names: [n1]}", "{count: 5}"),
    "an image nobody uses": added("images/old.yaml", FILES[IMAGE].replace(b"name: worker", b"name: old")),
}


def told() -> dict[str, str]:
    """Return what is said about each mistake, by its title."""
    parts = re.split(r"^## (.+)\n\n", TOLD.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title: text.strip() for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def say(folder: Path, files: Files, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what ``ringfence validate`` says about ``files``, and how it ends."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    code = 0
    try:
        validate(repo=folder)
    except typer.Exit as ended:
        code = ended.exit_code
    out, err = capsys.readouterr()
    return f"{err}{out}exit {code}"


@pytest.mark.skipif("RINGFENCE_REWRITE" not in os.environ, reason="writes the words anew")
def test_rewrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sections = [
        f"## {title}\n\n{say(tmp_path / str(number), files, capsys)}\n"
        for number, (title, files) in enumerate(MISTAKES.items())
    ]
    TOLD.write_text("\n".join(sections), encoding="utf-8")


@pytest.mark.parametrize("title", MISTAKES)
def test_a_newcomer_is_told_what_is_wrong_where_and_what_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], title: str
) -> None:
    assert say(tmp_path, MISTAKES[title], capsys) == told()[title]


@pytest.mark.parametrize("title", MISTAKES)
def test_each_message_has_a_place_a_code_and_a_hint_on_one_line_each(title: str) -> None:
    *lines, _last = told()[title].splitlines()
    findings = [line for line in lines if not line.startswith("valid: ")]
    assert findings
    for what, hint in zip(findings[::2], findings[1::2], strict=True):
        assert re.fullmatch(r"(error|warning): [^ ]+: .+ \[[A-Z][A-Za-z0-9]+\]", what), what
        assert hint.startswith("hint: "), hint
        assert "hunter2" not in what + hint
        assert "pydantic" not in what + hint
        assert not re.search(r"\^|\\[dw]|\{\d", what + hint), "an expression is no help"


def test_no_words_are_left_of_a_mistake_that_is_no_more() -> None:
    assert told().keys() == MISTAKES.keys()


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({path: content.replace(b"\n", b"\r\n") for path, content in FILES.items()}, id="CRLF"),
        pytest.param(everywhere(N1, lambda content: b"\xef\xbb\xbf" + content), id="a byte order mark"),
        pytest.param(
            everywhere(
                NET,
                lambda _: (
                    b'{"apiVersion": "ringfence/v1alpha1", "kind": "Network", "metadata": '
                    b'{"name": "blue-net"}, "spec": {"zone": "east", "vlan": 200}}'
                ),
            ),
            id="JSON",
        ),
        pytest.param(everywhere(N1, lambda content: b"---\n" + content + b"...\n"), id="document marks"),
        pytest.param(everywhere(N1, lambda content: b"# a comment\n" + content + b"\n\n# another\n"), id="comments"),
        pytest.param(everywhere(N1, lambda content: content.rstrip(b"\n")), id="no newline at the end"),
    ],
)
def test_what_is_no_mistake_is_let_be(tmp_path: Path, capsys: pytest.CaptureFixture[str], files: Files) -> None:
    assert say(tmp_path, files, capsys) == "valid: 2 nodes, 1 enclaves\nexit 0"
