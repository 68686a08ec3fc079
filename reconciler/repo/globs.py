"""Whether one path pattern of the trust rules matches everything that another one matches; exact, not a guess.

Both are regular languages, so it is decided by walking both at once: what is reachable in the narrower one must be
reachable in the wider one, for every next character. Characters that neither pattern names all behave alike; one
stands for them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

_PIECE = re.compile(r"\*\*/|\*\*|\*|.")
_ANY = "any"
_WITHIN = "within"
_MAYBE = "maybe"
_OTHER = "\0"


@functools.lru_cache(maxsize=4096)
def includes(wide: str, narrow: str) -> bool:
    """Return whether ``wide`` matches every path that ``narrow`` matches."""
    left, right = _parse(narrow), _parse(wide)
    alphabet = {piece for piece in (*left, *right) if len(piece) == 1} | {"/", _OTHER}
    start = (_closed({0}, left), _closed({0}, right))
    seen, waiting = {start}, [start]
    while waiting:
        here, there = waiting.pop()
        if len(left) in here and len(right) not in there:
            return False
        for character in alphabet:
            following = (_step(here, left, character), _step(there, right, character))
            if following[0] and following not in seen:
                seen.add(following)
                waiting.append(following)
    return True


def _parse(pattern: str) -> tuple[str, ...]:
    """Return the states' ways out: a character, or a loop; ``**/`` is a loop that ends with a slash, or nothing."""
    parts: list[str] = []
    for piece in _PIECE.findall(re.sub(r"(\*\*/)+", "**/", pattern)):
        parts += {"**/": [_MAYBE, "/"], "**": [_ANY], "*": [_WITHIN]}.get(piece, [piece])
    return tuple(parts)


def _closed(states: Iterable[int], parts: tuple[str, ...]) -> frozenset[int]:
    """Return ``states`` and all that is reached from them without reading anything."""
    found: set[int] = set()
    waiting = list(states)
    while waiting:
        state = waiting.pop()
        if state in found:
            continue
        found.add(state)
        if state < len(parts):
            part = parts[state]
            waiting += [state + 1] if part in {_ANY, _WITHIN} else []
            waiting += [state + 1, state + 2] if part == _MAYBE else []
    return frozenset(found)


def _step(states: frozenset[int], parts: tuple[str, ...], character: str) -> frozenset[int]:
    following = set()
    for state in states:
        part = parts[state] if state < len(parts) else ""
        if part in {_ANY, _MAYBE} or (part == _WITHIN and character != "/"):
            following.add(state)
        elif part == character:
            following.add(state + 1)
    return _closed(following, parts)
