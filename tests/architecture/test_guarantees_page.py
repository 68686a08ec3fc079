"""The page of guarantees names tests that exist, for each of the seven guarantees."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([1-7]) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
NAME = re.compile(r"`(test_[a-z0-9_]+)`")


def defined(folder: str) -> set[str]:
    texts = (path.read_text() for path in (PROJECT / "tests" / folder).glob("test_*.py"))
    return {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}


def test_every_guarantee_has_a_property_and_an_end_to_end_step_that_exist() -> None:
    rows = ROW.findall((PROJECT / "docs/guarantees.md").read_text())
    assert [number for number, _, _ in rows] == list("1234567")
    for _, properties, steps in rows:
        assert NAME.findall(properties)
        assert set(NAME.findall(properties)) <= defined("properties")
        assert NAME.findall(steps)
        assert set(NAME.findall(steps)) <= defined("e2e")
