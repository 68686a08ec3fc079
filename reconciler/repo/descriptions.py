"""What each field of a model means, from the text below it in the model's source.

Used where people read: schemas, pages, hints. Reading source takes milliseconds, so nothing does at start-up.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


@cache
def describe(model: type[BaseModel]) -> dict[str, str]:
    """Return the meaning of each field of ``model`` that has one, by the field's name in YAML."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner is not BaseModel:
            found |= _documented(owner)
    described = {name: field.description for name, field in model.model_fields.items() if field.description}
    texts = {name: text for name, text in {**found, **described}.items() if name in model.model_fields}
    return {model.model_fields[name].alias or name: text for name, text in texts.items()}


def _documented(owner: type[BaseModel]) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    found = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            value = text.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[field.target.id] = " ".join(inspect.cleandoc(value.value).split()).replace("``", "`")
    return found
