"""The PCRs of Heads, and a dynamic launch by either of tboot's maps.

PCRs of which a fact is all that was measured, in order, need no code: the table says so, and ``collect`` reads them.

Source: Heads' "TPM usage"; Intel TXT MLE Developer's Guide, 1.10; tboot's README, "PCR usage".
"""

from __future__ import annotations

from reconciler.attest.facts.view import Outcome, View, problem

_RECOVERY = b"recovery"
_DYNAMIC = range(17, 23)
_ONES = 0xFF


def collect_recovery(view: View) -> Outcome:
    """Yield whether somebody entered Heads' recovery shell, which measures that word."""
    events = [event for event, _ in view.places_of(4, texts=(_RECOVERY, _RECOVERY + b"\n"))]
    yield view.fact("recoveryEntered", value=bool(events), pcr=4, events=events)


def collect_launch(view: View) -> Outcome:
    """Yield whether there was a dynamic launch: without one, PCR 17 to 22 hold nothing but ones."""
    ones = [view.start_of(pcr, starts=(_ONES,)) == _ONES and not view.events(pcr) for pcr in _DYNAMIC]
    if all(ones):
        yield view.fact("txtLaunch", value=False, pcr=17)
    elif view.events(17) and view.start_of(17, starts=(0,)) == 0:
        yield view.fact("txtLaunch", value=True, pcr=17, events=view.events(17))
    else:
        yield problem("txtLaunch", pcr=17, message="neither untouched nor reset by a launch and then extended")


def collect_tboot_17(view: View) -> Outcome:
    """Yield SINIT and tboot's policy."""
    yield from _in_order(view, pcr=17, names=("sinit", "tbootPolicy"))


def collect_tboot_18(view: View) -> Outcome:
    """Yield the measured launch environment and its first module."""
    yield from _in_order(view, pcr=18, names=("mle", "tbootFirstModule"))


def _in_order(view: View, *, pcr: int, names: tuple[str, ...]) -> Outcome:
    events = view.events(pcr)
    if not events:
        return
    if len(events) != len(names) or view.start_of(pcr, starts=(0,)) != 0:
        message = f"PCR {pcr} was not reset by a launch and then extended {len(names)} times"
        yield problem(*names, pcr=pcr, message=message)
        return
    for name, event in zip(names, events, strict=True):
        yield view.fact(name, value=event.digest.hex(), pcr=pcr, events=[event])
