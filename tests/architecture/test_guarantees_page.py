"""docs/guarantees.md names a property and an end-to-end test for each guarantee, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
_SECTIONS = re.split(r"^## (?=\d)", _PAGE, flags=re.MULTILINE)[1:]
_NAMED = re.findall(r"`(tests/[^`]+\.py)::(\w+)`", _PAGE)


def test_there_are_seven_guarantees_in_order() -> None:
    assert [int(section.split(".")[0]) for section in _SECTIONS] == list(range(1, 8))


@pytest.mark.parametrize("section", _SECTIONS, ids=lambda section: section.splitlines()[0])
def test_each_guarantee_has_a_property_and_an_end_to_end_test(section: str) -> None:
    assert "- Property: `tests/" in section
    assert "- End to end: `tests/e2e/" in section


@pytest.mark.parametrize(("path", "name"), sorted(set(_NAMED)))
def test_every_test_named_on_the_page_exists(path: str, name: str) -> None:
    tree = ast.parse((_ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
