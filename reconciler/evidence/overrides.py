"""What an operator holds back, lets go or forgives by a commit: read off two desired states.

Rules: by name, in order; a thing that is the same in both is not told. What the guards make of it is ``plan.guards``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.evidence.canonical import canonical_value, digest
from reconciler.evidence.journal import WORDS, Override
from reconciler.model.base import Value, format_duration
from reconciler.model.desired import DesiredState
from reconciler.model.drift import Fights
from reconciler.model.guards import MaintenanceWindow

_Told = Mapping[tuple[str, str], str]
_REPOSITORY = "repository"


def overrides(before: DesiredState | None, after: DesiredState) -> tuple[Override, ...]:
    """Return what ``after`` changes of what holds passes back; everything that stands if ``before`` is not known."""
    was, now = dict(_standing(before)) if before else {}, dict(_standing(after))
    return tuple(
        Override.model_validate(
            {"what": what, "subject": subject, "before": _cut(was.get(key)), "after": _cut(now.get(key))}
        )
        for key in sorted(was.keys() | now.keys())
        for what, subject in (key,)
        if was.get(key) != now.get(key)
    )


def _standing(desired: DesiredState) -> Iterator[tuple[tuple[str, str], str]]:
    spec = desired.repository.spec
    if spec.freeze is not None:
        yield ("freeze", _REPOSITORY), spec.freeze.reason
    yield ("limits", _REPOSITORY), f"deletions {spec.limits.deletions}"
    yield ("trust", _REPOSITORY), _digest(spec.trust)
    yield ("evidence", _REPOSITORY), f"branch {spec.evidence.branch}, signers {', '.join(spec.evidence.signers)}"
    deadlines = f"boot {format_duration(spec.boot_deadline)}, confirm {format_duration(spec.confirm_deadline)}"
    yield ("deadlines", _REPOSITORY), deadlines
    if spec.maintenance:
        yield ("windows", _REPOSITORY), _windows(spec.maintenance)
    if spec.fights != Fights():
        yield ("fights", _REPOSITORY), f"{spec.fights.limit} within {format_duration(spec.fights.within)}"
    for name, enclave in desired.enclaves.items():
        subject = f"enclave/{name}"
        if enclave.spec.suspend:
            yield ("suspend", subject), "suspended"
        if enclave.spec.disruption.max_unavailable is not None:
            yield ("budget", subject), f"at most {enclave.spec.disruption.max_unavailable} missing"
        if enclave.spec.maintenance:
            yield ("windows", subject), _windows(enclave.spec.maintenance)
    for subject, drift in _drift(desired):
        if drift != "heal":
            yield ("drift", subject), drift
    for name, node in desired.nodes.items():
        if node.spec.cleared:
            yield ("cleared", f"node/{name}"), f"up to record {node.spec.cleared}"


def _drift(desired: DesiredState) -> Iterator[tuple[str, str]]:
    yield from ((f"enclave/{name}", enclave.spec.drift) for name, enclave in desired.enclaves.items())
    yield from ((f"node/{name}", node.spec.drift) for name, node in desired.nodes.items())
    yield from ((f"switch/{name}", switch.spec.drift) for name, switch in desired.switches.items())


def _windows(windows: tuple[MaintenanceWindow, ...]) -> str:
    told = [f"{','.join(w.days)} {w.start} for {format_duration(w.duration)}" for w in windows]
    return "; ".join(told)


def _cut(words: str | None) -> str | None:
    return words and words[:WORDS]


def _digest(value: Value) -> str:
    return digest(canonical_value(value))
