"""What an audit shows while it runs, and in the end."""

from __future__ import annotations

import io
from typing import Any

import pytest

from reconciler.cli import audit_text as module
from reconciler.cli.audit_text import ProgressLine, audit_text
from reconciler.evidence.audit import Figures


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EVERY_S", 0.0)
    terminal = Terminal()
    with ProgressLine(terminal) as line:
        line.show(1, 4, Figures(statements=1200, leaves=34, verdicts=1000))
        line.show(0, 0, Figures())
    told = terminal.getvalue()
    assert "auditing: 25 %, 1,234 records, 1,000 verdicts" in told
    assert told.endswith("\r\x1b[K")


def test_progress_is_not_shown_too_often_nor_where_nobody_looks() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        with ProgressLine(stream) as line:
            line.show(1, 2, Figures())
            line.show(2, 2, Figures())
    assert terminal.getvalue().count("auditing") == 1
    assert file.getvalue() == ""
    with ProgressLine(terminal):
        pass


def document(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    figures = dict.fromkeys((name for name, *_ in module._WHAT), 0)
    made: dict[str, Any] = {
        "evidence": "e" * 40,
        "trusted": "d" * 40,
        "records": 0,
        "verdicts": 0,
        "flaws": [],
        "omitted": 0,
        "nodes": {},
        "log": {"origin": "", "size": 0, "root": "0" * 64},
        "checked": figures | {"files": 0, "bytes": 0},
        "signers": [],
    }
    return made | changes


def test_an_empty_branch_holds_and_says_so() -> None:
    told = audit_text(document())
    assert "log without a head: 0 lines" in told
    assert "checked: nothing; 0 files" in told
    assert told.endswith("0 records, 0 verdicts computed again\neverything holds")


def test_flaws_come_first_are_counted_and_signers_are_told_where_they_changed() -> None:
    flaw = {"path": "nodes/n1/head.json", "code": "HeadMismatch", "severity": "broken", "message": "it is not the sum"}
    ranges = [
        {"key": "SHA256:a", "first": "1" * 40, "last": "2" * 40, "commits": 1200},
        {"key": None, "first": "3" * 40, "last": "3" * 40, "commits": 1},
    ]
    told = audit_text(document(flaws=[flaw], omitted=3, signers=ranges)).splitlines()
    assert told[0] == "broken: nodes/n1/head.json: it is not the sum [HeadMismatch]"
    assert told[1] == "and 3 more flaws"
    assert "signed by SHA256:a: 1,200 commits, 111111111111 to 222222222222" in told
    assert "signed by nobody known: 1 commits, 333333333333 to 333333333333" in told
    assert told[-1] == "4 flaws"
    assert audit_text(document(flaws=[flaw])).endswith("1 flaw")
