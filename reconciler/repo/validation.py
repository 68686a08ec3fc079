"""Raw documents to typed ones; what does not fit is told in the operator's words.

Rules: the class is chosen by ``kind``; field names are camelCase only; every finding stands at the offending key or
value. References between documents are not checked here (``repo.checks``), nor is the place of a file.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.errors.taxonomy import Finding, cut
from reconciler.model.kinds import Document
from reconciler.repo.descriptions import describe
from reconciler.repo.documents import Location, Plain, RawDocument
from reconciler.repo.layout import KINDS
from reconciler.repo.placeholders import open_hint
from reconciler.repo.telling import BEGIN, TELLERS, Told, closest, suggest, tell_unknown

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "time_delta_type": "a duration",
    "time_delta_parsing": "a duration",
}


def validate(raw: RawDocument) -> tuple[Document | None, list[Finding]]:
    """Return the typed document, or None and everything that is wrong with it."""
    if not isinstance(raw.value, dict):
        return None, [_at(raw, (), Told("WrongType", f"is {_kind_of(raw.value)}; a document is a mapping", BEGIN))]
    kind = raw.value.get("kind")
    if "kind" not in raw.value:
        return None, [_at(raw, (), Told("MissingField", "kind is missing", f"say one of {', '.join(KINDS)}"))]
    if not isinstance(kind, str) or kind not in KINDS:
        hint = suggest(str(kind), KINDS) or f"kinds are {', '.join(KINDS)}"
        return None, [_at(raw, ("kind",), Told("UnknownKind", f"there is no kind {cut(str(kind))}", hint))]
    model = KINDS[kind].kind
    try:
        return model.model_validate_json(json.dumps(raw.value), by_alias=True, by_name=False), []
    except ValidationError as error:
        return None, _explain(raw, model=model, errors=error.errors(include_url=False))


def _explain(raw: RawDocument, *, model: type[BaseModel], errors: list[ErrorDetails]) -> list[Finding]:
    findings = []
    misnamed = set(_misnamed(model, errors))
    for error in errors:
        location = tuple(part for part in error["loc"] if part != "[key]")
        # A list whose members are wrong is also called too short; the members' findings say it all. So does the
        # finding of a field whose name is wrong, where the right one is called missing.
        followed = error["type"] == "too_short" and _has_wrong_members(error, errors)
        if not followed and not (error["type"] == "missing" and location in misnamed):
            findings.append(_finding(raw, model=model, error=error, location=location))
    return sorted(findings)


def _has_wrong_members(error: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    own = error["loc"]
    return any(len(other["loc"]) > len(own) and other["loc"][: len(own)] == own for other in errors)


def _misnamed(model: type[BaseModel], errors: list[ErrorDetails]) -> Iterator[Location]:
    """Yield where fields that are not known were perhaps meant to stand."""
    for error in errors:
        if error["type"] == "extra_forbidden":
            close = closest(str(error["loc"][-1]), _fields(model, error["loc"][:-1]))
            yield from ((*error["loc"][:-1], name) for name in close)


def _finding(raw: RawDocument, *, model: type[BaseModel], error: ErrorDetails, location: Location) -> Finding:
    shown = show(location)
    if left_open := open_hint(_value(raw, location), location):
        return _at(raw, location, Told("LeftOpen", f"{shown} is left open", left_open))
    kind, context, value = error["type"], error.get("ctx", {}), _value(raw, location)
    if kind == "missing":
        return _at_key(raw, location[:-1], Told("MissingField", f"{shown} is missing", _add_it(model, location)))
    if kind == "extra_forbidden":
        fields = _fields(model, location[:-1])
        return _at_key(raw, location, tell_unknown(shown, str(location[-1]), fields=fields, page=_page(model)))
    if kind in _WANTED:
        wanted = _WANTED[kind]
        told = Told("WrongType", f"is {_kind_of(value)}; {wanted} is wanted", _type_hint(raw, location, wanted=wanted))
    elif kind in TELLERS:
        told = TELLERS[kind](context, value)
    else:
        told = Told("BadValue", f"does not fit: {cut(error['msg']).lower()}", "")
    if not told.hint:
        told = told._replace(hint=_page(model))
    place = _at_key if error["loc"][-1:] == ("[key]",) else _at
    return place(raw, location, told._replace(message=f"{shown} {told.message}"))


def _page(model: type[BaseModel]) -> str:
    return f"docs/kinds/{model.__name__.lower()}.md says what may stand here"


def _add_it(model: type[BaseModel], location: Location) -> str:
    """Return what a missing field is for, in the words of its schema."""
    owner = _model_at(model, location[:-1])
    meaning = describe(owner).get(str(location[-1]), "") if owner else ""
    return f"add it: {meaning[0].lower()}{meaning[1:].rstrip('.')}" if meaning else f"add it; {_page(model)}"


def show(location: Location) -> str:
    """Return a location as people write it: ``spec.interfaces[0].mac``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "the document"


def _at(raw: RawDocument, location: Location, told: Told) -> Finding:
    line, column = raw.at(*location)
    return Finding(path=raw.path, line=line, column=column, **told._asdict())


def _at_key(raw: RawDocument, location: Location, told: Told) -> Finding:
    line, column = raw.at_key(*location)
    return Finding(path=raw.path, line=line, column=column, **told._asdict())


def _value(raw: RawDocument, location: Location) -> Plain:
    value: Plain = raw.value
    for part in location:
        if isinstance(value, dict) and isinstance(part, str):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part]
        else:
            return None
    return value


def _kind_of(value: Plain) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "a mapping"


def _type_hint(raw: RawDocument, location: Location, *, wanted: str) -> str:
    value = _value(raw, location)
    if wanted == "text" and raw.text(*location):
        return f'put it in quotes: "{cut(raw.text(*location))}"'
    if wanted == "a whole number" and isinstance(value, str) and value.isdecimal():
        return f"write it without quotes: {cut(value)}"
    if wanted == "a duration":
        return "write a whole number and one of s, m, h, d: 30s, 5m, 2h, 30d"
    if wanted == "a list" and isinstance(value, str):
        return f"write it in brackets: [{cut(value)}]"
    if wanted == "true or false" and isinstance(value, str):
        is_on = value.lower() in {"yes", "on", "y", "true"}
        return f"write {str(is_on).lower()}" if is_on or value.lower() in {"no", "off", "n", "false"} else _FLAG
    return _ELSE.get(wanted, "") if value is not None else "write a value after the colon"


_FLAG = "write true or false, without quotes"
_ELSE = {
    "true or false": _FLAG,
    "a whole number": "write digits only, without a point or a unit",
    "a mapping": "write its fields below it, each indented and on a line of its own",
    "a list": "write its entries below it, each after a dash, or in brackets: [a, b]",
    "text": "write one piece of text",
}


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """Return the model of what stands at ``location`` of a document of type ``model``; None if it is no mapping."""
    current: object = model
    for part in location:
        current = _step(_unwrap(current), part)
    current = _unwrap(current)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _fields(model: type[BaseModel], location: Location) -> list[str]:
    """Return the fields that may stand at ``location`` of a document of type ``model``."""
    found = _model_at(model, location)
    return [field.alias or name for name, field in found.model_fields.items()] if found else []


def _step(current: object, part: str | int) -> object:
    if isinstance(current, type) and issubclass(current, BaseModel):
        fields = {field.alias or name: field for name, field in current.model_fields.items()}
        return fields[str(part)].annotation
    inner = get_args(current)
    return inner[-1] if get_origin(current) is dict else inner[0]


def _unwrap(annotation: object) -> object:
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in {Union, types.UnionType}:
            annotation = next(arm for arm in get_args(annotation) if arm is not type(None))
        else:
            return annotation
