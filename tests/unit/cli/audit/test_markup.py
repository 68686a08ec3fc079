"""The report's building blocks, and its drawings."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.cli.audit_page.markup import (
    NOTHING,
    anchor,
    code,
    facts,
    listing,
    short_code,
    table,
    tag,
    together,
)
from reconciler.cli.audit_page.timeline import Span, draw
from reconciler.model.record import Event
from tests.support.chronicles import NOON, Story, at, history_of


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "a < b & c", tag("b", 'say "hi"')).text == "<p>a &lt; b &amp; c<b>say &quot;hi&quot;</b></p>"


def test_attributes_are_escaped_and_left_out_without_a_value() -> None:
    assert tag("p", class_='a"b', aria_label=None, data_x="1").text == '<p class="a&quot;b" data-x="1"></p>'


def test_what_is_not_printable_is_shown() -> None:
    assert tag("p", "a\u202eb\x00").text == "<p>a\\u202eb\\x00</p>"


def test_names_of_elements_are_ours() -> None:
    with pytest.raises(ValueError, match="no name of ours"):
        tag("p onload=x")


def test_empty_columns_and_empty_tables_are_left_out() -> None:
    shown = table("t", ("a", "b", "c"), [("1", "", code("x")), ("2", None, NOTHING)]).text
    assert '<th scope="col">b</th>' not in shown
    assert '<th scope="col">c</th>' in shown
    assert table("t", ("a",), []) is NOTHING


def test_facts_about_which_nothing_is_known_are_left_out() -> None:
    assert facts([("a", ""), ("b", None), ("c", NOTHING)]).text == '<dl class="facts"></dl>'
    assert (listing([]), code(None), short_code(None)) == (NOTHING, NOTHING, NOTHING)


def test_what_stands_between_stands_only_between() -> None:
    assert together(["a", None, "", "b"], between=", ").text == "a, b"


def test_a_digest_is_cut_to_twelve_digits() -> None:
    assert short_code("sha256:" + "ab" * 32).text == '<code class="short">abababababab</code>'


def test_places_of_different_names_are_different() -> None:
    names = ("a b", "a-b", "a_b", "a_20_b", "A-b", "ä")
    assert len({anchor("node", name) for name in names}) == len(names)


@pytest.mark.parametrize("seconds", [1, 59, 3600, 86400, 86400 * 40, 86400 * 365 * 30, 86400 * 365 * 300])
def test_a_drawing_has_a_few_marks_whatever_its_length(seconds: int) -> None:
    story = Story()
    story.join(0)
    stays = history_of(*story.records).stays["n1"]
    drawn = draw([("n1", stays)], span=Span(since=NOON, until=NOON + timedelta(seconds=seconds)), label="x")
    assert 0 <= drawn.text.count('text-anchor="middle"') <= 12
    assert drawn.text.count("<title>") == len(stays)


def test_a_drawing_of_nobody_is_none() -> None:
    assert draw([], span=Span(since=NOON, until=NOON), label="x") is NOTHING


def test_a_stay_that_lasts_has_an_arrow_and_a_member_its_last_proof() -> None:
    story = Story("a-node-with-a-very-long-name")
    story.join(0)
    story.prove(30)
    stays = history_of(*story.records).stays[story.node]
    drawn = draw([(story.node, stays)], span=Span(since=at(0), until=at(60), mark=at(20)), label="x").text
    assert drawn.count("l8 ") == 1
    assert drawn.count("l4 6 l-8 0") == 1
    assert "a-node-with-a-v…" in drawn
    assert "asked about: 2026-03-03 12:00:20" in drawn


def test_an_instant_can_be_drawn() -> None:
    story = Story()
    story.tell(Event.REJECTED, 0)
    stays = history_of(*story.records).stays["n1"]
    assert 'width="1.5"' in draw([("n1", stays)], span=Span(since=NOON, until=NOON), label="x").text
