"""The pages of the kinds, in one outline: example, fields, how it is reconciled, status, errors.

Fields are those of the schemas, errors those of the table of findings, examples are files of the repository in
``kinds/examples``, which a test loads as a whole; what only people know stands in ``kinds/text``.
"""
# ruff: noqa: INP001  # a script beside the pages that it makes, not a package

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reconciler.errors.taxonomy import Severity
from reconciler.repo.codes import FILE, FINDINGS
from reconciler.repo.layout import PLACES, Place
from reconciler.repo.patterns import PATTERNS
from reconciler.repo.schema import schema_name, schema_of

KINDS = Path(__file__).resolve().parent / "kinds"
_ERRORS = "../errors.md#findings-in-a-state-repository"
_PLURALS = {"a mapping": "mappings", "text": "texts", "a whole number": "whole numbers"}


def pages() -> dict[str, Any]:
    """Return what makes each page, by its name below ``docs``."""
    made: dict[str, Any] = {"kinds/README.md": index_page}
    for place in PLACES:
        made[f"kinds/{place.kind.__name__.lower()}.md"] = lambda place=place: kind_page(place)
    return made


def index_page() -> str:
    """Return the list of kinds, and where their files stand."""
    rows = [
        f"| [{place.kind.__name__}]({place.kind.__name__.lower()}.md) | `{place.shown}` | {_meaning(place)} |"
        for place in PLACES
    ]
    text = (KINDS / "text" / "README.txt").read_text(encoding="utf-8").rstrip()
    return "\n".join(["# The kinds", "", _MADE, "", "| kind | where | what |", "|---|---|---|", *rows, "", text]) + "\n"


_MADE = "Made by `docs/generate.py` from the model, `docs/kinds/text` and `docs/kinds/examples`."


def kind_page(place: Place) -> str:
    """Return the page of one kind."""
    name = place.kind.__name__
    reconciled, status = _text(name)
    example = _example(place)
    lines = [
        f"# {name}",
        "",
        _MADE,
        "",
        f"{_meaning(place)} A file `{place.shown}`; its schema is `schemas/{schema_name(place.kind)}`.",
        "",
        "## Example",
        "",
        f"`{example.relative_to(KINDS / 'examples').as_posix()}`:",
        "",
        "```yaml",
        example.read_text(encoding="utf-8").rstrip(),
        "```",
        "",
        "## Fields",
        "",
        "| field | type | default | meaning |",
        "|---|---|---|---|",
        *(f"| `{at}` | {kind} | {default} | {meaning} |" for at, kind, default, meaning in _fields(place)),
        "",
        "## How it is reconciled",
        "",
        reconciled,
        "",
        "## Status",
        "",
        status,
        "",
        "## Errors",
        "",
        "`ringfence validate` tells all of them at once, each with file, line and column. What any file can have wrong",
        f"is in [errors]({_ERRORS}); these are of this kind:",
        "",
        *_errors(name),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _meaning(place: Place) -> str:
    text = (place.kind.__doc__ or "").split("\n\n", maxsplit=1)[0]
    return f"{' '.join(text.split()).rstrip('.')}.".replace("``", "`")


def _text(name: str) -> tuple[str, str]:
    """Return what people wrote about a kind: how it is reconciled, and where one sees what became of it."""
    text = (KINDS / "text" / f"{name.lower()}.txt").read_text(encoding="utf-8")
    reconciled, _, status = text.partition("\n---\n")
    return reconciled.strip(), status.strip()


def _example(place: Place) -> Path:
    """Return the first file of the example repository that stands in ``place``."""
    top = KINDS / "examples"
    found = sorted(path for path in top.rglob("*.yaml") if place.match(path.relative_to(top).as_posix()))
    return found[0]


def _errors(name: str) -> Iterator[str]:
    own = {code: row for code, row in FINDINGS.items() if name in row.kinds}
    if not own:
        yield "There are none."
        return
    yield "| code | | meaning | next step |"
    yield "|---|---|---|---|"
    for code, row in own.items():
        yield f"| [`{code}`]({_ERRORS}) | {_severities(row.severities)} | {row.meaning} | {row.hint} |"


def _severities(severities: tuple[Severity, ...]) -> str:
    return " or ".join(severities)


def findings_section() -> list[str]:
    """Return the section of ``errors.md`` about findings."""
    return [
        "## Findings in a state repository",
        "",
        "`ringfence validate` tells all of them, each with file, line and column. An error refuses the commit: the",
        "last trusted valid one stays in force. A warning is allowed and looks like a mistake; with `--strict` it is",
        "refused as well. A code is stable.",
        "",
        "| code | | at | meaning | next step |",
        "|---|---|---|---|---|",
        *(
            f"| `{code}` | {_severities(row.severities)} | {_at(row.kinds)} | {row.meaning} | {row.hint} |"
            for code, row in FINDINGS.items()
        ),
    ]


def _at(kinds: tuple[str, ...]) -> str:
    return "any file" if kinds == (FILE,) else ", ".join(f"[{kind}](kinds/{kind.lower()}.md)" for kind in kinds)


def _fields(place: Place) -> Iterator[tuple[str, str, str, str]]:
    schema = schema_of(place.kind)
    for name in ("metadata", "spec"):
        yield from _rows(schema["properties"][name], schema=schema, at=name, is_required=True, seen=())


def _rows(
    field: dict[str, Any], *, schema: dict[str, Any], at: str, is_required: bool, seen: tuple[str, ...]
) -> Iterator[tuple[str, str, str, str]]:
    """Yield the row of a field, then those of the fields below it."""
    default = "required" if is_required else _default(field.get("default"))
    yield at, _type(field, schema=schema), default, field.get("description", "")
    inner, suffix = _inner(field, schema=schema)
    below = _resolved(inner, schema=schema)
    title = str(below.get("title"))
    if "properties" in below and title not in seen:
        needed = below.get("required", ())
        for name, value in below["properties"].items():
            yield from _rows(
                value,
                schema=schema,
                at=f"{at}{suffix}.{name}",
                is_required=name in needed,
                seen=(*seen, title),
            )


def _default(value: object) -> str:
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, dict):
        return "as below" if any(one is not None for one in value.values()) else "none"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _inner(field: dict[str, Any], *, schema: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what a field holds, and how its path is written on: ``[]`` for the entries of a list."""
    here = _resolved(_unmade(field), schema=schema)
    if here.get("type") == "array":
        return here.get("items", {}), "[]"
    return here, ""


def _unmade(field: dict[str, Any]) -> dict[str, Any]:
    """Return the field without the choice of leaving it out."""
    arms = [arm for arm in field.get("anyOf", ()) if arm.get("type") != "null"]
    return arms[0] if len(arms) == 1 else field


def _resolved(field: dict[str, Any], *, schema: dict[str, Any]) -> dict[str, Any]:
    where = field.get("$ref", "")
    return schema["$defs"][where.rpartition("/")[2]] if where else field


def _type(field: dict[str, Any], *, schema: dict[str, Any]) -> str:
    """Return the type of a field in words."""
    here = _resolved(_unmade(field), schema=schema)
    if "const" in here or "enum" in here:
        return ", ".join(f"`{value}`".lower() if value is True else f"`{value}`" for value in _choices(here))
    if "pattern" in here:
        return PATTERNS[here["pattern"]].name
    if "anyOf" in here:
        arms = [_type(arm, schema=schema) for arm in here["anyOf"] if arm.get("type") != "null"]
        return ", ".join(dict.fromkeys(arms))
    return _plain(here, schema=schema)


def _choices(here: dict[str, Any]) -> list[object]:
    return [here["const"]] if "const" in here else here["enum"]


def _plain(here: dict[str, Any], *, schema: dict[str, Any]) -> str:
    match here.get("type"):
        case "array":
            return f"a list of {_several(here.get('items', {}), schema=schema)}"
        case "object" if "properties" not in here:
            values = here.get("additionalProperties") or next(iter(here.get("patternProperties", {}).values()), {})
            return f"a map to {_several(values, schema=schema)}"
        case "integer":
            return _number(here)
        case kind:
            return {"object": "a mapping", "boolean": "true or false"}.get(str(kind), "text")


def _number(here: dict[str, Any]) -> str:
    least, most = here.get("minimum"), here.get("maximum")
    if least is None and most is None:
        return "a whole number"
    return f"a whole number, {least} or more" if most is None else f"a whole number, {least} to {_grouped(most)}"


def _grouped(number: int) -> str:
    return str(number) if number < 10_000 else f"{number:_}".replace("_", " ")  # noqa: PLR2004 - five digits and more


def _several(inner: dict[str, Any], *, schema: dict[str, Any]) -> str:
    """Return the type of many: ``names``, ``MAC addresses``."""
    one = _type(inner, schema=schema)
    if one.startswith("a list of "):
        return one.replace("a list of", "lists of", 1)
    if one in _PLURALS:
        return _PLURALS[one]
    word, comma, rest = one.partition(",")
    plain = word.removeprefix("a ").removeprefix("an ").removeprefix("the ")
    if "`" in one:
        return f"any of {one}"
    if " of " in plain or plain == word:
        return one
    return f"{plain}{'es' if plain.endswith('s') else 's'}{comma}{rest}"
