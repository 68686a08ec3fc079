"""Bundles from a real repository: made from a clone, and verified where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from reconciler.cli.bundle import verify
from reconciler.cli.evidence_commands import app as evidence
from reconciler.evidence.note import cosign, note_bytes, parse_note
from tests.support.bundles import pack, readable, unpack
from tests.support.estate import EVIDENCE, Estate, estate
from tests.support.sites import EnclaveShape, site
from tests.support.softtpm import NOW
from tests.support.told import Told, told
from tests.support.world_agent import Malice

VERIFY = typer.Typer()
VERIFY.command()(verify)


def grown(folder: Path) -> Estate:
    """Return a repository with two enclaves, a node that was rejected, and a second commit."""
    blue, green = (EnclaveShape(name=name, count=1) for name in ("blue", "green"))
    found = estate(folder, desired=site(nodes=4, enclaves=[blue, green]))
    found.world.machines["n4"].malice = Malice.TAMPERED
    found.settle(rounds=16)
    found.become("main", site(nodes=4, revision=1, enclaves=[EnclaveShape(name="blue", count=3)]))
    found.settle(rounds=16)
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return grown(tmp_path_factory.mktemp("estate"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder in which nothing of the repository lies."""
    return tmp_path


def export(made: Estate, subject: str, out: Path, *words: str) -> Told:
    return told(evidence, "export", subject, "--out", out, "--repo", made.repo.path, *words)


def fingerprint(made: Estate) -> str:
    """Return the key of the operator who signed every commit."""
    from reconciler.repo.signers import parse_allowed_signers

    signers, _ = parse_allowed_signers(made.repo.allowed("alice"), path="")
    return signers.signers[0].fingerprint


@pytest.mark.parametrize("subject", ["node/n1", "node/n4", "enclave/blue", "enclave/green"])
def test_a_bundle_is_proven_by_the_operator_who_signed_the_commits(made: Estate, folder: Path, subject: str) -> None:
    assert export(made, subject, folder / "b").code == 0
    found = told(VERIFY, folder / "b", "--signer", fingerprint(made), "-o", "json")
    document = found.document
    assert (found.code, document["result"], document["subject"]) == (0, "proven", subject)
    verdicts = document["verdicts"]
    assert verdicts["rulesShown"] == verdicts["accepted"] + verdicts["rejected"] > 0
    assert all(commit["vouched"] for commit in document["commits"])


def test_a_bundle_without_commits_is_proven_by_the_evidence_key_and_names_nobody(made: Estate, folder: Path) -> None:
    assert export(made, "enclave/green", folder / "b", "--without-commits").code == 0
    assert told(VERIFY, folder / "b", "--signer", fingerprint(made)).code == 1
    keys = folder / "keys"
    keys.write_text(made.key.signer(EVIDENCE).line + "\n")
    found = told(VERIFY, folder / "b", "--signers", keys)
    assert (found.code, "everything holds" in found.out) == (0, True)
    shown = readable((folder / "b").read_bytes())
    assert not [word for word in (b"blue", b"acme", b"operator@", b"alice") if word in shown]


def test_the_bundle_of_an_enclave_shows_nothing_of_another_one(made: Estate, folder: Path) -> None:
    for subject, other in (("enclave/green", b"blue"), ("enclave/blue", b"green")):
        out = folder / other.decode()
        assert export(made, subject, out).code == 0
        assert other not in readable(out.read_bytes())


def test_an_enclave_of_the_same_name_by_another_tenant_is_not_shown(tmp_path: Path) -> None:
    own = grown(tmp_path)
    main = own.git.head("main") or ""
    entries = own.git.files(main, under="tenants/acme/")
    contents = own.git.objects(entry.object_id for entry in entries)
    theirs = {e.path.replace(b"acme", b"evil"): contents[e.object_id].replace(b"acme", b"evil") for e in entries}
    own.commit("main", dict.fromkeys(entry.path for entry in entries))
    own.settle(rounds=12)
    own.commit("main", theirs)
    own.settle(rounds=24)
    assert "several tenants had" in export(own, "enclave/blue", tmp_path / "b").err
    stays = {}
    for name in ("acme", "evil"):
        assert export(own, "enclave/blue", tmp_path / name, "--tenant", name).code == 0
        assert told(VERIFY, tmp_path / name, "--signer", fingerprint(own)).code == 0
        stays[name] = {
            (run["node"], run["first"]) for run in told(VERIFY, tmp_path / name, "-o", "json").document["runs"]
        }
    assert not stays["acme"] & stays["evil"]
    assert export(own, "enclave/blue", tmp_path / "c", "--tenant", "nobody").code == 2


def test_the_same_evidence_gives_the_same_bytes(made: Estate, folder: Path) -> None:
    for name in ("a", "b"):
        assert export(made, "node/n1", folder / name).code == 0
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_a_span_of_time_shows_less(made: Estate, folder: Path) -> None:
    assert export(made, "node/n1", folder / "all").code == 0
    assert export(made, "node/n1", folder / "some", "--until", "2026-03-03T12:01:00").code == 0
    assert export(made, "node/n1", folder / "rest", "--from", "2026-03-03T12:02:00Z").code == 0
    few, many = ((folder / name).stat().st_size for name in ("some", "all"))
    assert few < many
    for name in ("some", "rest"):
        assert told(VERIFY, folder / name, "--signer", fingerprint(made)).code == 0


def test_nobody_vouches_without_a_key(made: Estate, folder: Path) -> None:
    export(made, "node/n1", folder / "b")
    found = told(VERIFY, folder / "b")
    assert found.code == 1
    assert f"consistent, but nobody vouches for signer {made.key.key_id}" in found.out
    assert "not shown by any bundle:" in found.out


def test_an_altered_bundle_is_named_as_such(made: Estate, folder: Path) -> None:
    export(made, "node/n1", folder / "b")
    data = (folder / "b").read_bytes()
    (folder / "b").write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    found = told(VERIFY, folder / "b", "--signer", fingerprint(made))
    assert (found.code, found.err.startswith("error: bundle: ")) == (3, True)
    (folder / "b").write_bytes(pack("node/n1", unpack(data) | {"more": b""}))
    found = told(VERIFY, folder / "b", "--signer", fingerprint(made))
    assert found.code == 3
    assert "flaw: more: " in found.out
    assert "1 flaws: do not rely on it" in found.out
    assert told(VERIFY, folder / "b", "-o", "json").document["result"] == "broken"


def test_commits_that_are_forged_do_not_vouch(made: Estate, folder: Path) -> None:
    export(made, "node/n1", folder / "b")
    parts = unpack((folder / "b").read_bytes())
    left = {name: data for name, data in parts.items() if not name.startswith(("commits/", "trees/", "files/"))}
    (folder / "b").write_bytes(pack("node/n1", left))
    found = told(VERIFY, folder / "b", "--signer", fingerprint(made))
    assert found.code == 1
    assert "is named, and not in the bundle" in found.out
    assert "are the word of the evidence signer" in found.out


def test_what_a_node_did_is_told_in_lines(made: Estate, folder: Path) -> None:
    export(made, "node/n1", folder / "b")
    out = told(VERIFY, folder / "b").out
    for word in ("assigned to ", "evidence accepted", "keys common v1", "admitted", "proved itself again, "):
        assert word in out
    export(made, "node/n4", folder / "c")
    assert "rejected: " in told(VERIFY, folder / "c").out


def test_a_witness_of_it_all_is_asked_for(made: Estate, folder: Path) -> None:
    own = made.copy(folder / "copy")
    size = int(own.git.run("show", "evidence:checkpoints/latest").split(b"\n")[1])
    note = parse_note(own.git.run("show", "evidence:checkpoints/latest"))
    key = own.key
    signed = note_bytes(cosign(note, name="tower", public=key.public, sign=key.sign, at=NOW))
    own.repo.point("witness/tower", own.repo.commit({f"checkpoints/{size}": signed, "junk": b""}, signer=None))
    own.repo.point("witness/bad", own.repo.commit({"checkpoints/1": b"junk"}, signer=None))
    own.repo.point("witness/none", own.repo.commit({"readme": b""}, signer=None))
    (folder / "tower.pub").write_text(" ".join(key.signer("tower").line.split()[2:]) + "\n")
    assert export(own, "node/n1", folder / "b").code == 0
    words = ("--signer", fingerprint(made), "--witness", f"tower={folder / 'tower.pub'}")
    found = told(VERIFY, folder / "b", *words)
    assert (found.code, "witness tower: the first " in found.out) == (0, True)
    assert "not checked" in told(VERIFY, folder / "b", "--signer", fingerprint(made)).out
    export(made, "node/n1", folder / "c")
    assert "witness tower co-signed nothing in it" in told(VERIFY, folder / "c", *words).out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("node/n9",), "there is nothing on record of it"),
        (("tenant/acme",), "there is no evidence of such a thing"),
        (("node/n1", "--from", "yesterday"), "is no time"),
        (("node/n1", "--from", "2027-01-01"), "there is nothing on record of it"),
    ],
)
def test_what_cannot_be_exported_is_said(made: Estate, folder: Path, words: tuple[str, ...], reason: str) -> None:
    found = export(made, words[0], folder / "b", *words[1:])
    assert (found.code, reason in found.err, (folder / "b").exists()) == (2, True, False)


def test_a_file_that_is_there_is_not_written_over(made: Estate, folder: Path) -> None:
    (folder / "b").write_text("mine")
    assert export(made, "node/n1", folder / "b").code == 2
    assert (folder / "b").read_text() == "mine"


def test_options_that_make_no_sense_are_refused(made: Estate, folder: Path) -> None:
    export(made, "node/n1", folder / "b")
    (folder / "empty").write_text("")
    (folder / "junk").write_text("junk\n")
    for words in (
        ("--signer", "SHA256:short"),
        ("--signers", str(folder / "empty")),
        ("--signers", str(folder / "junk")),
        ("--signers", str(folder / "missing")),
        ("--witness", "tower"),
        ("--witness", f"Tower={folder / 'junk'}"),
        ("--witness", f"tower={folder / 'junk'}"),
    ):
        assert told(VERIFY, folder / "b", *words).code == 2, words
    assert told(VERIFY, folder / "nothing").code == 2


def test_a_clone_without_evidence_has_nothing_to_export_or_weigh(tmp_path: Path) -> None:
    own = estate(tmp_path, desired=site(nodes=1))
    assert "no evidence branch" in export(own, "node/n1", tmp_path / "b").err
    assert "no evidence branch" in told(evidence, "stats", "--repo", own.repo.path).err


def test_sizes_are_told_by_kind_node_and_day(made: Estate) -> None:
    found = told(evidence, "stats", "--repo", made.repo.path, "-o", "json").document
    files = made.git.files(made.git.head("evidence") or "")
    assert (found["files"], found["bytes"]) == (len(files), sum(entry.size for entry in files))
    kinds = {kind for kind in found["kinds"] if kind.startswith("blobs: ")}
    named = {"certificates", "enrolments", "event logs", "PCR values", "policies", "rules"}
    assert kinds == {f"blobs: {kind}" for kind in named}
    lines = made.git.run("grep", "-h", "-c", "node", "evidence", "--", "rounds/**/*.records").split()
    assert found["records"]["leaves"] == sum(map(int, lines))
    assert set(found["nodes"]) == {"n1", "n2", "n3", "n4"}
    assert found["disk"]["history"] is None
    text = told(evidence, "stats", "--repo", made.repo.path, "--history").out
    assert "with all history" in text
    assert "a year" in text
