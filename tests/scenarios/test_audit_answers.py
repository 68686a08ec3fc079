"""What an auditor is told of one eventful site: as tables, as JSON, and as a report, word for word.

The answers stand in the folder ``audit``, to be read as an auditor would. Run with ``RINGFENCE_REWRITE=1`` to write
them anew, and read what changed. What differs from run to run (two digests over signatures) is blanked out.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from reconciler.cli.audit_answers import Question, document, parse_question
from reconciler.cli.audit_page.cover import CommitFacts, Cover, TreeHead, WitnessHead
from reconciler.cli.audit_page.page import page
from reconciler.cli.audit_tables import text
from reconciler.evidence.audit import Flaw
from reconciler.evidence.history.journal import entries_in
from tests.support.chronicles import eventful_world, history_of, look_in, records_in
from tests.support.worded_journal import journal
from tests.support.world import World

TOLD = Path(__file__).parent / "audit"
MOMENT = "2026-03-03T12:02:30Z"
_BLANK = re.compile(r'("(?:verdictDigest|enrolment)": "sha256:)[0-9a-f]{64}')


def asked(
    *,
    at: str | None = None,
    between: tuple[str, str] | None = None,
    node: str | None = None,
    enclave: str | None = None,
) -> Question:
    question = parse_question(at=at, between=between, node=node, enclave=enclave, is_wanted=True)
    assert question is not None
    return question


@cache
def world() -> World:
    return eventful_world()


def as_text(question: Question) -> str:
    history = history_of(*records_in(world()), scope=question.scope)
    return (
        text(history, question, look=look_in(world()).read, journal=entries_in(journal(), scope=question.scope)) + "\n"
    )


def as_json(question: Question) -> str:
    history = history_of(*records_in(world()), scope=question.scope)
    told = json.dumps(
        document(history, question, look=look_in(world()).read, journal=entries_in(journal(), scope=question.scope)),
        indent=1,
    )
    return _BLANK.sub(rf"\g<1>{'0' * 64}", told) + "\n"


def cover(*, flaws: tuple[Flaw, ...] = ()) -> Cover:
    commits = list(world().trusted)
    made_at = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    return Cover(
        repository="ringfence",
        root=commits[0],
        trusted=commits[-1],
        evidence="e" * 40,
        audited_at=datetime(2031, 7, 1, 8, 0, tzinfo=UTC),
        version="0.1.0",
        records=len(records_in(world())),
        verdicts=sum(record.verdict is not None for record in records_in(world())),
        flaws=flaws,
        remarks=("the evidence was last written 5 years ago",),
        tree_head=TreeHead(origin="ringfence/evidence", size=31, root="ab" * 32, signers=("ringfence/evidence",)),
        witnesses=(WitnessHead(witness="university", size=31, at=made_at),),
        commits={
            commit: CommitFacts(
                made_at=made_at, signer="operator@example.org (SHA256:abc)", author="Ada <ada@example.org>", title=title
            )
            for commit, title in zip(commits, ("blue and green", "blue is done"), strict=True)
        },
    )


def as_html(question: Question, *, flaws: tuple[Flaw, ...] = ()) -> str:
    history = history_of(*records_in(world()), scope=question.scope)
    return page(
        cover(flaws=flaws),
        history,
        question,
        look=look_in(world()).read,
        journal=entries_in(journal(), scope=question.scope),
    ).decode()


FLAWS = (
    Flaw(path="statements/2026/03/03/12/n1-3.dsse.json", code="VerdictDiffers", message="its verdict is another one"),
)
ANSWERS: Mapping[str, Callable[[], str]] = {
    "at.txt": lambda: as_text(asked(at=MOMENT)),
    "at.json": lambda: as_json(asked(at=MOMENT, node="n1")),
    "between.txt": lambda: as_text(asked(between=("2026-03-03", "2026-03-03"))),
    "between.json": lambda: as_json(asked(between=("2026-03-03 12:00", "2026-03-03 12:30"), node="n2")),
    "report.html": lambda: as_html(asked()),
    "report-flawed.html": lambda: as_html(asked(at=MOMENT, enclave="blue"), flaws=FLAWS),
}


@pytest.mark.skipif("RINGFENCE_REWRITE" not in os.environ, reason="writes the answers anew")
def test_rewrite() -> None:
    TOLD.mkdir(exist_ok=True)
    for name, tell in ANSWERS.items():
        (TOLD / name).write_text(tell(), encoding="utf-8")


@pytest.mark.parametrize("name", ANSWERS)
def test_an_auditor_is_told_the_same_as_ever(name: str) -> None:
    assert ANSWERS[name]() == (TOLD / name).read_text(encoding="utf-8")


def test_the_report_has_the_same_bytes_however_often_it_is_made() -> None:
    assert as_html(asked()) == as_html(asked())


def test_the_report_needs_nothing_but_itself() -> None:
    told = as_html(asked())
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(\s*['\"]?(?!#)|\bon[a-z]+=", told)
    assert re.findall(r"https?://[^\"<\s]+", told.replace('xmlns="http://www.w3.org/2000/svg"', "")) == []


@pytest.mark.parametrize(
    "question",
    [asked(), asked(at=MOMENT), asked(between=("2026-03-03 12:06:50", "2026-03-03 12:30")), asked(node="n3")],
)
def test_every_link_in_a_report_leads_somewhere(question: Question) -> None:
    told = as_html(question, flaws=FLAWS * 13)
    places = {f"#{name}" for name in re.findall(r'id="([^"]*)"', told)}
    assert set(re.findall(r'(?:href|src)="([^"]*)"', told)) <= places


def test_the_reports_places_have_one_name_each() -> None:
    names = re.findall(r' id="([^"]*)"', as_html(asked()))
    assert len(names) == len(set(names))


def test_many_flaws_are_told_by_kind_first_and_one_by_one_further_down() -> None:
    many = tuple(Flaw(path=f"blobs/{number}", code="BlobAltered", message="it was altered") for number in range(13))
    told = as_html(asked(), flaws=(*FLAWS, *many))
    first, _, rest = told.partition('id="audited"')
    assert "14 flaws found" in first
    assert ("blobs/0<" in first, "blobs/12<" in first, "blobs/12<" in rest) == (True, False, True)


def test_flaws_come_before_everything_else() -> None:
    told = as_html(asked(at=MOMENT), flaws=FLAWS)
    assert told.index("1 flaw found") < told.index("VerdictDiffers") < told.index('id="audited"')
