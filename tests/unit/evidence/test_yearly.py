"""Years: a year begins with what the one before ended with, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.merkle import leaf_hash
from reconciler.evidence.note import Checkpoint, checkpoint_body, sign_note
from reconciler.evidence.yearly import (
    CLOSING,
    OPENING,
    Opening,
    check_opening,
    is_kept,
    opening_bytes,
    year_origin,
)
from tests.support.runner import EVIDENCE_KEY

NOTE = sign_note(
    checkpoint_body(Checkpoint(origin="site/evidence", size=1, root=leaf_hash(b"x"))),
    name="site/evidence",
    public=EVIDENCE_KEY.public_key().public_bytes_raw(),
    sign=EVIDENCE_KEY.sign,
)
PARENT = "a" * 40
GOOD = Opening(year=2027, closes=2026, closing=PARENT, checkpoint=NOTE.decode())
Files = dict[str, tuple[str, bytes]]

CLOSED: Files = {
    "nodes/n1/head.json": ("1", b"head"),
    "journal/head.json": ("2", b"journal"),
    "journal/2026/01/1.dsse.json": ("3", b"entry"),
    "trusted.json": ("4", b"trusted"),
    "statements/2026/01/02/03/n1-1.dsse.json": ("5", b"statement"),
    "blobs/sha256/ab/cd": ("6", b"blob"),
    "checkpoints/latest": ("7", NOTE),
    CLOSING: ("7", NOTE),
}
OPENED: Files = {
    OPENING: ("9", opening_bytes(GOOD)),
    **{
        path: CLOSED[path] for path in ("nodes/n1/head.json", "journal/head.json", "trusted.json", "blobs/sha256/ab/cd")
    },
}


def check(closed: Files = CLOSED, opened: Files = OPENED, *, parent: str | None = PARENT) -> Opening:
    def read(files: Files) -> Callable[[str], bytes | None]:
        return lambda path: files[path][1] if path in files else None

    return check_opening(
        parent,
        closed={path: object_id for path, (object_id, _) in closed.items()},
        opened={path: object_id for path, (object_id, _) in opened.items()},
        read_closed=read(closed),
        read_opened=read(opened),
    )


def test_a_rightful_opening_is_returned() -> None:
    assert check() == GOOD


def test_the_first_log_has_no_year_in_its_name_and_later_ones_do() -> None:
    assert year_origin("site/evidence", year=None) == "site/evidence"
    assert year_origin("site/evidence", year=2027) == "site/evidence/2027"
    assert is_kept("nodes/n1/head.json")
    assert not is_kept("nodes/n1/other")


def without(files: Files, path: str) -> Files:
    return {name: value for name, value in files.items() if name != path}


def opening(**changes: object) -> Files:
    return OPENED | {OPENING: ("9", opening_bytes(GOOD.model_copy(update=changes)))}


OTHER_NOTE = NOTE.replace(b"evidence\n1\n", b"evidence\n2\n")
EARLIER = {OPENING: ("8", opening_bytes(GOOD.model_copy(update={"year": 2025})))}


@pytest.mark.parametrize(
    ("closed", "opened", "reason"),
    [
        pytest.param(CLOSED, without(OPENED, OPENING), "OpeningMalformed", id="no opening"),
        pytest.param(CLOSED, OPENED | {OPENING: ("9", b"{}")}, "OpeningMalformed", id="not what we write"),
        pytest.param(CLOSED, OPENED | {OPENING: ("9", OPENED[OPENING][1] + b" ")}, "OpeningMalformed", id="a blank"),
        pytest.param(CLOSED, opening(checkpoint="x"), "NoteMalformed", id="no tree head"),
        pytest.param(CLOSED, opening(closing="b" * 40), "OpeningStray", id="another parent"),
        pytest.param(CLOSED, opening(checkpoint=OTHER_NOTE.decode()), "OpeningMismatch", id="another tree head"),
        pytest.param(without(CLOSED, CLOSING), OPENED, "OpeningMismatch", id="never closed"),
        pytest.param(
            CLOSED | {"checkpoints/latest": ("77", OTHER_NOTE)}, OPENED, "OpeningMismatch", id="closed too early"
        ),
        pytest.param(CLOSED | EARLIER, OPENED, "OpeningMismatch", id="another year was closed"),
        pytest.param(CLOSED, opening(closes=2027), "OpeningMismatch", id="the same year again"),
        pytest.param(CLOSED, OPENED | {"nodes/n1/head.json": ("11", b"x")}, "OpeningMismatch", id="another head"),
        pytest.param(CLOSED, OPENED | {"nodes/n2/head.json": ("1", b"head")}, "OpeningMismatch", id="a new head"),
        pytest.param(CLOSED, OPENED | {"blobs/sha256/ab/ce": ("12", b"x")}, "OpeningMismatch", id="a new blob"),
        pytest.param(
            CLOSED, OPENED | {CLOSING: CLOSED[CLOSING]}, "OpeningMismatch", id="something that belongs to the old year"
        ),
        pytest.param(CLOSED, without(OPENED, "nodes/n1/head.json"), "OpeningMismatch", id="a head left out"),
        pytest.param(CLOSED, without(OPENED, "trusted.json"), "OpeningMismatch", id="what was trusted left out"),
    ],
)
def test_any_other_opening_is_refused(closed: Files, opened: Files, reason: str) -> None:
    with pytest.raises(TrustError) as caught:
        check(closed, opened)
    assert caught.value.reason == reason


def test_a_later_year_may_follow_a_year() -> None:
    earlier = {OPENING: ("8", opening_bytes(GOOD.model_copy(update={"year": 2026})))}
    assert check(CLOSED | earlier).year == 2027
