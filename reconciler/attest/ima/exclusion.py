"""Whether a path is excluded: all patterns at once, in time linear in the path.

The patterns become one Thompson automaton (McNaughton and Yamada 1960, Thompson 1968), of which the deterministic
states are made as paths ask for them. There is no backtracking, so a path cannot be chosen to make a match slow: each
byte costs one look-up, or once per state and byte a walk over the automaton. The states kept are bounded; past the
bound they are forgotten and made anew. What a pattern may be is said in ``model/path_pattern.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.model.path_pattern import Operator, Part, parse_pattern

_MAX_STATES = 2048


class Exclusions:
    """The paths that whole-match one of ``patterns``."""

    __slots__ = ("_automaton", "_known", "_start", "_states")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Parse ``patterns``; ValueError if one is not understood."""
        self._automaton = _Automaton([parse_pattern(pattern) for pattern in patterns])
        self._forget()

    def has(self, path: bytes) -> bool:
        """Return whether ``path`` as a whole matches a pattern."""
        state = self._start
        for byte in path:
            following = state.steps.get(byte)
            state = self._follow(state, byte) if following is None else following
            if not state.positions:
                return False
        return state.is_accepting

    def _forget(self) -> None:
        self._known: dict[frozenset[int], _State] = {}
        self._start = self._state(self._automaton.start)

    def _state(self, positions: frozenset[int]) -> _State:
        found = self._known.get(positions)
        if found is None:
            found = self._known[positions] = _State(positions, is_accepting=self._automaton.final in positions)
        return found

    def _follow(self, state: _State, byte: int) -> _State:
        if len(self._known) >= _MAX_STATES:
            # A state that is in use is no longer known then, and goes with the path that it is used for.
            self._forget()
        following = self._state(self._automaton.after(state.positions, byte))
        state.steps[byte] = following
        return following


class _State:
    """A set of positions in the automaton, and where each byte seen so far leads from there."""

    __slots__ = ("is_accepting", "positions", "steps")

    def __init__(self, positions: frozenset[int], *, is_accepting: bool) -> None:
        self.positions = positions
        self.is_accepting = is_accepting
        self.steps: dict[int, _State] = {}


class _Automaton:
    """Positions, numbered; each takes a byte of a set and goes to one other, or goes to others without a byte."""

    __slots__ = ("_free", "_takes", "_to", "final", "start")

    def __init__(self, patterns: Sequence[Sequence[Part]]) -> None:
        self._takes: list[int] = []
        self._to: list[int] = []
        self._free: list[list[int]] = []
        self.final = self._new()
        begin = self._new()
        for parts in patterns:
            first, last = self._build(parts)
            self._free[begin].append(first)
            self._free[last].append(self.final)
        self.start = self._reach([begin])

    def after(self, positions: frozenset[int], byte: int) -> frozenset[int]:
        """Return where ``byte`` leads from ``positions``."""
        return self._reach([self._to[position] for position in positions if self._takes[position] >> byte & 1])

    def _new(self, *, takes: int = 0, to: int = 0) -> int:
        self._takes.append(takes)
        self._to.append(to)
        self._free.append([])
        return len(self._free) - 1

    def _reach(self, positions: list[int]) -> frozenset[int]:
        found = set(positions)
        while positions:
            for following in self._free[positions.pop()]:
                if following not in found:
                    found.add(following)
                    positions.append(following)
        # Only positions that take a byte, and the end, make a difference later.
        return frozenset(position for position in found if self._takes[position] or position == self.final)

    def _build(self, parts: Sequence[Part]) -> tuple[int, int]:
        """Return the first and the last position of a piece of automaton for ``parts``, which are in postfix order."""
        stack: list[tuple[int, int]] = []
        for part in parts:
            if part is Operator.JOIN:
                second, first = stack.pop(), stack.pop()
                self._free[first[1]].append(second[0])
                stack.append((first[0], second[1]))
            elif part is Operator.EITHER:
                second, first = stack.pop(), stack.pop()
                begin, end = self._new(), self._new()
                self._free[begin] += [first[0], second[0]]
                self._free[first[1]].append(end)
                self._free[second[1]].append(end)
                stack.append((begin, end))
            elif part is Operator.EMPTY:
                begin = self._new()
                stack.append((begin, begin))
            elif isinstance(part, Operator):
                stack.append(self._repeat(*stack.pop(), operator=part))
            else:
                end = self._new()
                stack.append((self._new(takes=part, to=end), end))
        return stack.pop()

    def _repeat(self, first: int, last: int, *, operator: Operator) -> tuple[int, int]:
        begin, end = self._new(), self._new()
        self._free[begin].append(first)
        self._free[last].append(end)
        if operator is not Operator.AT_MOST_ONE:
            self._free[last].append(first)
        if operator is not Operator.AT_LEAST_ONE:
            self._free[begin].append(end)
        return begin, end
