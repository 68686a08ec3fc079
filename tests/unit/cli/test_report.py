"""Reports: what comes from elsewhere is harmless, long parts are folded, and a comment is never too long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.cli.remembered import as_seen, warning_of
from reconciler.cli.report import LIMIT, Report, Section, quoted, to_markdown, to_text

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def _report(rows: int, *, width: int = 10, diagram: str = "") -> Report:
    cells = tuple((f"n{index}", "x" * width) for index in range(rows))
    return Report(
        title="T", summary=("S",), sections=(Section(title="Nodes", columns=("a", "b"), rows=cells, diagram=diagram),)
    )


def test_a_short_table_is_open_and_a_long_one_folded() -> None:
    assert "#### Nodes" in to_markdown(_report(15))
    assert "<details><summary>Nodes (16)</summary>" in to_markdown(_report(16))


@pytest.mark.parametrize("rows", [600, 5_000])
def test_rows_are_left_out_with_a_count_until_it_fits(rows: int) -> None:
    text = to_markdown(_report(rows, width=200))
    assert len(text) <= LIMIT
    assert f"and {rows - 200} more" in text
    assert len(to_text(_report(rows)).splitlines()) > rows


def test_what_can_never_fit_is_cut_and_says_so() -> None:
    text = to_markdown(_report(3, width=40_000, diagram="x" * 70_000))
    assert len(text) <= LIMIT
    assert "The rest was left out" in text


def test_empty_sections_are_left_out() -> None:
    report = Report(title="T", summary=("S",), sections=(Section(title="Nothing", columns=("a",)),))
    assert "Nothing" not in to_markdown(report)
    assert "Nothing" not in to_text(report)


def test_markup_from_elsewhere_is_harmless() -> None:
    section = Section(
        title="<b>",
        lines=("<script>&", quoted("a `b` <c>\n@d")),
        columns=("x",),
        rows=(("a|b\nc\x1b[0m",),),
    )
    text = to_markdown(Report(title="<i>", summary=("\u202e",), sections=(section,)))
    assert "### &lt;i>" in text
    assert "- &lt;script>&amp;" in text
    assert "- `a 'b' <c> @d`" in text
    assert "| a\\|b c\\x1b[0m |" in text
    assert "\u202e" not in text


def test_many_sentences_are_cut_with_a_count() -> None:
    lines = tuple(f"{index} {'x' * 200}" for index in range(1_000))
    text = to_markdown(Report(title="T", summary=("S",), sections=(Section(title="L", lines=lines),)))
    assert "- and 800 more" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 seconds ago"),
        (1, "1 second ago"),
        (119, "119 seconds ago"),
        (240, "4 minutes ago"),
        (7200, "2 hours ago"),
        (86400 * 3, "3 days ago"),
    ],
)
def test_ages_are_said_as_people_say_them(seconds: int, words: str) -> None:
    assert as_seen(NOW, now=NOW + timedelta(seconds=seconds)) == f"as seen {words} (2026-11-24T12:00:00Z)"


def test_only_an_old_record_is_warned_of() -> None:
    assert warning_of(NOW, now=NOW + timedelta(minutes=59)) == ""
    assert "is the reconciler running" in warning_of(NOW, now=NOW + timedelta(minutes=60))
