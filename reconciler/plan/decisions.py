"""What was decided for an enclave, and why: for each chosen node a reason, for those passed over a count of each kind.

The words are for people and for ``explain``; nothing else depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.desired import DesiredState
from reconciler.model.kinds import Enclave
from reconciler.plan.preemption import may_be_taken_from
from reconciler.plan.standing import Standing, Standings

SERVES = "serves already"
NAMED = "named"
FIRST = "first free by name"
CLEARED = "a commit cleared its rejection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A node that was given to an enclave, and why it."""

    node: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What ``enclave`` asked for and was given. ``short`` says what it lacks and why, ``notice`` what is odd."""

    enclave: str
    wanted: int
    choices: tuple[Choice, ...]
    short: tuple[str, ...] = ()
    notice: str = ""

    @property
    def given(self) -> int:
        """Return how many nodes it was given."""
        return len(self.choices)


def spread_reason(label: str, value: str | None) -> str:
    """Return why a node with that ``value`` of ``label`` was next."""
    return f"spread: {label} {value} has fewest" if value is not None else f"spread: nodes without {label} are fewest"


def leaving_reason(standing: Standing) -> str:
    """Return why a node that is neither free nor anybody's was taken."""
    return f"{standing.enclave} does not need it any more" if standing.serves() else CLEARED


def describe_select(enclave: Enclave) -> str:
    """Return the selection of a counted enclave as one would write it."""
    return ", ".join(f"{key}={value}" for key, value in sorted(enclave.spec.nodes.select.items())) or "its zone"


def empty_notice(enclave: Enclave, *, staying: int) -> str:
    """Return what is told of a selection that is empty while ``staying`` members serve."""
    who = "its member stays" if staying == 1 else f"its {staying} members stay"
    if enclave.spec.nodes.names is not None:
        return f"its selection names no node, so {who}; to empty the enclave, write count: 0 instead of names"
    found = f"no node of the inventory matches {describe_select(enclave)}"
    return f"{found}, so {who}; correct select, or write count: 0 to empty the enclave"


def passed_over(
    desired: DesiredState, standings: Standings, *, enclave_of: Mapping[str, str], enclave: str
) -> dict[str, int]:
    """Return how many nodes were not chosen for ``enclave``, by reason; none for one that names its nodes."""
    if desired.enclaves[enclave].spec.nodes.count is None:
        return {}
    counts: dict[str, int] = {}
    fitting = set(standings.matching(_zone(desired, enclave), desired.enclaves[enclave].spec.nodes.select))
    for name, standing in standings.of.items():
        if enclave_of.get(name) != enclave:
            why = _why_not(desired, standing, fits=standing.group in fitting, other=enclave_of.get(name), own=enclave)
            counts[why] = counts.get(why, 0) + 1
    return dict(sorted(counts.items()))


def _why_not(desired: DesiredState, standing: Standing, *, fits: bool, other: str | None, own: str) -> str:
    """Return why a node was passed over: the first reason that holds."""
    if standing.is_barred:
        return "rejected, until a commit clears it"
    if standing.group.zone != _zone(desired, own):
        return "in another zone"
    if not fits:
        return "labels differ"
    return "free, and not needed" if other is None else _given(desired, other=other, own=own)


def _given(desired: DesiredState, *, other: str, own: str) -> str:
    """Return why a node that ``other`` was given was not ``own``'s to have."""
    theirs, ours = desired.enclaves[other].spec, desired.enclaves[own].spec
    if theirs.nodes.names is not None:
        return "named by another enclave"
    if theirs.priority >= ours.priority:
        return f"given to an enclave of {'higher' if theirs.priority > ours.priority else 'the same'} priority"
    if not may_be_taken_from(desired.enclaves[other]):
        return "given to an enclave of lower priority that allows no preemption"
    return "given to an enclave of lower priority, and not needed"


def _zone(desired: DesiredState, enclave: str) -> str:
    return desired.networks[desired.enclaves[enclave].spec.networks[0]].spec.zone
