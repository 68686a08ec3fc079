"""A report is as harmless as its program, whatever stands in the records, the commits and the flaws."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.audit_answers import Question
from reconciler.cli.audit_page.cover import CommitFacts, Cover, TreeHead, WitnessHead
from reconciler.cli.audit_page.markup import Html, code, facts, lines, table, tag
from reconciler.cli.audit_page.page import page
from reconciler.cli.audit_tables import text
from reconciler.evidence.audit import Flaw
from reconciler.evidence.history.basis import Basis
from reconciler.evidence.history.chronicle import Scope
from reconciler.evidence.history.values import History
from reconciler.evidence.journal import JournalEntry
from reconciler.evidence.statement import Record
from reconciler.model.record import Event
from tests.support.chronicles import COMMIT, Story, eventful_world, history_of, look_in, records_in
from tests.support.worded_journal import journal

NOON = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
_VOID = {"meta", "br"}
_NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='x",
    "</style></title></head><body onload=x>",
    "]]><!--",
    "&lt;b&gt;&#60;",
    "\u202egnp.exe",
    "\x00\x1b[2J\n\r\t",
    "javascript:alert(1)",
    "\ud800",
)
_ALL = Question(scope=Scope())
hostile = st.one_of(st.sampled_from(_NASTY), st.text(min_size=1, max_size=40))


class _Shape(HTMLParser):
    """The elements of a page with the names of their attributes, in order, and whether they are well nested."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.words: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")


def shape_of(markup: str) -> _Shape:
    shape = _Shape()
    shape.feed(markup)
    shape.close()
    assert shape._open == []
    return shape


def _cover(word: str) -> Cover:
    return Cover(
        repository=word,
        root=word,
        trusted=word,
        evidence=word,
        audited_at=NOON,
        version=word,
        records=1,
        verdicts=1,
        flaws=(Flaw(path=word, code=word, message=word),),
        remarks=(word,),
        tree_head=TreeHead(origin=word, size=1, root=word, signers=(word,), problem=word),
        witnesses=(WitnessHead(witness=word, size=1, at=NOON),),
        commits={COMMIT: CommitFacts(made_at=NOON, signer=word, author=word, title=word)},
    )


def _story(word: str) -> History:
    """Return the history of one node with ``word`` wherever a record takes words."""
    story = Story()
    story.tell(Event.ASSIGNED, 0, attempt=word)
    story.prove(5)
    story.tell(Event.ADMITTED, 9, ports={word: word})
    story.prove(20, is_accepted=False)
    story.tell(Event.REJECTED, 30, causes=(word,), ports={word: word})
    return history_of(*story.records)


_WORLD = eventful_world()
_RECORDS = {one.verdict: one for one in records_in(_WORLD) if one.event is Event.APPRAISED}


def _look(word: str) -> Any:  # noqa: ANN401  # a Look
    """Return what gives every appraisal a verdict, and a certificate, in which ``word`` stands wherever it can."""
    read = look_in(_WORLD).read

    def look(record: Record) -> Basis:
        basis = read(_RECORDS[record.verdict])
        assert basis.certificate is not None
        shown = replace(basis.certificate.certificate, subject=word, issuer=word, serial=word, key=word)
        maker = replace(basis.certificate.tpm, vendor=word, model=word, version=word)
        certificate = replace(basis.certificate, certificate=shown, tpm=maker)
        reasons = [dict.fromkeys(("code", "message", "bank", "event_type", "expected", "found"), word) | {"pcr": 4}]
        verdict = {**basis.verdict, "weakenings": [word], "workarounds": [word], "reasons": reasons}
        rules = replace(basis.rules, endorsement=word, profile=word)
        return replace(basis, certificate=certificate, issuers=(word,), verdict=verdict, rules=rules)

    return look


def _journal(word: str) -> list[JournalEntry]:
    """Return a journal full of ``word``; half a character cannot stand in one."""
    return journal(word.encode("utf-8", "replace").decode())


def _page(word: str) -> str:
    return page(_cover(word), _story(word), _ALL, look=_look(word), journal=_journal(word)).decode()


_PLAIN = shape_of(_page("plain")).elements


@given(word=hostile)
def test_no_word_in_a_record_adds_an_element_or_an_attribute_to_the_report(word: str) -> None:
    assert shape_of(_page(word)).elements == _PLAIN


@given(word=hostile)
def test_no_word_in_a_record_moves_a_cursor(word: str) -> None:
    told = text(_story(word), _ALL, look=_look(word), journal=_journal(word))
    assert told.replace("\n", "").isprintable()


@given(word=hostile)
def test_what_is_shown_is_the_word_itself(word: str) -> None:
    shown = [
        tag("p", word, title=word),
        table(word, (word, "b"), [(word, code(word))]),
        facts([(word, word)]),
        tag("pre", lines(word)),
    ]
    for one in shown:
        assert isinstance(one, Html)
        shape = shape_of(one.text)
        assert all(part.replace("\n", "").isprintable() for part in shape.words)
        if word.isprintable():
            assert word in "".join(shape.words)
