"""Facts with their provenance, and the problems that kept a log from proving one.

A fact is a value, never a verdict: whether it is the right one is a policy's business. ``verified`` says that the
value follows from digests which the replay covers; that the replay leads to the quoted values is judged elsewhere,
and without it no fact means anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.families import Family, Overlay

FactValue = bool | int | str | tuple[str, ...] | frozenset[str] | dict[str, str] | dict[str, int]
"""A fact's value; which of these it is follows from its kind. Digests are in lower-case hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What a log says of one thing, and where.

    ``events`` are the indices of the events that carry it; of a list's entries, one each. ``labels`` are texts beside
    those events that nothing measured: to be shown, never to be compared.
    """

    name: str
    value: FactValue
    pcr: int
    bank: str
    events: tuple[int, ...] = ()
    verified: bool = True
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a log does not prove some facts that its PCRs could have proven."""

    facts: tuple[str, ...]
    pcr: int
    message: str
    event: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that one replayed log proves on a machine of ``family`` with ``overlays``, and all that it leaves open."""

    family: Family
    overlays: tuple[Overlay, ...]
    bank: str
    quoted: tuple[int, ...]
    found: Mapping[str, Fact]
    problems: tuple[Problem, ...]

    @property
    def scopes(self) -> frozenset[Family | Overlay]:
        """Return the family and the overlays, which together say what facts there are."""
        return frozenset({self.family, *self.overlays})

    def problems_of(self, name: str) -> tuple[Problem, ...]:
        """Return what kept the fact ``name`` from being proven."""
        return tuple(problem for problem in self.problems if name in problem.facts)
