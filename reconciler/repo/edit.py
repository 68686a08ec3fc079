"""Small edits of a document's text: one field set or taken out, every other character kept as it was.

Rules: where things stand is told by a YAML parser, never guessed; the result is read again, and an edit that changes
anything else than the field is refused. Only mappings are edited, and values are written in one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from reconciler.errors.taxonomy import InputError, InvariantError
from reconciler.repo.documents import Plain, parse_documents

Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One key of a mapping with its value."""

    key: ScalarNode
    value: Node

    @property
    def last_line(self) -> int:
        """Return the line (from 0) that the entry's last character is in, comments after it left aside."""
        return _last_line(self.value, key=self.key)


def set_field(content: bytes, *, path: Path, value: Plain, document: int = 0) -> bytes:
    """Return ``content`` with the field at ``path`` of its ``document`` (from 0) set; InputError if it cannot be.

    The mapping that holds the field must be there.
    """
    text = _decode(content)
    mapping = _mapping(text, path=path[:-1], document=document)
    present = next((entry for entry in _entries(mapping) if entry.key.value == path[-1]), None)
    if present is not None and _is_in_one_line(present.value):
        start, end = present.value.start_mark.index, present.value.end_mark.index
        edited = text[:start] + _write(value) + text[end:]
    else:
        if present is not None:
            text = _without(text, mapping, path[-1])
            mapping = _mapping(text, path=path[:-1], document=document)
        edited = _with(text, mapping, f"{path[-1]}: {_write(value)}")
    return _checked(content, edited, path=path, value=value, document=document)


def delete_field(content: bytes, *, path: Path, document: int = 0) -> bytes:
    """Return ``content`` without the field at ``path`` of its ``document``; as it is if there is no such field."""
    text = _decode(content)
    mapping = _mapping(text, path=path[:-1], document=document)
    if all(entry.key.value != path[-1] for entry in _entries(mapping)):
        return content
    return _checked(content, _without(text, mapping, path[-1]), path=path, value=None, document=document)


def _with(text: str, mapping: MappingNode, line: str) -> str:
    """Return ``text`` with one more entry at the end of ``mapping``."""
    entries = list(_entries(mapping))
    if mapping.flow_style or not entries:
        end = mapping.end_mark.index - 1
        return text[:end].rstrip() + (", " if entries else "") + line + text[end:]
    lines = text.split("\n")
    lines.insert(entries[-1].last_line + 1, " " * entries[0].key.start_mark.column + line)
    return "\n".join(lines)


def _without(text: str, mapping: MappingNode, name: str) -> str:
    """Return ``text`` without the entry ``name`` of ``mapping``, which is there."""
    entries = list(_entries(mapping))
    index = next(index for index, entry in enumerate(entries) if entry.key.value == name)
    if not mapping.flow_style:
        lines = text.split("\n")
        del lines[entries[index].key.start_mark.line : entries[index].last_line + 1]
        return "\n".join(lines)
    if index:
        start, end = entries[index - 1].value.end_mark.index, entries[index].value.end_mark.index
    else:
        following = entries[1].key.start_mark if len(entries) > 1 else entries[0].value.end_mark
        start, end = entries[0].key.start_mark.index, following.index
    return text[:start] + text[end:]


def _decode(content: bytes) -> str:
    raws, findings = parse_documents(content, path="the document")
    if findings or not raws:
        message = findings[0].message if findings else "holds no document"
        raise InputError("the document", message, reason="EditRefused", hint="run: ringfence validate")
    return content.decode("utf-8-sig")


def _mapping(text: str, *, path: Path, document: int) -> MappingNode:
    node: Any = list(YAML(typ="safe", pure=True).compose_all(text))[document]
    for name in path:
        node = next((entry.value for entry in _entries(node) if entry.key.value == name), None)
    if not isinstance(node, MappingNode):
        shown = ".".join(path)
        raise InputError("the document", f"has no mapping {shown}", reason="EditRefused", hint="edit it by hand")
    return node


def _entries(node: Node | None) -> Iterator[_Entry]:
    for key, value in node.value if isinstance(node, MappingNode) else ():
        yield _Entry(key=key, value=value)


def _is_in_one_line(node: Node) -> bool:
    """Return whether the value can be replaced where it stands."""
    if isinstance(node, ScalarNode):
        return node.style in {"'", '"'} or bool(node.style is None and node.value)
    return _is_flow(node)


def _is_flow(node: Node) -> bool:
    return isinstance(node, CollectionNode) and bool(node.flow_style)


def _last_line(node: Node, *, key: Node) -> int:
    if isinstance(node, ScalarNode):
        if not node.value and node.style is None:
            return int(key.end_mark.line)
        return int(node.end_mark.line) - (node.style in {"|", ">"})
    if _is_flow(node) or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1], key=last[0]) if isinstance(node, MappingNode) else _last_line(last, key=last)


def _write(value: Plain) -> str:
    """Return ``value`` in one line; texts are quoted."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_write(own)}" for name, own in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _checked(content: bytes, edited: str, *, path: Path, value: Plain, document: int) -> bytes:
    before, _ = parse_documents(content, path="")
    after, findings = parse_documents(edited.encode(), path="")
    expected = [raw.value for raw in before]
    place: Any = expected[document]
    for name in path[:-1]:
        place = place[name]
    if value is None:
        place.pop(path[-1], None)
    else:
        place[path[-1]] = value
    if findings or [raw.value for raw in after] != expected:
        raise InvariantError("the document", "an edit would change more than its field", reason="EditRefused")
    return edited.encode()
