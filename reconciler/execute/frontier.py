"""The frontier of a plan: which actions may start now, given how the others ended.

Pure bookkeeping: it starts nothing itself. An action starts when all that it comes
``after`` is done and all that it ``follows`` is over, and when its locks are free.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.execute.outcome import Blocked, Done, Outcome
from reconciler.plan.actions import Action


class Frontier:
    """The actions that have not started, and what keeps each from starting."""

    def __init__(self, actions: Iterable[Action]) -> None:
        """Take the actions of a plan, in plan order."""
        self._waiting = {action.id: action for action in actions}
        self._held: set[str] = set()
        self._locks_of: dict[str, frozenset[str]] = {}
        self.outcomes: dict[str, Outcome] = {}

    def take(self) -> Action | None:
        """Return an action that may start now, and hold its locks; None if there is none."""
        for action in self._waiting.values():
            if self._may_start(action):
                del self._waiting[action.id]
                self._held |= action.locks
                self._locks_of[action.id] = action.locks
                return action
        return None

    def settle(self, action_id: str, outcome: Outcome) -> list[tuple[str, Outcome]]:
        """Note how an action ended, and return it with every action that is blocked by that."""
        self._held -= self._locks_of.pop(action_id, frozenset())
        settled = [(action_id, outcome)]
        self.outcomes[action_id] = outcome
        for ended, how in settled:
            if isinstance(how, Done):
                continue
            for action in [a for a in self._waiting.values() if ended in a.after]:
                del self._waiting[action.id]
                self.outcomes[action.id] = blocked = Blocked(by=how.by if isinstance(how, Blocked) else ended)
                settled.append((action.id, blocked))
        return settled

    def _may_start(self, action: Action) -> bool:
        is_free = self._held.isdisjoint(action.locks)
        is_due = all(before in self.outcomes for before in (*action.after, *action.follows))
        return is_free and is_due
