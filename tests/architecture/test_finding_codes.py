"""Every finding has a code from the table, a hint, and words in place of expressions."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

from reconciler.repo.codes import FILE, FINDINGS
from reconciler.repo.layout import KINDS
from reconciler.repo.patterns import PATTERNS
from reconciler.repo.schema import generate_schemas

_REPO = Path(__file__).parents[2] / "reconciler" / "repo"
_ELSEWHERE = {"ledger.py", "git.py", "codes.py", "trust.py", "audited.py", "witnessed.py"}
"""Modules whose ``code=`` is no finding's."""


def _given() -> Iterator[tuple[str, str]]:
    """Yield each code that a module of ``repo`` gives a finding, with the module's name."""
    for path in sorted(_REPO.rglob("*.py")):
        if path.name in _ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).rpartition(".")[2]
                coded = [word.value for word in node.keywords if word.arg == "code"]
                coded += (
                    node.args[:1] if called == "Told" else node.args[1:2] if called in {"_find", "_finding"} else []
                )
                for value in coded:
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield value.value, path.name


def test_every_code_that_is_given_is_in_the_table() -> None:
    assert sorted({(code, name) for code, name in _given() if code not in FINDINGS}) == []


def test_the_table_has_no_code_that_nothing_gives() -> None:
    told = {
        node.value
        for path in _REPO.rglob("*.py")
        if path.name != "codes.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sorted(FINDINGS.keys() - told) == []


def test_codes_are_of_kinds_that_exist() -> None:
    assert {kind for code in FINDINGS.values() for kind in code.kinds} <= {FILE, *KINDS}


def _patterns(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        yield from node.get("patternProperties", {})
        for value in node.values():
            yield from _patterns(value)
    elif isinstance(node, list):
        for value in node:
            yield from _patterns(value)


def test_every_pattern_of_every_schema_has_words() -> None:
    for name, content in generate_schemas().items():
        assert sorted(set(_patterns(json.loads(content))) - PATTERNS.keys()) == [], name


def test_no_words_are_left_of_a_pattern_that_is_no_more() -> None:
    used = {pattern for content in generate_schemas().values() for pattern in _patterns(json.loads(content))}
    assert sorted(PATTERNS.keys() - used) == []


def test_every_field_of_every_schema_is_described_in_camel_case() -> None:
    for name, content in generate_schemas().items():
        schema = json.loads(content)
        assert schema["$id"].startswith("urn:ringfence:v1alpha1:")
        for title, part in ((schema["title"], schema), *schema.get("$defs", {}).items()):
            assert part["title"], (name, title)
            for field, value in part.get("properties", {}).items():
                assert value.get("description"), (name, title, field)
                assert "_" not in field, (name, title, field)
