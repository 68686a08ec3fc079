"""Files, log, tree heads, sums and blobs: whatever is missing, too many or in the wrong place is found by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.errors.taxonomy import InputError
from reconciler.evidence.audit import Archive, Beginning, audit, read_records
from reconciler.evidence.audit.flaws import MOST, Findings, Severity
from reconciler.evidence.author import Author
from reconciler.evidence.canonical import canonical, canonical_value
from reconciler.evidence.envelope import seal
from reconciler.evidence.journal import Followed
from reconciler.evidence.journal_entries import journal_entries
from reconciler.evidence.lease import Lease, lease_bytes
from reconciler.evidence.note import Checkpoint, checkpoint_body, parse_checkpoint, parse_note, sign_note
from reconciler.evidence.overrides import overrides
from reconciler.evidence.yearly import Opening, opening_bytes
from reconciler.model.desired import DesiredState
from reconciler.model.recorded import RecordedObservation
from tests.support.branches import ORIGIN, MemoryBranch, SigningKey, archive_of, audited, branch_with, logged
from tests.support.runner import EVIDENCE_KEY
from tests.support.stages import BOOT_S, Stage, at_stage

STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
Trusted = dict[str, DesiredState]
Files = dict[str, bytes]
_MADE: list[tuple[Files, Trusted]] = []


@pytest.fixture
def made() -> tuple[Files, Trusted]:
    """Return the files of an honest branch with statements and a round, and the trusted history."""
    if not _MADE:
        runner = at_stage(Stage.MEMBER)
        runner.world.tick(BOOT_S)
        runner.run()
        entries = [entry for entries in runner.world.ledger.rounds for entry in entries]
        commit = next(iter(runner.world.trusted))
        _MADE.append((branch_with(entries, trusted=commit).contents, dict(runner.world.trusted)))
    files, trusted = _MADE[0]
    return dict(files), trusted


def flaws(files: Files, trusted: Trusted, **modes: str) -> list[tuple[str, str]]:
    """Return what is found on a branch of ``files``."""
    named = {path.replace("__", "/"): mode for path, mode in modes.items()}
    return [(flaw.path, flaw.code) for flaw in audited(MemoryBranch(contents=files, modes=named), trusted).flaws]


def note(size: int, root: bytes, *, origin: str = ORIGIN, key: Ed25519PrivateKey = EVIDENCE_KEY) -> bytes:
    body = checkpoint_body(Checkpoint(origin=origin, size=size, root=root))
    return sign_note(body, name=origin, public=SigningKey(key).public, sign=key.sign)


def latest(files: Files) -> Checkpoint:
    return parse_checkpoint(parse_note(files["checkpoints/latest"]).body)


def statements(files: Files) -> list[tuple[str, bytes]]:
    lines = files["log/000/000"].decode().splitlines()
    return [(path := line.split(" ")[1], files[path]) for line in lines]


def test_an_honest_branch_is_told_of_in_figures(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    told: list[tuple[int, int]] = []
    branch = MemoryBranch(contents=files)
    found = audit(
        branch,
        archive=archive_of(trusted, branch),
        trusted=next(iter(trusted)),
        progress=lambda done, total, _checked: told.append((done, total)),
    )
    assert found.flaws == []
    checked = found.checked
    assert (checked.lines, checked.statements, checked.rounds, checked.leaves) == (7, 6, 1, 1)
    assert (checked.files, checked.blobs, checked.checkpoints) == (len(files), sum("blobs/" in p for p in files), 2)
    assert told == [(number, 7) for number in range(1, 8)]
    assert (found.size, found.root, found.origin) == (7, latest(files).root, ORIGIN)
    assert (found.records, found.verdicts) == (7, 2)


def test_records_can_be_read_without_being_judged(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    branch = MemoryBranch(contents=files)
    assert [record.sequence for record in read_records(branch, archive=archive_of(trusted, branch))] == [*range(1, 8)]
    *_, (lost, _), (broken, _) = statements(files)
    files[broken] = b"{}"
    del files[lost]
    files |= logged([("trusted.json", b"{}"), *statements({**files, lost: b""})])
    files["journal/2026/03/1.dsse.json"] = b"{}"
    files |= logged([*statements({**files, lost: b""}), ("journal/2026/03/1.dsse.json", b"{}")])
    assert [record.sequence for record in read_records(branch, archive=archive_of(trusted, branch))] == [*range(1, 6)]


@pytest.mark.parametrize(
    "path",
    ["README.md", "statements/n1-1.dsse.json", "blobs/sha256/ab", "nodes/n1/head.txt", "log/0/0", "checkpoints/01"],
)
def test_a_file_in_no_place_is_found(made: tuple[Files, Trusted], path: str) -> None:
    files, trusted = made
    assert (path, "PlaceUnknown") in flaws({**files, path: b"x"}, trusted)


def test_a_file_that_is_no_plain_one_is_found(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    assert flaws(files, trusted, **{"trusted.json": "120000"}) == [("trusted.json", "ModeStray")]


def test_a_statement_that_is_not_on_the_log_is_found(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    stray = "statements/2026/03/03/12/n9-1.dsse.json"
    assert flaws({**files, stray: b"{}"}, trusted) == [(stray, "LogUnlisted")]
    records = "rounds/2026/03/03/12/0000-000000.records"
    assert flaws({**files, records: b"{}"}, trusted) == [(records, "LogUnlisted")]


def test_a_line_whose_statement_is_gone_is_found(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    path = statements(files)[2][0]
    del files[path]
    assert (path, "LogMissing") in flaws(files, trusted)


def test_a_statement_that_is_on_the_log_twice_is_found(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    listed = statements(files)
    files |= logged([*listed, listed[1]])
    assert (listed[1][0], "LogDuplicate") in flaws(files, trusted)


def test_a_line_with_the_hash_of_other_bytes_is_found(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    listed = statements(files)
    files |= logged([(listed[0][0], b"other bytes"), *listed[1:]])
    assert flaws(files, trusted)[0] == (listed[0][0], "LogDiffers")


@pytest.mark.parametrize("line", [b"not a line", b"0" * 64 + b" ", b"\xff" * 64 + b" x", b"0" * 63 + b" trusted.json"])
def test_a_line_that_is_none_is_found(made: tuple[Files, Trusted], line: bytes) -> None:
    files, trusted = made
    files["log/000/000"] += line + b"\n"
    assert {("log/000/000", "LogMalformed"), ("checkpoints/latest", "CheckpointBehind")} <= set(flaws(files, trusted))


def test_a_line_that_names_no_statement_is_found(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    files |= logged([*statements(files), ("trusted.json", b"{}"), ("anything", b"{}")])
    assert [code for path, code in flaws(files, trusted) if path == "log/000/000"] == ["LogMalformed"] * 2


@pytest.mark.parametrize("content", [b"", b"no end", b"x\n" * 257])
def test_a_file_of_the_log_of_another_form_is_found(made: tuple[Files, Trusted], content: bytes) -> None:
    files, trusted = made
    assert ("log/000/000", "LogMalformed") in flaws({**files, "log/000/000": content}, trusted)


def test_a_log_with_a_gap_is_found(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    assert ("log/000/000", "LogMalformed") in flaws({**files, "log/000/001": files["log/000/000"]}, trusted)
    assert ("log/000/002", "LogMalformed") in flaws({**files, "log/000/002": files["log/000/000"]}, trusted)


def _drop(path: str) -> Callable[[Files], None]:
    return lambda files: files.pop(path)  # type: ignore[return-value]


def _put(path: str, content: Callable[[Files], bytes]) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        files[path] = content(files)

    return change


LATEST, KEPT, FRONTIER = "checkpoints/latest", "checkpoints/7", "log/frontier.json"


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        (_drop(LATEST), LATEST, "CheckpointMissing"),
        (_drop(FRONTIER), FRONTIER, "FrontierDiffers"),
        (_put(FRONTIER, lambda _: b"{}"), FRONTIER, "FrontierMalformed"),
        (_put(FRONTIER, lambda _: canonical({"size": 0, "hashes": []})), FRONTIER, "FrontierDiffers"),
        (_put(LATEST, lambda _: b"nothing"), LATEST, "CheckpointMalformed"),
        (_put("checkpoints/3", lambda f: f[LATEST]), "checkpoints/3", "CheckpointMoved"),
        (_put(LATEST, lambda f: note(7, latest(f).root, key=STRANGER)), LATEST, "CheckpointUntrusted"),
        (_put(LATEST, lambda f: f[LATEST].replace(b"\n7\n", b"\n6\n")), LATEST, "CheckpointForged"),
        (_put(LATEST, lambda f: note(7, latest(f).root, origin="another")), KEPT, "OriginDiffers"),
        (_put(LATEST, lambda _: note(7, b"\1" * 32)), LATEST, "CheckpointDiffers"),
        (_put("checkpoints/2", lambda _: note(2, b"\1" * 32)), "checkpoints/2", "CheckpointDiffers"),
        (_put("checkpoints/9", lambda _: note(9, b"\1" * 32)), "checkpoints/9", "CheckpointAhead"),
        (_put(LATEST, lambda f: note(6, latest_of(f, 6))), LATEST, "CheckpointBehind"),
    ],
)
def test_a_tree_head_that_is_not_the_logs_is_found(
    made: tuple[Files, Trusted], change: Callable[[Files], None], path: str, code: str
) -> None:
    files, trusted = made
    change(files)
    assert (path, code) in flaws(files, trusted)


def latest_of(files: Files, size: int) -> bytes:
    return latest(logged(statements(files)[:size])).root


@pytest.mark.parametrize(
    ("size", "root", "origin", "codes"),
    [
        (7, None, ORIGIN, []),
        (3, None, ORIGIN, []),
        (0, None, ORIGIN, ["HeadForked"]),
        (3, b"\1" * 32, ORIGIN, ["HeadForked"]),
        (8, b"\1" * 32, ORIGIN, ["HeadRewound"]),
        (7, None, "another", ["OriginDiffers"]),
    ],
)
def test_the_log_leads_on_from_heads_that_somebody_kept(
    made: tuple[Files, Trusted], size: int, root: bytes | None, origin: str, codes: list[str]
) -> None:
    files, trusted = made
    branch = MemoryBranch(contents=files)
    head = Checkpoint(origin=origin, size=size, root=root or (latest_of(files, size) if size else b"\1" * 32))
    found = audit(branch, archive=archive_of(trusted, branch), trusted="", heads=[head])
    assert [flaw.code for flaw in found.flaws] == codes


def test_a_branch_without_a_head_is_held_against_kept_ones() -> None:
    branch = MemoryBranch(contents={})
    head = Checkpoint(origin=ORIGIN, size=4, root=b"\1" * 32)
    found = audit(branch, archive=archive_of({}, branch), trusted="", heads=[head])
    assert [flaw.code for flaw in found.flaws] == ["HeadRewound"]


def test_an_empty_tree_head_of_an_empty_log_holds() -> None:
    branch = MemoryBranch(contents={})
    found = audit(branch, archive=archive_of({}, branch), trusted="")
    empty = Checkpoint(origin=ORIGIN, size=0, root=found.root)
    assert audit(branch, archive=archive_of({}, branch), trusted="", heads=[empty]).flaws == []


OBSERVED = RecordedObservation.model_validate_json(
    b'{"commit":"' + b"a" * 40 + b'","observedAt":"2026-03-03T12:00:00Z","fingerprint":"' + b"0" * 64 + b'",'
    b'"power":{},"ports":{},"assignments":{},"keyVersions":{}}'
)


@pytest.mark.parametrize(
    ("path", "content", "code"),
    [
        ("nodes/n1/head.json", b"{}", "HeadMalformed"),
        ("trusted.json", b"{}", "TrustedMalformed"),
        ("trusted.json", b"[", "TrustedMalformed"),
        ("trusted.json", canonical({"commit": 7}), "TrustedMalformed"),
        ("trusted.json", canonical({"commit": "f" * 40}) + b" ", "TrustedMalformed"),
        ("trusted.json", canonical({"commit": "f" * 40}), "CommitStray"),
        ("observation.json", b"{}", "ObservationMalformed"),
        ("observation.json", canonical_value(OBSERVED) + b" ", "ObservationMalformed"),
        ("observation.json", canonical_value(OBSERVED), "CommitStray"),
    ],
)
def test_a_sum_that_is_none_is_found(made: tuple[Files, Trusted], path: str, content: bytes, code: str) -> None:
    files, trusted = made
    assert flaws({**files, path: content}, trusted) == [(path, code)]


def test_heads_that_are_missing_old_or_nobodys_are_found(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    head = files.pop("nodes/n1/head.json")
    assert flaws(files, trusted) == [("nodes/n1/head.json", "HeadMismatch")]
    assert flaws({**files, "nodes/n1/head.json": head, "nodes/n9/head.json": head}, trusted) == [
        ("nodes/n9/head.json", "HeadMismatch")
    ]
    older = head.replace(b'"sequence":7', b'"sequence":6')
    found = audited(MemoryBranch(contents={**files, "nodes/n1/head.json": older}), trusted)
    assert found.flaws[0].message == "it tells of record 6, the newest is 7"


def test_blobs_that_nothing_names_or_whose_name_is_anothers_are_found(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    stray = "blobs/sha256/" + "2c/f24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert flaws({**files, stray: b"hello"}, trusted) == [(stray, "BlobStray")]
    assert flaws({**files, stray: b"other"}, trusted) == [(stray, "BlobAltered")]
    named = next(path for path in files if path.startswith("blobs/"))
    assert (named, "BlobAltered") in flaws({**files, named: b"other"}, trusted)


ENTRY = "journal/2026/03/1.dsse.json"


def test_the_journal_is_looked_at_with_the_rest(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    listed = statements(files)
    for payload, key, code in (
        (b'{"predicate":{}}', EVIDENCE_KEY, "JournalMalformed"),
        (b'{"predicate":{}}', STRANGER, "JournalMalformed"),
    ):
        entry = seal(payload, sign=key.sign, key_id="evidence")
        files |= {ENTRY: entry, **logged([*listed, (ENTRY, entry)]), "journal/head.json": b"head"}
        assert flaws(files, trusted) == [(ENTRY, code), ("journal/head.json", "HeadMismatch")]


def test_journal_entries_hold_where_the_second_commit_leads_on_from_the_first(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    (first,) = trusted.values()
    second = replace(first, commit="b" * 40, tree="c" * 40)
    head, entries = None, []
    for before, after in ((None, first), (first, second)):
        followed = Followed(
            commit=after.commit,
            tree=after.tree,
            before=before.commit if before else None,
            is_compared=before is not None,
            overrides=overrides(before, after),
        )
        author = Author(sign=EVIDENCE_KEY.sign, key_id="evidence", commit=after.commit, tree=after.tree)
        more, head = journal_entries(head, [followed], author=author, at=datetime(2026, 3, 3, 13, tzinfo=UTC))
        entries += more
    listed = [*statements(files), *((entry.path, entry.envelope) for entry in entries)]
    files |= {**dict(listed), **logged(listed), **entries[-1].sums}
    one, other = {first.commit: first}, {second.commit: second}
    assert flaws(files, one | other) == []
    found = flaws(files, other | one)
    assert [code for path, code in found if path == entries[-1].path] == ["JournalStray"]
    later = [*statements(files)[: -len(entries)], (entries[1].path, entries[1].envelope)]
    for path in (entries[0].path, "checkpoints/9"):
        del files[path]
    branch = MemoryBranch(contents=files | logged(later))
    begun = Beginning(journal=entries[0].sums["journal/head.json"])
    assert audit(branch, archive=archive_of(one | other, branch), trusted="", beginning=begun).flaws == []


def test_a_state_that_cannot_be_read_any_more_is_told(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    branch = MemoryBranch(contents=files)
    honest = archive_of(trusted, branch)

    def unreadable(commit: str) -> DesiredState:
        raise InputError(commit[:12], "cannot be read", reason="BadDocument")

    archive = Archive(desired=unreadable, keys=honest.keys, blob=honest.blob, commits=honest.commits)
    found = audit(branch, archive=archive, trusted="")
    assert {flaw.code for flaw in found.flaws} >= {"CommitUnreadable"}
    assert found.flaws[-1].severity is Severity.DOUBTFUL
    nowhere = Archive(desired=unreadable, keys=honest.keys, blob=honest.blob, commits=lambda _commit: None)
    assert "CommitStray" in {flaw.code for flaw in audit(branch, archive=nowhere, trusted="").flaws}


def test_flaws_beyond_many_are_counted() -> None:
    found = Findings()
    for number in range(MOST + 5):
        found.add(f"{number}", "RulesDiffer" if number % 2 else "ChainBroken", "")
    found.sort()
    assert (len(found.flaws), found.omitted) == (MOST, 5)
    assert [flaw.severity for flaw in found.flaws] == [Severity.BROKEN] * (MOST // 2) + [Severity.FORBIDDEN] * (
        MOST // 2
    )


def test_a_lease_on_the_branch_is_one(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    now = datetime(2026, 3, 3, 13, tzinfo=UTC)
    lease = lease_bytes(Lease(writer="a", epoch=1, since=now, until=now))
    assert flaws({**files, "writer.json": lease}, trusted) == []
    assert [path for path, _ in flaws({**files, "writer.json": lease + b" "}, trusted)] == ["writer.json"]


def test_a_lease_and_the_ends_of_a_year_are_looked_at(made: tuple[Files, Trusted]) -> None:
    files, trusted = made
    now = datetime(2026, 3, 1, tzinfo=UTC)
    lease = lease_bytes(Lease(writer="a-1", epoch=1, since=now, until=now))
    head = files["checkpoints/latest"]
    opening = opening_bytes(Opening(year=2026, closes=2025, closing="a" * 40, checkpoint=head.decode()))
    rightful = {"writer.json": lease, "opening.json": opening, "checkpoints/closing": head}
    assert flaws(files | rightful, trusted) == flaws(files, trusted)
    wrong = {"writer.json": lease + b" ", "opening.json": opening + b" ", "checkpoints/closing": head + b" "}
    codes = {("writer.json", "LeaseMalformed"), ("opening.json", "OpeningMalformed")}
    assert {*codes, ("checkpoints/closing", "ClosingDiffers")} <= set(flaws(files | wrong, trusted))
