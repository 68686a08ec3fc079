"""JSON Schemas of the kinds, for editors: generated from the model, never kept by hand.

``python -m reconciler.repo.schema FOLDER`` writes them; a test compares ``schemas/`` with what is generated. They say
what one document may hold, not what documents say about each other. Each has a title, an id, and a description for
every field; each file that we write names its schema in its first line (``schema_line``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from reconciler.model.kinds import API_VERSION, Document
from reconciler.repo.descriptions import describe
from reconciler.repo.layout import PLACES, locate
from reconciler.repo.patterns import PATTERNS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = "schemas"
"""Where a state repository has its schemas."""


def generate_schemas() -> dict[str, bytes]:
    """Return the schema of every kind by file name (``enclave.json``)."""
    files = {}
    for place in PLACES:
        text = json.dumps(schema_of(place.kind), indent=2, sort_keys=True, ensure_ascii=False)
        files[schema_name(place.kind)] = f"{text}\n".encode()
    return files


def schema_name(kind: type[Document]) -> str:
    """Return the file name of a kind's schema."""
    return f"{kind.__name__.lower()}.json"


def schema_line(path: str) -> str:
    """Return the comment with which a document at ``path`` of a repository begins, so that editors find its schema."""
    spot = locate(path)
    if spot is None:
        raise ValueError(f"{path} is no document's place")
    up = "../" * path.count("/")
    return f"# yaml-language-server: $schema={up}{FOLDER}/{schema_name(spot.place.kind)}"


def schema_of(kind: type[Document]) -> dict[str, Any]:
    """Return the schema of ``kind``."""
    schema = kind.model_json_schema(by_alias=True, mode="validation")
    models = {model.__name__: model for model in _models(kind, seen=set())}
    for name, part in ((kind.__name__, schema), *schema.get("$defs", {}).items()):
        part.pop("title", None)
        part.update({"title": _title(name)})
        if name in models:
            _describe(part, models[name])
    schema["properties"]["kind"]["description"] = f"Always {kind.__name__}."
    _exemplify(schema)
    own_id = f"urn:{API_VERSION.replace('/', ':')}:{kind.__name__}"
    return {"$schema": _DIALECT, "$id": own_id, **schema}


def _title(name: str) -> str:
    return name.removesuffix("Spec") + (" spec" if name.endswith("Spec") else "")


def _describe(part: dict[str, Any], model: type[BaseModel]) -> None:
    meanings = describe(model)
    for name, field in part.get("properties", {}).items():
        field.pop("title", None)
        if name in meanings:
            field["description"] = meanings[name]


def _exemplify(node: object) -> None:
    """Give every value that must fit a pattern an example, where one says more than the pattern's name."""
    if isinstance(node, dict):
        words = PATTERNS.get(node["pattern"]) if isinstance(node.get("pattern"), str) else None
        if words and words.example:
            node.setdefault("examples", [words.example])
        for value in list(node.values()):
            _exemplify(value)
    elif isinstance(node, list):
        for value in node:
            _exemplify(value)


def _models(annotation: object, *, seen: set[object]) -> Iterator[type[BaseModel]]:
    """Yield every model that a field of ``annotation`` can hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        seen.add(annotation)
        yield annotation
        for field in annotation.model_fields.values():
            yield from _models(field.annotation, seen=seen)
    for inner in get_args(annotation):
        yield from _models(inner, seen=seen)


def write_schemas(folder: Path) -> None:
    """Write every schema into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in generate_schemas().items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
