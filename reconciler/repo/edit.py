"""Edits of documents that people wrote: comments, order, quotes and layout stay as they are.

Rules: only the fields that differ are touched, each where it stands (``repo.splice``); a text that is laid out in a
way that cannot be edited so is written anew by ruamel's round-trip writer, which keeps comments, order and quotes.
Whatever was written is parsed again and compared with what was wanted before anybody sees it. What a document means
is not checked here.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from reconciler.errors.taxonomy import InputError
from reconciler.repo.documents import Location, Plain, parse_documents
from reconciler.repo.house import document_bytes, scalar
from reconciler.repo.splice import CannotSpliceError, Splicer

__all__ = ["delete_field", "document_bytes", "merge_document", "merged", "set_field"]

_BOM = b"\xef\xbb\xbf"
_MAX_STEPS = 10_000
_WIDE = 1 << 20
_Step: TypeAlias = tuple[str, Location, Plain]


def set_field(content: bytes, *, path: Location, value: Plain, document: int = 0) -> bytes:
    """Return ``content`` with ``value`` at ``path`` of one document; mappings on the way there are made.

    InputError: the content is not a document, or ``path`` leads through something that is no mapping or list.
    """
    values = _parse(content)
    return _rewrite(content, number=document, wanted=_with(values[document], path, value))


def delete_field(content: bytes, *, path: Location, document: int = 0) -> bytes:
    """Return ``content`` without the field at ``path``; nothing there: nothing happens."""
    values = _parse(content)
    return _rewrite(content, number=document, wanted=_without(values[document], path))


def merge_document(content: bytes | None, document: Mapping[str, Plain]) -> bytes:
    """Return ``content`` with the fields of ``document`` in it, in the document of the same kind and name.

    Fields that ``document`` does not have stay as they are. A document that is not there yet is added at the end.
    """
    if content is None or not content.strip():
        return document_bytes(document)
    values = _parse(content)
    own = _identity(document)
    for number, value in enumerate(values):
        if _identity(value) == own:
            return _rewrite(content, number=number, wanted=merged(value, dict(document)))
    if not values:
        return content.rstrip() + b"\n" + document_bytes(document)
    return content.rstrip() + b"\n---\n" + document_bytes(document)


def merged(old: Plain, new: Plain) -> Plain:
    """Return ``old`` with ``new`` over it: mappings key by key, lists whole, items of the same ``name`` as one."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old[key], each) if key in old else each for key, each in new.items()}}
    if isinstance(old, list) and isinstance(new, list):
        named = {name: each for each in old if (name := _name(each))}
        return [merged(named[name], each) if (name := _name(each)) in named else each for each in new]
    return new


def _name(value: Plain) -> str:
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def _identity(value: object) -> tuple[object, object]:
    metadata = value.get("metadata") if isinstance(value, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return (value.get("kind"), name) if isinstance(value, Mapping) else (None, None)


def _rewrite(content: bytes, *, number: int, wanted: Plain) -> bytes:
    """Return ``content`` with its document ``number`` made ``wanted``, by steps, each of which is verified."""
    bom, body = (_BOM, content[len(_BOM) :]) if content.startswith(_BOM) else (b"", content)
    for _ in range(_MAX_STEPS):
        values = _parse(body)
        step = _first_step(values[number], wanted, ())
        if step is None:
            return bom + body
        expected = [_after(value, step) if i == number else value for i, value in enumerate(values)]
        body = _take(body, number=number, step=step, expected=expected)
    raise _not_editable("needs too many edits")


def _take(body: bytes, *, number: int, step: _Step, expected: list[Plain]) -> bytes:
    for write in (_spliced, _written_anew):
        try:
            edited = write(body, number=number, step=step).encode()
        except (CannotSpliceError, YAMLError, UnicodeEncodeError, LookupError, ValueError):
            continue
        raws, findings = parse_documents(edited, path="edited")
        if not findings and _key([raw.value for raw in raws]) == _key(expected):
            return edited
    raise _not_editable("is laid out in a way that cannot be edited")


def _first_step(old: Plain, new: Plain, at: Location) -> _Step | None:
    """Return one edit that brings ``old`` nearer to ``new``: added first, then changed, then taken out."""
    if _key(old) == _key(new):
        return None
    if isinstance(old, dict) and isinstance(new, dict) and old and new:
        return _first_of_mapping(old, new, at)
    if isinstance(old, list) and isinstance(new, list) and old and new:
        return _first_of_list(old, new, at)
    return "replace", at, new


def _first_of_mapping(old: dict[str, Plain], new: dict[str, Plain], at: Location) -> _Step:
    for name, value in new.items():
        if name not in old:
            return "insert", (*at, name), value
    steps = (_first_step(old[name], new[name], (*at, name)) for name in new)
    gone = next((name for name in old if name not in new), "")
    return next((step for step in steps if step), ("delete", (*at, gone), None))


def _first_of_list(old: list[Plain], new: list[Plain], at: Location) -> _Step:
    if len(old) < len(new):
        return "append", at, new[len(old)]
    i = next((i for i, each in enumerate(new) if _key(old[i]) != _key(each)), len(old) - 1)
    step = _first_step(old[i], new[i], (*at, i)) if len(old) == len(new) else None
    return step or ("delete", (*at, i), None)


def _after(value: Plain, step: _Step) -> Plain:
    what, at, new = step
    if what == "delete":
        return _without(value, at)
    if what == "append":
        found = _at(value, at)
        return _with(value, at, [*found, new] if isinstance(found, list) else new)
    return _with(value, at, new)


def _spliced(body: bytes, *, number: int, step: _Step) -> str:
    splicer = Splicer(body.decode(), number=number)
    what, at, value = step
    if what == "insert":
        return splicer.insert(at[:-1], str(at[-1]), value)
    if what == "append":
        return splicer.append(at, value)
    return splicer.delete(at) if what == "delete" else splicer.replace(at, value)


def _written_anew(body: bytes, *, number: int, step: _Step) -> str:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = _WIDE
    yaml.indent(mapping=2, sequence=4, offset=2)
    documents: list[Any] = list(yaml.load_all(body.decode()))
    what, at, value = step
    if not at:
        documents[number] = _quoted(value)
    else:
        parent = documents[number]
        for name in at if what == "append" else at[:-1]:
            parent = parent[name]
        if what == "append":
            parent.append(_quoted(value))
        elif what == "delete":
            del parent[at[-1]]
        else:
            parent[at[-1]] = _quoted(value)
    stream = io.StringIO()
    yaml.dump_all(documents, stream)
    return stream.getvalue()


def _quoted(value: Plain) -> Any:  # noqa: ANN401  # what ruamel's writer takes
    if isinstance(value, dict):
        return {_quoted(name): _quoted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_quoted(each) for each in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and scalar(value) != value else value


def _at(value: Plain, path: Location) -> Plain:
    for name in path:
        value = value[name]  # type: ignore[index]  # it was found by this path
    return value


def _with(value: Plain, path: Location, new: Plain) -> Plain:
    """Return ``value`` with ``new`` at ``path``."""
    if not path:
        return new
    name, rest = path[0], path[1:]
    if isinstance(name, str) and (value is None or isinstance(value, dict)):
        return {**(value or {}), name: _with((value or {}).get(name), rest, new)}
    if isinstance(name, int) and isinstance(value, list) and 0 <= name <= len(value):
        old = value[name] if name < len(value) else None
        return [*value[:name], _with(old, rest, new), *value[name + 1 :]]
    raise _not_editable(f"has no place for {name}")


def _without(value: Plain, path: Location) -> Plain:
    name, rest = path[0], path[1:]
    if isinstance(value, dict) and isinstance(name, str) and name in value:
        if not rest:
            return {key: each for key, each in value.items() if key != name}
        return {**value, name: _without(value[name], rest)}
    if isinstance(value, list) and isinstance(name, int) and 0 <= name < len(value):
        return [*value[:name], *([_without(value[name], rest)] if rest else []), *value[name + 1 :]]
    return value


def _parse(content: bytes) -> list[Plain]:
    raws, findings = parse_documents(content, path="document")
    if findings:
        message = f"cannot be edited: {findings[0].message}"
        raise InputError("document", message, reason=findings[0].code, hint=findings[0].hint, findings=tuple(findings))
    return [raw.value for raw in raws]


def _key(value: Plain) -> str:
    """Return what two values share exactly if they are the same, kinds of number included."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{name!r}:{_key(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_key(each) for each in value) + "]"
    return repr(value)


def _not_editable(message: str) -> InputError:
    return InputError("document", message, reason="NotEditable", hint="write the field by hand")
