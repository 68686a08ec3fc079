"""JSON Schemas of the kinds, for editors: generated from the model, never kept by hand.

``python -m reconciler.repo.schema FOLDER`` writes them; a test compares ``schemas/`` with what is generated. They say
what one document may hold, not what documents say about each other.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from reconciler.repo.layout import PLACES

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def generate_schemas() -> dict[str, bytes]:
    """Return the schema of every kind by file name (``enclave.json``)."""
    files = {}
    for place in PLACES:
        schema = place.kind.model_json_schema(by_alias=True, mode="validation")
        text = json.dumps({"$schema": _DIALECT, **schema}, indent=2, sort_keys=True, ensure_ascii=False)
        files[f"{place.kind.__name__.lower()}.json"] = f"{text}\n".encode()
    return files


def write_schemas(folder: Path) -> None:
    """Write every schema into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in generate_schemas().items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
