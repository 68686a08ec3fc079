"""Timelines as inline SVG: a row for each node, a bar for each stay; told apart by pattern, not by colour alone.

Rules: the drawing repeats what the tables beside it say, for the eye; each bar has that as its title. Numbers are
written with one decimal, so that the same stays give the same bytes. A bar is never thinner than a pixel and a half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconciler.cli.audit_page.markup import NOTHING, Html, tag, together
from reconciler.evidence.history.chronicle import arrival
from reconciler.evidence.history.times import time_text
from reconciler.evidence.history.values import Standing, Stay

_WIDTH, _LEFT, _RIGHT = 960.0, 120.0, 14.0
_ROW, _BAR, _TOP, _AXIS = 30.0, 16.0, 6.0, 26.0
_MAX_TICKS = 6
_NAME_LETTERS = 16
_STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(60 * n for n in (1, 2, 5, 10, 15, 30)),
    *(3600 * n for n in (1, 2, 3, 6, 12)),
    *(86400 * n for n in (1, 2, 7, 14, 30, 60, 91, 182, 365, 730, 1825, 3650)),
)
_DAY_S = 86400
_MINUTE_S = 60
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
"""A Monday; ticks are whole steps away from it."""

WORDS = {
    Standing.MEMBER: "member",
    Standing.AIRLOCK: "in its airlock, proving itself",
    Standing.PARKED: "parked",
    Standing.REJECTED: "rejected",
    Standing.FREE: "free",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time that a drawing shows; stays without an end are drawn up to ``until``, ``mark`` is a moment to show."""

    since: datetime
    until: datetime
    mark: datetime | None = None

    def place(self, moment: datetime) -> float:
        """Return where ``moment`` lies in the drawing, from left to right."""
        whole = (self.until - self.since).total_seconds() or 1.0
        share = (moment - self.since).total_seconds() / whole
        return _LEFT + min(1.0, max(0.0, share)) * (_WIDTH - _LEFT - _RIGHT)


def draw(rows: Sequence[tuple[str, Sequence[Stay]]], *, span: Span, label: str) -> Html:
    """Return a drawing of ``rows``: a name and its stays each; nothing without rows."""
    if not rows:
        return NOTHING
    height = _TOP + _ROW * len(rows) + _AXIS
    parts = [_axis(span, height=height)]
    for index, (name, stays) in enumerate(rows):
        top = _TOP + _ROW * index
        parts.append(_name(name, top=top))
        parts += [_bar(stay, span=span, top=top + (_ROW - _BAR) / 2) for stay in stays]
    if span.mark is not None:
        parts.append(_mark(span.mark, span=span, height=height))
    return tag(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH:.0f} {height:.0f}",
        role="img",
        aria_label=label,
    )


def key() -> Html:
    """Return what the patterns stand for."""
    samples: list[Html | str] = []
    for standing, word in WORDS.items():
        box = tag("rect", x="0.5", y="0.5", width="29", height="11", **_LOOKS[standing])
        samples += [tag("svg", box, viewBox="0 0 30 12", aria_hidden="true"), word]
    mark = tag("path", d="M15 1 L20 11 L10 11 Z", fill="#16181d")
    samples += [tag("svg", mark, viewBox="0 0 30 12", aria_hidden="true"), "last proof"]
    return tag("p", *samples, class_="key")


_LOOKS: dict[Standing, dict[str, str]] = {
    Standing.MEMBER: {"fill": "#2b5797", "stroke": "#16181d"},
    Standing.AIRLOCK: {"fill": "url(#airlock)", "stroke": "#16181d"},
    Standing.PARKED: {"fill": "url(#parked)", "stroke": "#565c68"},
    Standing.REJECTED: {"fill": "url(#rejected)", "stroke": "#9b1c1c"},
    Standing.FREE: {"fill": "#ffffff", "stroke": "#9aa0ac"},
}


def patterns() -> Html:
    """Return what bars are filled with; it stands on a page once, before the first drawing."""
    airlock = tag("path", d="M0 6 L6 0 M-1 1 L1 -1 M5 7 L7 5", stroke="#2b5797", stroke_width="1.6")
    rejected = tag("path", d="M0 0 L6 6 M6 0 L0 6", stroke="#9b1c1c", stroke_width="1.4")
    parked = tag("circle", cx="2.5", cy="2.5", r="1", fill="#565c68")
    white = tag("rect", width="6", height="6", fill="#ffffff")
    size = {"width": "6", "height": "6", "patternUnits": "userSpaceOnUse"}
    fills = tag(
        "defs",
        tag("pattern", white, airlock, id="airlock", **size),
        tag("pattern", white, rejected, id="rejected", **size),
        tag("pattern", white, parked, id="parked", **size),
    )
    return tag("svg", fills, width="0", height="0", aria_hidden="true", class_="fills")


def _name(name: str, *, top: float) -> Html:
    shown = name if len(name) <= _NAME_LETTERS else f"{name[: _NAME_LETTERS - 1]}…"
    y = f"{top + _ROW / 2 + 4:.1f}"
    return tag("text", shown, x="0", y=y, font_size="13", font_weight="600", fill="#16181d")


def _bar(stay: Stay, *, span: Span, top: float) -> Html:
    left, right = span.place(stay.since), span.place(stay.until or span.until)
    width = max(1.5, right - left)
    title = f"{stay.node}: {WORDS[stay.standing]}{f', enclave {stay.enclave}' if stay.enclave else ''}"
    title += f", {time_text(stay.since)} to {time_text(stay.until) or 'the last record'}"
    box = tag(
        "rect",
        x=f"{left:.1f}",
        y=f"{top:.1f}",
        width=f"{width:.1f}",
        height=f"{_BAR:.1f}",
        stroke_width="1",
        **_LOOKS[stay.standing],
    )
    open_end = NOTHING
    if stay.until is None:
        edge, middle = left + width, top + _BAR / 2
        half = middle - top
        open_end = tag("path", d=f"M{edge:.1f} {top:.1f} l8 {half:.1f} l-8 {half:.1f} Z", fill="#16181d")
    return tag("g", tag("title", title), box, _proof(stay, span=span, top=top), open_end)


def _proof(stay: Stay, *, span: Span, top: float) -> Html:
    """Return the mark of a member's last proof, which stands below its bar."""
    last = stay.proofs.last
    if stay.standing is not Standing.MEMBER or last is None or arrival(last) < stay.since:
        return NOTHING
    x, y = span.place(arrival(last)), top + _BAR
    return tag("path", d=f"M{x:.1f} {y + 1:.1f} l4 6 l-8 0 Z", fill="#16181d")


def _mark(moment: datetime, *, span: Span, height: float) -> Html:
    """Return the line at the moment that was asked about."""
    x, end = f"{span.place(moment):.1f}", f"{height - _AXIS + 4:.1f}"
    line = tag("line", x1=x, y1="0", x2=x, y2=end, stroke="#16181d", stroke_width="2", stroke_dasharray="5 3")
    return tag("g", tag("title", f"asked about: {time_text(moment)}"), line)


def _axis(span: Span, *, height: float) -> Html:
    bottom = height - _AXIS + 4
    parts = [
        tag("line", x1=f"{_LEFT:.1f}", y1=f"{bottom:.1f}", x2=f"{_WIDTH - _RIGHT:.1f}", y2=f"{bottom:.1f}", **_PEN)
    ]
    step, moments = _ticks(span)
    for before, moment in zip([None, *moments], moments, strict=False):
        x = f"{span.place(moment):.1f}"
        parts.append(tag("line", x1=x, y1=f"{_TOP:.1f}", x2=x, y2=f"{bottom + 4:.1f}", **_THIN))
        parts.append(
            tag(
                "text",
                _tick_text(moment, before=before, step=step),
                x=x,
                y=f"{bottom + 17:.1f}",
                font_size="11",
                text_anchor="middle",
                fill="#565c68",
            )
        )
    return together(parts)


_PEN = {"stroke": "#16181d", "stroke_width": "1"}
_THIN = {"stroke": "#c9cdd6", "stroke_width": "0.8"}


def _ticks(span: Span) -> tuple[int, list[datetime]]:
    """Return the step between marks in seconds, and the moments that are marked."""
    whole = (span.until - span.since).total_seconds()
    step = next((one for one in _STEPS_S if whole / one <= _MAX_TICKS), _STEPS_S[-1])
    before = int((span.since - _EPOCH).total_seconds() // step)
    moments: list[datetime] = []
    moment = _EPOCH + timedelta(seconds=step * before)
    while moment <= span.until and len(moments) < 2 * _MAX_TICKS:
        if moment >= span.since:
            moments.append(moment)
        moment += timedelta(seconds=step)
    return step, moments


def _tick_text(moment: datetime, *, before: datetime | None, step: int) -> str:
    """Return the mark's text: the day where that is a new one, the time where the marks are closer than days."""
    day, time = time_text(moment).split()
    if step >= _DAY_S:
        return day
    shown = time[:5] if step >= _MINUTE_S else time
    return shown if before is not None and before.date() == moment.date() else f"{day} {shown}"
