"""One comment of ours: what it may look like whatever a plan says, and which comment is ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.drivers.forge.notice import MAX_BODY, marked, post
from reconciler.ports.forge import Comment, State, Status

LINE = st.sampled_from(["```", "text", "<details>", "</details>", "é" * 900, "| a | b |", ""])


@dataclass(kw_only=True)
class Board:
    """A forge of one pull request, in memory."""

    shown: list[Comment] = field(default_factory=list)
    sent: int = 0

    def whoami(self) -> str | None:
        return "us"

    def comments(self, change: int) -> Iterator[Comment]:
        assert change == 1
        return iter(list(self.shown))

    def create_comment(self, change: int, body: str) -> None:
        self.sent += change
        self.shown.append(Comment(id=len(self.shown), author="us", body=body))

    def update_comment(self, change: int, comment: int, body: str) -> None:
        self.sent += change
        self.shown[comment] = Comment(id=comment, author="us", body=body)

    def set_status(self, status: Status) -> None:
        assert status.state in State


@given(lines=st.lists(LINE, max_size=200))
def test_a_comment_fits_is_marked_and_leaves_no_fence_open(lines: list[str]) -> None:
    text = "\n".join(lines)
    body = marked(text, marker="plan")
    assert len(body.encode()) <= MAX_BODY
    assert body.startswith("<!-- ringfence:plan -->\n")
    if "Cut here" in body:
        assert body.count("```") % 2 == 0
    else:
        assert body == f"<!-- ringfence:plan -->\n{text.strip()}\n"


def test_one_line_that_is_too_long_is_cut_as_a_whole() -> None:
    assert "Cut here" in marked("x" * 100_000, marker="plan")


@pytest.mark.parametrize("runs", [1, 2, 5])
def test_however_often_it_is_posted_there_is_one(runs: int) -> None:
    board = Board()
    for _ in range(runs):
        post(board, change=1, body="same", marker="plan", author="us")
    assert len(board.shown) == board.sent == 1
    post(board, change=1, body="other", marker="plan", author="us")
    assert [comment.body for comment in board.shown] == [marked("other", marker="plan")]
