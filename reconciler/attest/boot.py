"""What a boot shows: checks 7 to 12 of an appraisal, from the logs and the quoted values.

Nothing here is believed before it replays: a PCR whose log does not lead to its quoted value gives a reason, and with
it nothing that its events say can help. The quote itself is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from reconciler.attest.eventlog.grammar import find_faults
from reconciler.attest.eventlog.log import FormatError, parse_log, replay_log
from reconciler.attest.eventlog.measured import check_image, find_unreplayed
from reconciler.attest.eventlog.replay import Replay
from reconciler.attest.eventlog.workarounds import reasons_of, uses_of
from reconciler.attest.expectation import Expectation
from reconciler.attest.facts.assertions import check_facts
from reconciler.attest.facts.collect import collect_facts
from reconciler.attest.ima.check import check_ima
from reconciler.attest.ima.reference import ImaReference
from reconciler.attest.reader import MalformedError
from reconciler.attest.references import check_references
from reconciler.attest.verdict import Reason
from reconciler.model.families import Family
from reconciler.model.ima import ImaPolicy
from reconciler.model.policy import IMA_PCR
from reconciler.model.submission import Evidence

_UEFI_GRAMMAR = frozenset({Family.UEFI, Family.LINUXBOOT})
_DYNAMIC_LAUNCH = frozenset(range(17, 23))


@dataclass(frozen=True, slots=True, kw_only=True)
class BootJudgement:
    """Every reason against a boot, and the workarounds that it needed."""

    reasons: tuple[Reason, ...]
    workarounds: tuple[str, ...]


def judge_boot(evidence: Evidence, *, expectation: Expectation) -> BootJudgement:
    """Judge what ``evidence`` shows of the boot; the numbers are those of ``appraise``."""
    policy = expectation.policy
    allowed = frozenset(policy.unsafe_workarounds)
    reasons: list[Reason] = []
    used: set[str] = set()
    # 7. The event log.
    try:
        log = parse_log(evidence.event_log, allowed=allowed)
        replayed = replay_log(evidence.event_log, bank=policy.bank, allowed=allowed)
    except MalformedError as error:
        code = "EventLogFormat" if isinstance(error, FormatError) else "EventLogMalformed"
        reasons.append(Reason(code=code, message=str(error), bank=policy.bank))
    else:
        judged = frozenset(policy.pcrs) - _waived(evidence, expectation=expectation)
        replayable = judged - ({IMA_PCR} if policy.ima else frozenset())
        findings = list(find_unreplayed(replayed, values=evidence.pcrs, quoted=replayable, bank=policy.bank))
        # 8. The grammar, which is that of UEFI's firmware.
        if expectation.family in _UEFI_GRAMMAR:
            findings += find_faults(replayed, quoted=judged, bank=policy.bank)
        reasons += reasons_of(findings, allowed=allowed)
        used |= {use.workaround for use in uses_of(findings, allowed=allowed)} | set(log.workarounds)
        # 9. The image, and 11. the facts.
        reasons += _check_content(replayed, expectation=expectation, judged=judged, replayable=replayable)
    # 10. The firmware's reference values, which need no log.
    reasons += check_references(evidence.pcrs, policy=policy, node=expectation.node, profile=expectation.profile)
    # 12. What the kernel measured.
    if policy.ima is not None:
        reference = _reference(_Same(policy.ima))
        values: dict[str, Mapping[int, bytes]] = {policy.bank: evidence.pcrs}
        reasons += check_ima(evidence.ima_log, reference=reference, values=values, bank=policy.bank).reasons
    return BootJudgement(reasons=tuple(reasons), workarounds=tuple(sorted(used)))


def _waived(evidence: Evidence, *, expectation: Expectation) -> frozenset[int]:
    """Return the PCRs whose very value the policy allows although no log explains it; they prove nothing else."""
    allowed = expectation.policy.unsafe_unexplained
    return frozenset(pcr for pcr, value in evidence.pcrs.items() if value.hex() in allowed.get(str(pcr), ()))


def _check_content(
    replayed: Replay, *, expectation: Expectation, judged: Collection[int], replayable: Collection[int]
) -> Iterator[Reason]:
    policy = expectation.policy
    if policy.image is not None and not policy.unsafe_any_image:
        elsewhere = _DYNAMIC_LAUNCH if expectation.overlays else frozenset()
        yield from check_image(
            replayed,
            measurements=expectation.measurements,
            quoted=frozenset(replayable) - elsewhere,
            bank=policy.bank,
        )
    facts = collect_facts(
        replayed, family=expectation.family, overlays=expectation.overlays, quoted=judged, bank=policy.bank
    )
    yield from check_facts(facts, policy.facts, profile=expectation.profile)


class _Same:
    """One policy object, told from others by being the same, not by its many entries."""

    __slots__ = ("policy",)

    def __init__(self, policy: ImaPolicy) -> None:
        self.policy = policy

    def __hash__(self) -> int:
        return id(self.policy)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.policy is self.policy


@lru_cache(maxsize=16)
def _reference(same: _Same) -> ImaReference:
    """Prepare a policy once: that takes seconds for a million files."""
    return ImaReference(same.policy)
