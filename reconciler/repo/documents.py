"""Bytes to plain documents with positions: YAML 1.2, core schema, and less of it than YAML allows.

Rules: UTF-8, at most 1 MiB a file and 32 levels; no tags, anchors, aliases or directives; keys are text and unique.
Scalars are resolved here, by the core schema (YAML 1.2.2, 10.3.2), so that an unquoted MAC is text.
Everything wrong becomes a finding with its line and column. What the documents mean is not checked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.errors.taxonomy import Finding, cut
from reconciler.repo.yaml_words import conflict_line, encoding_hint, yaml_words

MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 32
_MAX_NUMBER_LENGTH = 40

Plain: TypeAlias = bool | int | float | str | list["Plain"] | dict[str, "Plain"] | None
Position = tuple[int, int]
Location = tuple[str | int, ...]

_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGERS = ((re.compile(r"[-+]?[0-9]+"), 10), (re.compile(r"0o[0-7]+"), 8), (re.compile(r"0x[0-9a-fA-F]+"), 16))
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a value stands, and its key if it has one; ``text`` is a plain scalar as it was written."""

    key: Position
    value: Position
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDocument:
    """One YAML document that has not been validated. ``marks`` are by path from the document's root."""

    path: str
    value: Plain
    marks: Mapping[Location, Mark]

    def at(self, *location: str | int) -> Position:
        """Return the position of the value at ``location``, or of the nearest enclosing one that exists."""
        return self._nearest(location).value

    def at_key(self, *location: str | int) -> Position:
        """Return the position of the key at ``location``, or of the nearest enclosing one that exists."""
        return self._nearest(location).key

    def text(self, *location: str | int) -> str:
        """Return the plain scalar at ``location`` as it was written, or nothing."""
        mark = self.marks.get(location)
        return mark.text if mark else ""

    def _nearest(self, location: Location) -> Mark:
        while location not in self.marks:
            location = location[:-1]
        return self.marks[location]


def resolve_plain(text: str) -> bool | int | float | str | None:
    """Return what the plain scalar ``text`` means by the core schema; OverflowError for a number of too many digits."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for pattern, base in _INTEGERS:
        if pattern.fullmatch(text):
            if len(text) > _MAX_NUMBER_LENGTH:
                raise OverflowError
            return int(text, base)
    if _FLOAT.fullmatch(text):
        return float(re.sub(r"\.(?=[iInN])", "", text))
    return text


class _RefusedError(Exception):
    """The rest of the file cannot be read; carries the finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def parse_documents(content: bytes, *, path: str) -> tuple[list[RawDocument], list[Finding]]:
    """Return the documents in ``content``, and everything that is wrong with it as YAML.

    With findings there are no documents: half a file says nothing.
    """
    if len(content) > MAX_FILE_BYTES:
        return [], [too_large(path, size=len(content))]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        hint = encoding_hint(content)
        return [], [Finding(path=path, line=line, column=column, code="NotUtf8", message="is not UTF-8", hint=hint)]
    reader = _Reader(path=path)
    try:
        documents = list(reader.read(YAML(typ="safe", pure=True).parse(text)))
    except _RefusedError as refused:
        return [], [*reader.findings, refused.finding]
    except YAMLError as error:
        return [], [*reader.findings, _not_yaml(error, path=path, content=content)]
    return ([], reader.findings) if reader.findings else (documents, [])


def _not_yaml(error: YAMLError, *, path: str, content: bytes) -> Finding:
    conflict = conflict_line(content)
    if conflict:
        hint = "choose between the two sides, and delete the lines that begin with <<<<<<<, ======= and >>>>>>>"
        message = "a merge was left unfinished here"
        return Finding(path=path, line=conflict, column=1, code="MergeConflict", message=message, hint=hint)
    marked = error if isinstance(error, MarkedYAMLError) else None
    words = yaml_words(cut(str((marked.problem or marked.context) if marked else error)))
    marks = (marked.problem_mark, marked.context_mark) if marked else (None, None)
    mark = (marks[1] or marks[0]) if words.is_at_start else (marks[0] or marks[1])
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    message = f"is not YAML: {words.message}"
    return Finding(path=path, line=line, column=column, code="NotYaml", message=message, hint=words.hint)


def too_large(path: str, *, size: int, limit: int = MAX_FILE_BYTES) -> Finding:
    """Return the finding for a file of ``size`` bytes, which is over the ``limit``."""
    return Finding(
        path=path,
        code="TooLarge",
        message=f"has {size} bytes; the limit is {limit}",
        hint="split it into several files",
    )


class _Reader:
    """Builds plain values from parser events, one file at a time."""

    def __init__(self, *, path: str) -> None:
        self.findings: list[Finding] = []
        self._path = path
        self._marks: dict[Location, Mark] = {}

    def read(self, events: Iterator[Event]) -> Iterator[RawDocument]:
        """Yield each document that is not empty."""
        for event in events:
            if not isinstance(event, DocumentStartEvent):
                continue
            if event.version or event.tags:
                self._find(event, "DirectiveRefused", "a YAML directive is not allowed here", "delete the % line")
            self._marks = {}
            root = next(events)
            value = self._value(root, events=events, location=(), key=_position(root))
            if value is not None:
                yield RawDocument(path=self._path, value=value, marks=self._marks)

    def _value(self, event: Event, *, events: Iterator[Event], location: Location, key: Position) -> Plain:
        if len(location) > MAX_DEPTH:
            raise _RefusedError(
                self._finding(
                    event,
                    "TooDeep",
                    f"is nested deeper than {MAX_DEPTH} levels",
                    "look for brackets that were not closed",
                )
            )
        self._refuse_extras(event)
        here = _position(event)
        if isinstance(event, ScalarEvent):
            value = self._scalar(event)
            text = event.value if event.implicit[0] else ""
            self._marks[location] = Mark(key=key, value=key if value is None else here, text=text)
            return value
        self._marks[location] = Mark(key=key, value=here)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(events, location=location)
        if isinstance(event, MappingStartEvent):
            return self._mapping(events, location=location)
        return None

    def _sequence(self, events: Iterator[Event], *, location: Location) -> list[Plain]:
        items: list[Plain] = []
        while not isinstance(event := next(events), SequenceEndEvent):
            where = (*location, len(items))
            items.append(self._value(event, events=events, location=where, key=_position(event)))
        return items

    def _mapping(self, events: Iterator[Event], *, location: Location) -> dict[str, Plain]:
        items: dict[str, Plain] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            name = self._key(event)
            key = _position(event)
            if name in items:
                line = self._marks[(*location, name)].key[0]
                more = "; a new document begins with a line ---" if not location and name == "apiVersion" else ""
                hint = f"the first is in line {line}{more}"
                if location or all(finding.code != "DuplicateKey" for finding in self.findings):
                    self._find(event, "DuplicateKey", f"{name} stands here a second time", hint)
            value = self._value(next(events), events=events, location=(*location, name), key=key)
            items[name] = value
        return items

    def _key(self, event: Event) -> str:
        self._refuse_extras(event)
        if not isinstance(event, ScalarEvent):
            hint = "write name: value, or quote a text that begins with a bracket"
            raise _RefusedError(self._finding(event, "KeyNotText", "a key is text, not a list or a mapping", hint))
        if not isinstance(self._scalar(event), str):
            self._find(
                event, "KeyNotText", f"the key {cut(event.value)} is not text", f'quote it: "{cut(event.value)}"'
            )
        return str(event.value)

    def _scalar(self, event: ScalarEvent) -> bool | int | float | str | None:
        text = str(event.value)
        if event.implicit[0]:
            return self._resolve(event, text)
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._find(
                event, "NotText", "holds half of a surrogate pair, which is no character", "write the character itself"
            )
            return ""
        return text

    def _resolve(self, event: ScalarEvent, text: str) -> bool | int | float | str | None:
        try:
            return resolve_plain(text)
        except OverflowError:
            self._find(event, "NumberTooLong", "is a number of too many digits", "quote it if it is text")
            return 0

    def _refuse_extras(self, event: Event) -> None:
        if isinstance(event, AliasEvent):
            self._find(event, "AliasRefused", f"the alias *{event.anchor} is not allowed here", "write it out")
        elif isinstance(event, NodeEvent) and event.anchor:
            self._find(event, "AnchorRefused", f"the anchor &{event.anchor} is not allowed here", "delete it")
        tag = getattr(event, "tag", None)
        if tag:
            self._find(event, "TagRefused", f"the tag {cut(str(tag))} is not allowed here", "delete it, quote text")

    def _find(self, event: Event, code: str, message: str, hint: str) -> None:
        self.findings.append(self._finding(event, code, message, hint))

    def _finding(self, event: Event, code: str, message: str, hint: str) -> Finding:
        line, column = _position(event)
        return Finding(path=self._path, line=line, column=column, code=code, message=message, hint=hint)


def _position(event: Event) -> Position:
    """Return line and column, from 1."""
    mark = event.start_mark
    return mark.line + 1, mark.column + 1
