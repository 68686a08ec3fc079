"""Raw documents to typed ones; what does not fit is told in the operator's words.

Rules: the class is chosen by ``kind``; field names are camelCase only; every finding stands at the offending key or
value. References between documents are not checked here (``repo.checks``), nor is the place of a file.
"""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.errors.taxonomy import Finding, cut
from reconciler.model.base import NAME_PATTERN
from reconciler.model.kinds import Document
from reconciler.repo.documents import Location, Plain, RawDocument
from reconciler.repo.layout import KINDS
from reconciler.repo.placeholders import open_hint

_PATTERNS = {
    NAME_PATTERN: ("a name", "use lower-case letters, digits and inner dashes, at most 63"),
    r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$": ("a MAC address", "write it in lower case with colons: 52:54:00:12:34:56"),
    r"^sha256:[0-9a-f]{64}$": ("a digest", "write sha256: and 64 lower-case hexadecimal digits"),
    r"^[0-9a-f]{64}$": ("a digest", "write 64 lower-case hexadecimal digits"),
    r"^[A-Za-z0-9._@+-]{1,128}$": ("a signer", "write the principal as it stands in trust/allowed_signers"),
    r"^[A-Za-z0-9._*][A-Za-z0-9._*/-]{0,255}$": ("a path pattern", "write a path such as tenants/blue/**"),
    r"^[0-7]$": ("the number of a firmware PCR", 'quote a number from 0 to 7: "0"'),
    r"^[a-z0-9]{1,15}$": ("an interface name", "use at most 15 lower-case letters and digits"),
}
"""What a pattern of the model is called, and how to write a value that fits it."""

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


class _Told(NamedTuple):
    """A finding without its place."""

    code: str
    message: str
    hint: str


def validate(raw: RawDocument) -> tuple[Document | None, list[Finding]]:
    """Return the typed document, or None and everything that is wrong with it."""
    if not isinstance(raw.value, dict):
        return None, [_at(raw, (), _Told("WrongType", f"is {_kind_of(raw.value)}; a document is a mapping", ""))]
    kind = raw.value.get("kind")
    if "kind" not in raw.value:
        return None, [_at(raw, (), _Told("MissingField", "kind is missing", f"say one of {', '.join(KINDS)}"))]
    if not isinstance(kind, str) or kind not in KINDS:
        hint = _suggest(str(kind), KINDS) or f"kinds are {', '.join(KINDS)}"
        return None, [_at(raw, ("kind",), _Told("UnknownKind", f"there is no kind {cut(str(kind))}", hint))]
    model = KINDS[kind].kind
    try:
        return model.model_validate_json(json.dumps(raw.value), by_alias=True, by_name=False), []
    except ValidationError as error:
        return None, _explain(raw, model=model, errors=error.errors(include_url=False))


def _explain(raw: RawDocument, *, model: type[BaseModel], errors: list[ErrorDetails]) -> list[Finding]:
    findings = []
    for error in errors:
        location = tuple(part for part in error["loc"] if part != "[key]")
        followed = error["type"] == "too_short" and _value(raw, location) not in ([], None)
        if not followed:  # A list whose members are wrong is also called too short; the members' findings say it all.
            findings.append(_finding(raw, model=model, error=error, location=location))
    return sorted(findings)


def _finding(raw: RawDocument, *, model: type[BaseModel], error: ErrorDetails, location: Location) -> Finding:
    shown = show(location)
    if left_open := open_hint(_value(raw, location), location):
        return _at(raw, location, _Told("LeftOpen", f"{shown} is left open", left_open))
    kind, context, value = error["type"], error.get("ctx", {}), _value(raw, location)
    if kind == "missing":
        return _at_key(raw, location[:-1], _Told("MissingField", f"{shown} is missing", "add it"))
    if kind == "extra_forbidden":
        hint = _suggest(str(location[-1]), _fields(model, location[:-1])) or "delete it, or look for its right name"
        return _at_key(raw, location, _Told("UnknownField", f"there is no field {shown}", hint))
    if kind in _WANTED:
        wanted = _WANTED[kind]
        told = _Told("WrongType", f"is {_kind_of(value)}; {wanted} is wanted", _type_hint(raw, location, wanted=wanted))
    elif kind in _TELLERS:
        told = _TELLERS[kind](context, value)
    else:
        told = _Told("BadValue", f"does not fit: {cut(error['msg']).lower()}", "")
    place = _at_key if error["loc"][-1:] == ("[key]",) else _at
    return place(raw, location, told._replace(message=f"{shown} {told.message}"))


def _tell_pattern(context: Mapping[str, object], _value: object) -> _Told:
    name, hint = _PATTERNS.get(str(context["pattern"]), (f"of the form {context['pattern']}", ""))
    return _Told("BadValue", f"is not {name}", hint)


def _tell_least(context: Mapping[str, object], value: object) -> _Told:
    return _Told("OutOfRange", f"is {value}; the least is {context['ge']}", f"write {context['ge']} or more")


def _tell_most(context: Mapping[str, object], value: object) -> _Told:
    return _Told("OutOfRange", f"is {value}; the most is {context['le']}", f"write {context['le']} or less")


def _tell_choice(context: Mapping[str, object], value: object) -> _Told:
    choices = [choice.strip("'") for choice in str(context["expected"]).replace(" or ", ", ").split(", ")]
    hint = _suggest(str(value), choices) or f"write {' or '.join(choices)}"
    return _Told("BadValue", f"is {cut(str(value))}, which is not known here", hint)


def _tell_short(_context: Mapping[str, object], _value: object) -> _Told:
    return _Told("BadValue", "is empty", "give at least one")


def _tell_long(context: Mapping[str, object], _value: object) -> _Told:
    return _Told("BadValue", f"is too long; the most is {context['max_length']}", "")


def _tell_rule(context: Mapping[str, object], _value: object) -> _Told:
    return _Told("BadValue", f"does not fit: {cut(str(context['error']))}", "")


_Teller = Callable[[Mapping[str, object], object], _Told]

_TELLERS: Mapping[str, _Teller] = {
    "string_pattern_mismatch": _tell_pattern,
    "greater_than_equal": _tell_least,
    "less_than_equal": _tell_most,
    "literal_error": _tell_choice,
    "enum": _tell_choice,
    "too_short": _tell_short,
    "too_long": _tell_long,
    "value_error": _tell_rule,
}


def show(location: Location) -> str:
    """Return a location as people write it: ``spec.interfaces[0].mac``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "the document"


def _at(raw: RawDocument, location: Location, told: _Told) -> Finding:
    line, column = raw.at(*location)
    return Finding(path=raw.path, line=line, column=column, **told._asdict())


def _at_key(raw: RawDocument, location: Location, told: _Told) -> Finding:
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
        return "write a whole number and one of s, m, h: 30s, 5m, 2h"
    if wanted == "a list" and isinstance(value, str):
        return f"write it in brackets: [{cut(value)}]"
    return ""


def _suggest(word: str, known: Iterable[str]) -> str:
    names = list(known)
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower().replace("_", ""), by_lower, n=1)
    return f"did you mean {by_lower[close[0]]}?" if close else ""


def _fields(model: type[BaseModel], location: Location) -> list[str]:
    """Return the fields that may stand at ``location`` of a document of type ``model``."""
    current: object = model
    for part in location:
        current = _step(_unwrap(current), part)
    current = _unwrap(current)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


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
