r"""Patterns for whole paths: a regular language in the usual notation, parsed without running anything.

A pattern is always matched against a whole path, byte by byte. The notation is the part of Python's that is regular:
literals, ``.`` (any byte but a newline), ``[a-z]`` and ``[^…]``, ``\d`` ``\w`` ``\s``, groups, ``|``, ``*`` ``+``
``?``, and ``{m,n}`` after a single character. ``^`` may begin and ``$`` may end an alternative that is in no group;
they change nothing. Back references, look-around, flags and the rest are refused, so that matching takes time linear
in the path whatever the pattern (the matcher is in ``attest/ima/exclusion.py``).
"""

from __future__ import annotations

from enum import StrEnum

MAX_PATTERN = 1024
"""Longer patterns are refused; counted in characters."""

MAX_SIZE = 4096
"""A pattern is made of at most this many parts once its counts are written out."""

_MAX_COUNT = 256
_ALL = (1 << 256) - 1
_ASCII = 0x80
_MISPLACED_END = "$ may only end the pattern, or an alternative that is in no group"


def _mask(*, chars: bytes) -> int:
    found = 0
    for char in chars:
        found |= 1 << char
    return found


_DIGITS = _mask(chars=b"0123456789")
_WORD = _DIGITS | _mask(chars=b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _mask(chars=b" \t\n\r\f\v")}
_CONTROLS = {"n": 0x0A, "t": 0x09, "r": 0x0D, "f": 0x0C, "v": 0x0B}
_ANY = _ALL & ~(1 << 0x0A)


class Operator(StrEnum):
    """What is done with the parts before it, in postfix order."""

    EMPTY = "empty"
    JOIN = "join"
    EITHER = "either"
    ANY_NUMBER = "*"
    AT_LEAST_ONE = "+"
    AT_MOST_ONE = "?"


Part = Operator | int
"""An operator, or the set of bytes that one position may hold: bit ``n`` stands for byte ``n``."""

_QUANTIFIERS = {"*": Operator.ANY_NUMBER, "+": Operator.AT_LEAST_ONE, "?": Operator.AT_MOST_ONE}


def parse_pattern(text: str) -> tuple[Part, ...]:
    """Return the parts of ``text`` in postfix order; ValueError says what in it is not understood, and where."""
    if not text or len(text) > MAX_PATTERN:
        raise ValueError(f"a pattern has 1 to {MAX_PATTERN} characters")
    return _Parser(text).parse()


class _Parser:
    """Shunting-yard over one pattern: no recursion, one step per character."""

    __slots__ = ("_at", "_depths", "_ended", "_output", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._output: list[Part] = []
        # For each open group, and the pattern as a whole: alternatives so far, and the parts of the current one.
        self._depths: list[tuple[int, int]] = [(0, 0)]
        self._ended = False

    def parse(self) -> tuple[Part, ...]:
        while self._at < len(self._text):
            self._step()
            if len(self._output) > MAX_SIZE:
                raise self._error(f"with its counts written out, the pattern has more than {MAX_SIZE} parts")
        if len(self._depths) > 1:
            raise self._error("a group is not closed")
        self._close()
        return tuple(self._output)

    def _step(self) -> None:
        char = self._text[self._at]
        if self._ended and char != "|":
            raise self._error(_MISPLACED_END)
        self._at += 1
        match char:
            case "(":
                self._open()
            case ")":
                self._end_group()
            case "|":
                self._ended = False
                self._end_alternative()
            case "^":
                self._check_beginning()
            case "$":
                if len(self._depths) > 1:
                    raise self._error(_MISPLACED_END)
                self._ended = True
            case "*" | "+" | "?" | "{" | "}" | "]":
                raise self._error(f"{char!r} stands where it means nothing; a literal one is written \\{char}")
            case _:
                self._add(char)

    def _check_beginning(self) -> None:
        if len(self._depths) > 1 or self._depths[-1][1]:
            raise self._error("^ may only begin the pattern, or an alternative that is in no group")

    def _add(self, char: str) -> None:
        if char.isascii():
            self._add_set(self._atom(char))
        else:
            self._add_text(char)

    def _atom(self, char: str) -> int:
        if char == "[":
            return self._class()
        if char == ".":
            return _ANY
        return self._escape() if char == "\\" else 1 << ord(char)

    def _open(self) -> None:
        if self._text.startswith("?:", self._at):
            self._at += 2
        elif self._text.startswith("?", self._at):
            raise self._error("of the groups that begin with (? only (?: is understood")
        self._depths.append((0, 0))

    def _end_group(self) -> None:
        if len(self._depths) == 1:
            raise self._error("a group is closed that was not opened")
        self._close()
        self._depths.pop()
        operator = self._quantifier()
        if operator is not None:
            self._output.append(operator)
        self._joined()

    def _close(self) -> None:
        alternatives, parts = self._depths[-1]
        if not parts:
            self._output.append(Operator.EMPTY)
        self._output.extend([Operator.EITHER] * alternatives)

    def _end_alternative(self) -> None:
        alternatives, parts = self._depths[-1]
        if not parts:
            self._output.append(Operator.EMPTY)
        self._depths[-1] = (alternatives + 1, 0)

    def _joined(self) -> None:
        alternatives, parts = self._depths[-1]
        if parts:
            self._output.append(Operator.JOIN)
        self._depths[-1] = (alternatives, parts + 1)

    def _add_text(self, char: str) -> None:
        encoded = char.encode("utf-8")
        self._output.append(1 << encoded[0])
        for byte in encoded[1:]:
            self._output += [1 << byte, Operator.JOIN]
        operator = self._quantifier()
        if operator is not None:
            self._output.append(operator)
        self._joined()

    def _add_set(self, allowed: int) -> None:
        if self._text.startswith("{", self._at):
            self._add_counted(allowed)
            return
        operator = self._quantifier()
        self._output.append(allowed)
        if operator is not None:
            self._output.append(operator)
        self._joined()

    def _add_counted(self, allowed: int) -> None:
        least, most = self._count()
        copies: list[list[Part]] = [[allowed] for _ in range(least)]
        if most is None:
            copies.append([allowed, Operator.ANY_NUMBER])
        else:
            copies += [[allowed, Operator.AT_MOST_ONE] for _ in range(most - least)]
        for copy in copies or [[Operator.EMPTY]]:
            self._output += copy
            self._joined()

    def _count(self) -> tuple[int, int | None]:
        end = self._text.find("}", self._at)
        least, comma, most = self._text[self._at + 1 : max(end, self._at)].partition(",")
        if not least.isdecimal() or not least.isascii() or not (not most or (most.isdecimal() and most.isascii())):
            raise self._error("a count is {m}, {m,} or {m,n}")
        self._at = end + 1
        self._not_quantified()
        low = int(least[:4])
        high = int(most[:4]) if most else None if comma else low
        if max(low, high or 0) > _MAX_COUNT or (high is not None and high < low):
            raise self._error(f"counts are in order, and at most {_MAX_COUNT}")
        return low, high

    def _quantifier(self) -> Operator | None:
        if self._text.startswith("{", self._at):
            raise self._error("a count may only follow a single ASCII character or class")
        found = _QUANTIFIERS.get(self._text[self._at : self._at + 1])
        if found is not None:
            self._at += 1
            self._not_quantified()
        return found

    def _not_quantified(self) -> None:
        # A lazy quantifier matches the same whole paths as a greedy one.
        if self._text.startswith("?", self._at):
            self._at += 1
        if self._text.startswith(("*", "+", "?", "{"), self._at):
            raise self._error("a quantifier follows a quantifier")

    def _escape(self) -> int:
        char = self._text[self._at : self._at + 1]
        self._at += 1
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _CONTROLS:
            return 1 << _CONTROLS[char]
        if not char or not char.isascii() or char.isalnum():
            raise self._error(f"the escape \\{char} is not understood")
        return 1 << ord(char)

    def _class(self) -> int:
        is_negated = self._text.startswith("^", self._at)
        self._at += is_negated
        found, first = 0, True
        while first or not self._text.startswith("]", self._at):
            first = False
            low = self._member()
            if is_negated and low.bit_count() > 1:
                raise self._error("a class that begins with ^ names single characters and ranges only")
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                found |= self._range(low, self._member())
            else:
                found |= low
        self._at += 1
        return _ALL & ~found if is_negated else found

    def _member(self) -> int:
        char = self._text[self._at : self._at + 1]
        if not char:
            raise self._error("a class is not closed")
        if ord(char) >= _ASCII or char == "[":
            raise self._error("a class holds ASCII characters; [ is written \\[")
        self._at += 1
        return self._escape() if char == "\\" else 1 << ord(char)

    def _range(self, low: int, high: int) -> int:
        if low.bit_count() != 1 or high.bit_count() != 1 or high < low:
            raise self._error("a range is from one character to a later one")
        return (high << 1) - low

    def _error(self, message: str) -> ValueError:
        return ValueError(f"{message} (at character {min(self._at, len(self._text))})")
