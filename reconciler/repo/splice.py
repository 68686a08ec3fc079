"""One edit of a YAML text, made where the value stands: everything else keeps its bytes.

ruamel's round-trip reader says where each value begins and ends; only that piece of text is replaced. (Its writer
would lay out the whole file anew: indentation, spaces within brackets, long lines.) Rules: an edit is one key or item
that is added, changed or taken out; a comment goes only with the value that it stands in. ``CannotSpliceError`` where
the text is laid out in a way that is not understood; the caller checks every result by parsing it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from reconciler.repo.documents import Location, Plain
from reconciler.repo.house import block, fits_inline, inline, scalar


class CannotSpliceError(Exception):
    """The text is laid out in a way that is not understood here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    """A value in the text: its node, its key if it has one, and whether brackets are around it."""

    node: Node
    key: Node | None
    in_flow: bool


class Splicer:
    """The text of one file, and one document in it."""

    def __init__(self, text: str, *, number: int = 0) -> None:
        """Read ``text`` and look at its document ``number``, from 0."""
        self._text = text
        self._break = "\r\n" if "\r\n" in text else "\n"
        roots = [root for root in YAML(typ="rt", pure=True).compose_all(text) if root is not None]
        self._root: Node = roots[number]

    def replace(self, location: Location, value: Plain) -> str:
        """Return the text with ``value`` at ``location``, where there is a value now."""
        spot = self._find(location)
        node = spot.node
        is_brackets = isinstance(node, MappingNode | SequenceNode) and node.flow_style and bool(node.value)
        if spot.in_flow or is_brackets or fits_inline(value, column=self._column(spot)):
            return self._put_inline(spot, self._inline(node, value))
        if not isinstance(value, dict | list):  # not reached: single values fit
            raise CannotSpliceError
        return self._put_block(spot, value)

    def insert(self, location: Location, key: str, value: Plain) -> str:
        """Return the text with one more key in the mapping at ``location``."""
        spot = self._find(location)
        if not isinstance(spot.node, MappingNode):
            raise CannotSpliceError
        if spot.node.flow_style:
            return self._put_in_brackets(spot.node, f"{scalar(key)}: {inline(value)}")
        return self._put_lines(spot, block({key: value}, column=_column(spot.node.value[0][0])))

    def append(self, location: Location, value: Plain) -> str:
        """Return the text with one more item at the end of the list at ``location``."""
        spot = self._find(location)
        if not isinstance(spot.node, SequenceNode):
            raise CannotSpliceError
        if spot.node.flow_style:
            return self._put_in_brackets(spot.node, inline(value))
        return self._put_lines(spot, block([value], column=_column(spot.node)))

    def delete(self, location: Location) -> str:
        """Return the text without what is at ``location``; its collection must have something else in it."""
        parent, last = self._find(location[:-1]).node, location[-1]
        members = _members(parent)
        index = next(i for i, (name, _, _) in enumerate(members) if name == last)
        if len(members) == 1:
            raise CannotSpliceError
        _, key, node = members[index]
        first = key if key is not None else node
        start, end = first.start_mark.index, self._end(_Spot(node=node, key=key, in_flow=False))
        if _is_flow(parent):
            return self._delete_in_brackets(members, index, start=start, end=end)
        if key is None:
            start = self._text.rfind("-", 0, start)
        line = self._line_start(start)
        if not self._text[line:start].strip():
            return self._text[:line] + self._text[self._next_line(end) :]
        if key is None or index + 1 == len(members):
            raise CannotSpliceError
        # The first key behind a dash: the next one moves up to it.
        following = members[index + 1][1]
        if following is None:  # not in a mapping
            raise CannotSpliceError
        return self._text[:start] + self._text[following.start_mark.index :]

    def _delete_in_brackets(
        self, members: list[tuple[str | int, Node | None, Node]], index: int, *, start: int, end: int
    ) -> str:
        if index + 1 < len(members):
            _, key, node = members[index + 1]
            return self._text[:start] + self._text[(key if key is not None else node).start_mark.index :]
        _, key, node = members[index - 1]
        return self._text[: self._end(_Spot(node=node, key=key, in_flow=True))] + self._text[end:]

    def _find(self, location: Location) -> _Spot:
        node, key, in_flow = self._root, None, False
        for name in location:
            in_flow = in_flow or _is_flow(node)
            found = [(key, value) for here, key, value in _members(node) if here == name]
            if not found:
                raise CannotSpliceError
            key, node = found[0]
        return _Spot(node=node, key=key, in_flow=in_flow)

    def _inline(self, old: Node, value: Plain) -> str:
        if isinstance(value, str) and isinstance(old, ScalarNode) and old.style in {"'", '"'}:
            return scalar(value, quote=old.style)
        return inline(value)

    def _put_inline(self, spot: _Spot, written: str) -> str:
        node, start = spot.node, spot.node.start_mark.index
        if self._is_block(node) and spot.key is not None:
            colon = self._colon(spot.key)
            rest = self._text[colon : self._line_end(colon)]
            return f"{self._text[:colon]} {written}{rest}{self._text[self._line_end(self._end(spot)) :]}"
        if self._is_empty(node):
            if spot.key is None or spot.in_flow:
                raise CannotSpliceError
            start = end = self._colon(spot.key)
            written = f" {written}"
        else:
            end = self._end(spot)
        return self._text[:start] + written + self._text[end:]

    def _put_block(self, spot: _Spot, value: dict[str, Plain] | list[Plain]) -> str:
        node = spot.node
        if spot.key is None:
            column = _column(node)
            lines = block(value, column=column)
            start = node.start_mark.index
            return self._text[:start] + self._break.join(lines).lstrip() + self._text[self._end(spot) :]
        lines = block(value, column=_column(spot.key) + 2)
        colon = self._colon(spot.key)
        end = colon if self._is_empty(node) else self._end(spot)
        # What stands behind the old value, or behind the key of an old block, is a comment and stays.
        kept = (
            self._text[colon : self._line_end(colon)] if self._is_block(node) else self._text[end : self._line_end(end)]
        )
        written = self._break.join([self._text[:colon] + kept, *lines])
        return written + self._text[self._line_end(end) :]

    def _put_in_brackets(self, node: Node, written: str) -> str:
        members = _members(node)
        if not members:
            at = node.start_mark.index + 1
            return self._text[:at] + written + self._text[at:]
        _, key, last = members[-1]
        at = self._end(_Spot(node=last, key=key, in_flow=True))
        return f"{self._text[:at]}, {written}{self._text[at:]}"

    def _put_lines(self, spot: _Spot, lines: list[str]) -> str:
        """Return the text with ``lines`` behind the last line of a block collection."""
        at = self._line_end(self._end(spot))
        return self._text[:at] + "".join(self._break + line for line in lines) + self._text[at:]

    def _end(self, spot: _Spot) -> int:
        """Return where a value ends; the reader's own marks of blocks run on to whatever follows."""
        node = spot.node
        if self._is_block(node):
            _, key, last = _members(node)[-1]
            return self._end(_Spot(node=last, key=key, in_flow=False))
        if self._is_empty(node):
            if spot.key is None or spot.in_flow:
                raise CannotSpliceError
            return self._colon(spot.key)
        end: int = node.end_mark.index
        if isinstance(node, ScalarNode) and node.style in {"|", ">"}:
            return len(self._text[:end].rstrip())
        return end

    def _column(self, spot: _Spot) -> int:
        """Return where a value on one line would begin."""
        at = spot.node if spot.key is None else spot.key
        width = 0 if spot.key is None else len(str(spot.key.value)) + 2
        return _column(at) + width

    def _colon(self, key: Node) -> int:
        """Return the place behind the colon of ``key``."""
        return self._text.index(":", key.end_mark.index) + 1

    def _is_block(self, node: Node) -> bool:
        return isinstance(node, MappingNode | SequenceNode) and not node.flow_style and bool(node.value)

    def _is_empty(self, node: Node) -> bool:
        return isinstance(node, ScalarNode) and node.value == "" and node.style not in {"'", '"', "|", ">"}

    def _line_start(self, at: int) -> int:
        return self._text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        """Return the end of the line of ``at``, before its line break."""
        end = self._text.find("\n", at)
        end = len(self._text) if end < 0 else end
        return end - 1 if end > at and self._text[end - 1] == "\r" else end

    def _next_line(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end + 1


def _members(node: Node) -> list[tuple[str | int, Node | None, Node]]:
    """Return name, key and value of everything in a collection."""
    if isinstance(node, MappingNode):
        return [(str(key.value), key, value) for key, value in node.value]
    if isinstance(node, SequenceNode):
        return [(i, None, value) for i, value in enumerate(node.value)]
    raise CannotSpliceError


def _is_flow(node: Node) -> bool:
    return isinstance(node, MappingNode | SequenceNode) and bool(node.flow_style)


def _column(node: Node) -> int:
    column: int = node.start_mark.column
    return column
