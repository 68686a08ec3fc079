"""The first enclave, all the way, with real parts: each step is read off the world, not off our own logs.

The tests are one story and run in their order; a step that fails fails those after it.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.lab import enter, layout, lifecycle, probe, tamper
from reconciler.lab.layout import StateDir

pytestmark = pytest.mark.lab

PROJECT = Path(__file__).parents[2]
BLUE = "tenants/blue/enclaves/blue.yaml"
SERVICE = "10.20.0.10"
MORE_POLICY = f"""\
  facts:
    - {{fact: exitBootServices, equals: true}}
  ima: # The kernel itself measured nothing but its boot aggregate; whatever else it measures is refused.
    digests: {{/never/measured: ["sha256:{"0" * 64}"]}}
"""
COMMAND = [sys.executable, "-m", "reconciler.cli.main"]
PARKED = 999
ENCLAVE = 200


@dataclass
class Story:
    """The lab, the state repository, and what earlier steps left behind."""

    state: StateDir
    repository: Path
    notes: dict[str, str] = field(default_factory=dict)

    def ringfence(self, *words: str, within_s: float = 60, is_inside: bool = False) -> subprocess.CompletedProcess[str]:
        command = enter.argv(self.state, [*COMMAND, *words]) if is_inside else [*COMMAND, *words]
        environment = {**os.environ, "RINGFENCE_SETTINGS": str(self.state.settings)}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=within_s, check=False, env=environment, cwd=PROJECT
        )

    def inside(self, word: str, *words: str, within_s: float = 60) -> subprocess.CompletedProcess[str]:
        return self.ringfence(word, "--repo", str(self.repository), *words, within_s=within_s, is_inside=True)

    def git(self, *words: str) -> str:
        who = {f"GIT_{role}_{what}": "operator" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            ["git", "-C", str(self.repository), *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env=environment,
        )
        return done.stdout.strip()

    def blob(self, name: str) -> bytes:
        command = ["git", "-C", str(self.repository), "cat-file", "blob", f"evidence:{name}"]
        return subprocess.run(command, capture_output=True, timeout=30, check=True).stdout

    def commit(self, message: str, *options: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message, *options)
        return self.git("rev-parse", "HEAD")

    def edit(self, old: str, new: str) -> None:
        path = self.repository / BLUE
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def tip(self) -> str:
        return self.git("rev-parse", "refs/heads/evidence")

    def vlan(self, node: int) -> int | None:
        return lifecycle.port_vlans(self.state)[f"swp{node}"]

    def is_on(self, node: int) -> bool:
        secret = json.loads(self.state.credentials.read_text())[f"bmc/n{node}"]
        login = ["-U", secret["user"], "-P", secret["password"]]
        words = ["ipmitool", "-C", "3", "-I", "lanplus", "-H", "127.0.0.1", "-p", str(9000 + node), *login]
        done = enter.call(self.state, [*words, "chassis", "power", "status"], timeout_s=20)
        assert done.returncode == 0, done.stderr
        return "is on" in done.stdout

    def reaches(self, node: int, address: str, port: int | None = None) -> bool:
        return probe.probe(self.state, f"n{node}", address, port=port)

    def records(self, node: str) -> list[str]:
        done = self.ringfence("explain", f"node/{node}", "--repo", str(self.repository), "-o", "json")
        assert done.returncode == 0, done.stderr
        return [record["event"] for record in json.loads(done.stdout)["records"]]


def eventually(holds: Callable[[], bool], *, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("first")
    state = layout.state_dir(folder / "lab")
    assert lifecycle.up(state, nodes=3)
    yield Story(state=state, repository=folder / "state")
    lifecycle.down(state)


def test_01_everything_starts_parked_and_off(story: Story) -> None:
    assert [story.vlan(node) for node in (1, 2, 3)] == [PARKED] * 3
    assert not any(story.is_on(node) for node in (1, 2, 3))


def test_02_a_repository_is_made_and_holds_the_inventory_as_signed_commits(story: Story) -> None:
    keys = story.state.root / "keys"
    signers = ("--signer", str(keys / "operator.pub"), "--evidence-signer", str(keys / "evidence.pub"))
    made = story.ringfence("init", str(story.repository), *signers)
    assert made.returncode == 0, made.stderr
    written = story.ringfence("lab", "inventory", "--repo", str(story.repository), "--state", str(story.state.root))
    assert written.returncode == 0, written.stderr
    signed = story.git("-c", "gpg.ssh.allowedSignersFile=trust/allowed_signers", "log", "--format=%G? %GS")
    assert set(signed.splitlines()) == {"G operator@lab"}


def test_03_an_image_is_built_and_declared(story: Story) -> None:
    der = subprocess.run(
        ["openssl", "x509", "-in", str(story.state.root / "tls/certificate.pem"), "-outform", "der"],
        capture_output=True,
        timeout=10,
        check=True,
    ).stdout
    pin = hashlib.sha256(der).hexdigest()
    workload = str(PROJECT / "examples/workload")
    built = story.ringfence(
        "image", "build", "--pin", pin, "--overlay", workload, "--out", str(story.state.images), "-o", "json",
        within_s=240,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    image = json.loads(built.stdout)
    assert image["size"] < 40_000_000
    assert hashlib.sha256(Path(image["path"]).read_bytes()).hexdigest() == image["digest"].removeprefix("sha256:")
    policy = story.repository / "policies/measured-boot.yaml"
    text = (
        policy.read_text()
        .rstrip()
        .replace("[0, 1, 2, 3, 4, 5, 7, 9, 11, 12]", "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]")
    )
    policy.write_text(f"{text}\n{MORE_POLICY}")
    declared = story.ringfence("image", "predict", image["path"])
    (story.repository / "images/worker.yaml").write_text(declared.stdout)
    subprocess.run(["cp", "-r", str(PROJECT / "examples/blue/tenants"), str(story.repository)], check=True, timeout=10)
    assert story.ringfence("validate", "--repo", str(story.repository)).returncode == 0
    story.notes["blue"] = story.commit("blue: two nodes")


def test_04_the_plan_says_the_same_in_every_form_and_touches_nothing(story: Story) -> None:
    text, markdown, document = (story.inside("plan", "-o", form) for form in ("text", "markdown", "json"))
    plan = json.loads(document.stdout)
    assert plan["commit"] == story.notes["blue"]
    identities = [action["id"] for action in plan["actions"]]
    shown = [line.split("`")[1] for line in markdown.stdout.splitlines() if line.startswith("| ") and "`" in line]
    assert sorted(shown) == sorted(identities)
    assert text.stdout.count("switch tor port swp1 → access VLAN") == 2
    assert f"{len(identities)} actions on 2 nodes" in text.stdout
    assert story.inside("plan", "--detailed-exitcode").returncode == 2
    assert [story.vlan(node) for node in (1, 2, 3)] == [PARKED] * 3


def test_05_two_nodes_join_and_nothing_reaches_anything_before_its_time(story: Story) -> None:
    command = enter.argv(story.state, [*COMMAND, "reconcile", "--repo", str(story.repository)])
    environment = {**os.environ, "RINGFENCE_SETTINGS": str(story.state.settings)}
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, env=environment, cwd=PROJECT) as running:
        try:
            assert eventually(lambda: (story.vlan(1), story.vlan(2)) == (101, 102), within_s=30)
            assert not story.reaches(1, SERVICE, 80)
            assert not story.reaches(2, SERVICE, 80)
            assert not probe.leaks(story.state, "n1", "n2")
            assert not probe.leaks(story.state, "n2", "n1")
            assert story.reaches(1, "10.77.1.1", 8443), "the airlock leads to its own attestation service"
            output, _ = running.communicate(timeout=300)
        finally:
            running.kill()
    assert running.returncode == 0, output
    assert [story.vlan(node) for node in (1, 2, 3)] == [ENCLAVE, ENCLAVE, PARKED]
    assert [story.is_on(node) for node in (1, 2, 3)] == [True, True, False]
    assert story.reaches(1, SERVICE, 80)
    assert story.reaches(2, SERVICE, 80)
    assert not story.reaches(3, SERVICE, 80)


def test_06_the_nodes_themselves_reach_the_enclaves_service(story: Story) -> None:
    results = [story.state.results / node for node in ("n1", "n2")]
    assert eventually(lambda: all(path.exists() for path in results), within_s=30)
    assert all(path.read_text() == "200\nblue service\n" for path in results)


def test_07_evidence_is_recorded_before_keys_and_admission(story: Story) -> None:
    for node in ("n1", "n2"):
        assert story.records(node)[:6] == ["assigned", "enrolled", "appraised", "released", "admitted", "confirmed"]


def test_07b_what_was_predicted_of_the_image_is_what_the_machines_tpms_hold(story: Story) -> None:
    image = next(story.state.images.glob("*.efi"))
    predicted = json.loads(story.ringfence("image", "predict", str(image), "-o", "json").stdout)["values"]
    assert set(predicted) == {"9", "11", "12"}
    names = story.git("ls-tree", "-r", "--name-only", "evidence", "blobs").splitlines()
    documents = [json.loads(blob) for blob in map(story.blob, names) if blob.startswith(b"{")]
    assert {document["node"] for document in documents if "session" in document} == {"n1", "n2"}
    quoted = [document for document in documents if all(name.isdigit() for name in document)]
    assert quoted
    for values in quoted:
        assert {pcr: values[pcr] for pcr in predicted} == predicted


def test_08_a_second_reconcile_plans_nothing_and_touches_nothing(story: Story) -> None:
    settled = story.inside("reconcile")
    assert settled.returncode == 0, settled.stderr
    before = (story.tip(), lifecycle.port_vlans(story.state))
    assert json.loads(story.inside("plan", "-o", "json").stdout)["actions"] == []
    assert story.inside("reconcile").returncode == 0
    assert (story.tip(), lifecycle.port_vlans(story.state)) == before


def test_08b_a_stricter_policy_says_beforehand_whom_it_would_reject(story: Story) -> None:
    unchanged = story.ringfence("policy", "check", "--repo", str(story.repository), "-o", "json")
    assert unchanged.returncode == 0, unchanged.stdout + unchanged.stderr
    assert {(row["node"], row["fate"]) for row in json.loads(unchanged.stdout)} == {("n1", "stays"), ("n2", "stays")}
    policy = story.repository / "policies/measured-boot.yaml"
    before = policy.read_text()
    policy.write_text(before.replace("  facts:\n", "  facts:\n    - {fact: secureBoot, equals: true}\n"))
    stricter = story.ringfence("policy", "check", "measured-boot", "--repo", str(story.repository))
    policy.write_text(before)
    assert stricter.returncode == 1, stricter.stderr
    assert "n1 (blue) rejected" in stricter.stdout
    assert "n2 (blue) rejected" in stricter.stdout
    assert "secureBoot" in stricter.stdout


def test_09_a_changed_image_ends_rejected_parked_and_without_a_key(story: Story) -> None:
    tamper.tamper_image(story.state, "n3")
    story.edit("count: 2", "count: 3")
    story.commit("blue: three nodes")
    done = story.inside("reconcile", within_s=300)
    assert done.returncode == 1, done.stdout + done.stderr
    assert story.vlan(3) == PARKED
    assert not story.is_on(3)
    assert "released" not in story.records("n3")
    assert story.records("n3")[-1] == "rejected"


def test_10_explain_names_the_pcr_the_event_and_both_digests(story: Story) -> None:
    image = (story.repository / "images/worker.yaml").read_text()
    text = story.ringfence("explain", "node/n3", "--repo", str(story.repository)).stdout
    found = json.loads(story.ringfence("explain", "node/n3", "--repo", str(story.repository), "-o", "json").stdout)
    reasons = [reason for reason in found["verdict"]["reasons"] if reason.get("pcr") == 4]
    assert reasons
    assert reasons[0]["expected"] in image
    assert reasons[0]["found"] not in image
    assert reasons[0]["event"] > 0
    for part in ("PCR 4", str(reasons[0]["event"]), reasons[0]["expected"], reasons[0]["found"]):
        assert part in text
    assert found["divergence"]["compared"]["node"] in {"n1", "n2"}
    assert found["divergence"]["first"]["found"]["digest"] != found["divergence"]["first"]["expected"]["digest"]
    assert "against a good boot" in text


def test_11_a_commit_that_removes_the_enclave_frees_its_nodes_and_rotates_its_keys(story: Story) -> None:
    store = story.state.root / "keystore" / "keys.age"
    before = store.read_bytes()
    story.git("rm", "-q", BLUE)
    story.notes["gone"] = story.commit("blue: gone")
    plan = json.loads(story.inside("plan", "-o", "json").stdout)
    places = {action["id"]: place for place, action in enumerate(plan["actions"])}
    assert places["power-off/n1"] < places["park/n1"] < places["return-to-pool/n1"]
    assert {"rotate-key/blue-disk", "rotate-key/blue-overlay"} <= places.keys()
    assert story.inside("reconcile").returncode == 0
    assert [story.vlan(node) for node in (1, 2, 3)] == [PARKED] * 3
    assert not any(story.is_on(node) for node in (1, 2, 3))
    assert store.read_bytes() != before
    assert story.records("n1")[-1] == "returned"


def test_12_an_unsigned_commit_changes_nothing_but_an_error_that_names_it(story: Story) -> None:
    before, vlans = story.tip(), lifecycle.port_vlans(story.state)
    story.git("revert", "--no-edit", "--no-gpg-sign", "HEAD")
    unsigned = story.git("rev-parse", "HEAD")
    done = story.inside("reconcile")
    assert done.returncode == 3
    assert unsigned[:12] in done.stdout + done.stderr
    assert lifecycle.port_vlans(story.state) == vlans
    written = story.git("diff", "--name-only", before, "evidence").splitlines()
    assert any(path.startswith("journal/") for path in written), "that it was refused is on record"
    assert not [path for path in written if path.startswith(("nodes/", "statements/", "rounds/", "trusted.json"))]
    story.git("reset", "-q", "--hard", story.notes["gone"])


def test_13_an_audit_of_a_fresh_clone_recomputes_every_verdict_offline(story: Story, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(story.repository), str(clone)], check=True, timeout=60)
    done = subprocess.run(
        ["unshare", "-Urn", *COMMAND, "audit", "--repo", str(clone), "-o", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if name != "RINGFENCE_SETTINGS"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["flaws"] == []
    assert found["verdicts"] >= 3
    assert found["nodes"] == {"n1": "FREE", "n2": "FREE", "n3": "REJECTED"}
    assert found["checked"]["entries"] >= 1, "the journal is there"


def test_13b_one_node_s_evidence_verifies_alone_and_a_changed_byte_in_it_is_found(story: Story, tmp_path: Path) -> None:
    def ringfence(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["unshare", "-Urn", *COMMAND, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=PROJECT)

    bundle = tmp_path / "n1.bundle"
    made = ringfence("evidence", "export", "node/n1", "--repo", str(story.repository), "--out", str(bundle))
    assert made.returncode == 0, made.stderr
    key = story.state.root / "keys" / "evidence.pub"
    told = subprocess.run(["ssh-keygen", "-lf", str(key)], capture_output=True, text=True, timeout=30, check=True)
    verified = ringfence("verify", str(bundle), "--signer", told.stdout.split()[1])
    assert verified.returncode == 0, verified.stdout + verified.stderr
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    assert ringfence("verify", str(bundle), "--signer", told.stdout.split()[1]).returncode in {2, 3}


def test_14_the_loop_reattests_members_parks_one_whose_pcr_changes_and_stops_cleanly(story: Story) -> None:
    story.git("revert", "--no-edit", "HEAD")
    story.edit("count: 3", "count: 2")
    story.edit("reattest: 30s", "reattest: 10s")
    story.commit("blue: again")
    run = [*COMMAND, "run", "--repo", str(story.repository)]
    command = [*COMMAND, "lab", "exec", "--state", str(story.state.root), "--", *run]
    log = story.state.root / "logs" / "run.log"
    with log.open("w") as output, subprocess.Popen(command, stdout=output, cwd=PROJECT) as loop:
        try:
            assert eventually(lambda: (story.vlan(1), story.vlan(2)) == (ENCLAVE, ENCLAVE), within_s=240)
            assert eventually(lambda: story.records("n2")[-3:] == ["appraised"] * 3, within_s=90), "three heartbeats"
            tamper.tamper_pcr(story.state, "n2", pcr=12)
            assert eventually(lambda: story.vlan(2) == PARKED, within_s=60)
            assert eventually(lambda: not story.is_on(2), within_s=30)
            assert eventually(lambda: story.records("n2")[-1] == "rejected", within_s=30)
            assert story.vlan(1) == ENCLAVE
            loop.send_signal(signal.SIGTERM)
            assert loop.wait(timeout=30) == 0
        finally:
            loop.kill()
    assert log.read_text().rstrip().endswith("stopped")
    assert not story.reaches(2, SERVICE, 80)
    assert story.reaches(1, SERVICE, 80)
