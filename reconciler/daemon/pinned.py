"""Passes under a pinned plan: the first draft must be the pinned plan, later ones may only go on with it.

The pin authorises the whole graph that was shown, so a join that takes several passes is finished. A change that is
not in it ends the work, before anything of that pass is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from reconciler.errors.taxonomy import InputError
from reconciler.execute.passes import Draft
from reconciler.plan.pin import Pin, parse_pin


def load_pin(path: Path) -> Pin:
    """Read the pinned plan at ``path``; raise InputError if it cannot be read or is not one."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise InputError(f"pinned plan {path}", message, reason="PlanMalformed") from error
    except (ValueError, RecursionError) as error:
        hint = "make one with: ringfence plan --out FILE"
        raise InputError(f"pinned plan {path}", "is not JSON", reason="PlanMalformed", hint=hint) from error
    return parse_pin(document)


class PinnedPasses:
    """What ``permit`` of the loop's stage is under a pin."""

    def __init__(self, pin: Pin, *, tell: Callable[[Pin], None] = lambda _pin: None) -> None:
        """Hold every draft against ``pin``; ``tell`` is called once, before anything is done under it."""
        self._pin = pin
        self._tell = tell
        self._has_begun = False

    def permit(self, draft: Draft) -> None:
        """Raise TrustError if ``draft`` is not what was pinned, or not the rest of it."""
        check = self._pin.check_next if self._has_begun else self._pin.check_first
        check(draft.plan, tree=draft.desired.tree)
        if not self._has_begun:
            self._tell(self._pin)
        self._has_begun = True
