"""Trust is a type: the values that open gates are made in one place each, and nowhere else.

The syntax tree of the whole package is walked. A class that stands for trust may be
named in annotations, in matches and in ``isinstance``; anything that could make one
(a call, a copy by ``replace``, an alias, a subclass) is allowed in its own module only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import reconciler

PACKAGE = Path(reconciler.__file__).parent

MAKERS = {
    "Accepted": "attest/appraise.py",
    "Rejected": "attest/appraise.py",
    "TrustedCommit": "repo/trust.py",
}
"""Which module may construct which class."""

FORGERIES = ("model_construct", "__new__", "construct")


def name_of(node: ast.expr) -> str:
    """Return the last part of a name or an attribute, or an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def constructions(tree: ast.AST, trusted: str) -> Iterator[int]:
    """Yield the lines in which ``tree`` makes, subclasses, aliases or copies a ``trusted`` value."""
    aliases = {trusted}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            renamed = [alias for alias in node.names if alias.name == trusted and alias.asname]
            aliases |= {alias.asname for alias in renamed if alias.asname}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=function) if name_of(function) in aliases:
                yield node.lineno
            case ast.Call(func=ast.Attribute(value=value, attr=attribute)) if attribute in FORGERIES:
                if name_of(value) in aliases or any(name_of(argument) in aliases for argument in node.args):
                    yield node.lineno
            case ast.Call(func=function, args=[first, *_]) if name_of(function) == "replace":
                if name_of(first) in {"verdict", "accepted", "rejected"}:
                    yield node.lineno
            case ast.ClassDef(bases=bases) if aliases & {name_of(base) for base in bases}:
                yield node.lineno
            case ast.Assign(value=value) if name_of(value) in aliases:
                yield node.lineno


@pytest.mark.parametrize(("trusted", "maker"), MAKERS.items())
def test_only_its_own_module_makes_a_value_that_stands_for_trust(trusted: str, maker: str) -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).as_posix() != maker
        for line in constructions(ast.parse(path.read_text()), trusted)
    ]
    assert found == []


@pytest.mark.parametrize(("trusted", "maker"), MAKERS.items())
def test_the_makers_are_where_this_test_believes_them(trusted: str, maker: str) -> None:
    assert list(constructions(ast.parse((PACKAGE / maker).read_text()), trusted))


@pytest.mark.parametrize(
    "source",
    [
        "Accepted(node='n1')",
        "verdict.Accepted()",
        "from x import Accepted as Fine\nFine()",
        "object.__new__(Accepted)",
        "Accepted.__new__(Accepted)",
        "class Mine(Accepted): ...",
        "Make = Accepted",
        "replace(verdict, node='n2')",
        "dataclasses.replace(accepted, node='n2')",
    ],
)
def test_the_walk_sees_every_way_to_make_one(source: str) -> None:
    assert list(constructions(ast.parse(source), "Accepted"))


@pytest.mark.parametrize(
    "source",
    [
        "def f(x: Accepted) -> Accepted: ...",
        "isinstance(x, Accepted)",
        "match x:\n    case Accepted(): ...",
        "replace(policy, name='p')",
        "Either = Accepted | Rejected",
    ],
)
def test_naming_one_is_not_making_one(source: str) -> None:
    assert not list(constructions(ast.parse(source), "Accepted"))
