"""A proposed change, planned beside what is in force: everything that a review needs, gathered.

Rules:
1. The base is what is in force on the base branch: its newest trusted commit with valid documents.
2. The head is what merging would make; its documents must be valid, and need not be trusted yet.
3. Both are planned from one observation, with no sessions: what differs is the change's doing.
4. A proposal reaches no device. An observation that was made for it was made under the base, because the head names
   addresses that nobody has vouched for, and credentials would be sent there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.cli.archive import evidence_tip
from reconciler.cli.outlooks import judge_changed, newest_accepted
from reconciler.cli.remembered import Memory, nothing_seen, remember
from reconciler.errors.taxonomy import InputError, RingfenceError, TrustError
from reconciler.evidence.durations import durations
from reconciler.evidence.rejudge import Outlook
from reconciler.model.desired import DesiredState
from reconciler.model.observed import ObservedState
from reconciler.model.record import Head
from reconciler.model.recorded import RecordedObservation
from reconciler.plan.plan import Plan
from reconciler.plan.planner import plan
from reconciler.plan.recorded import moved_since, never_seen, observed_from
from reconciler.plan.turns import Difference, Turn, Turns, difference, turns_of
from reconciler.repo.desired import load_desired, load_signers
from reconciler.repo.git import Git, check_id
from reconciler.repo.places import TRUSTED_PATH
from reconciler.repo.revisions import commits_beyond, common_ancestor, merged, resolve
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.snapshot import read_commit
from reconciler.repo.trust import FetchedCommit, judge

_FALLBACKS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two desired states, and its plan."""

    name: str
    desired: DesiredState
    observed: ObservedState
    plan: Plan
    turns: Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What is in force on the base branch at ``tip``, and why what lies above it is not."""

    name: str
    tip: str
    desired: DesiredState
    signers: AllowedSigners
    refusals: tuple[RingfenceError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A change, planned. ``head_commit`` is the branch's own; ``head`` is planned as merged, ``behind`` commits on.

    ``refusals`` are why the branch's commits would not be followed as they stand. ``is_live`` says that the
    observation was made for this; ``is_blind`` that there is none. ``outlooks`` are the change's doing. ``unseen`` are
    nodes that were never observed, ``moved`` those that were brought elsewhere since.
    """

    base: Side
    head: Side
    head_commit: str
    behind: int
    base_refusals: tuple[RingfenceError, ...]
    refusals: tuple[TrustError, ...]
    change: Difference
    outlooks: tuple[Outlook, ...]
    unseen: tuple[str, ...]
    moved: tuple[str, ...]
    medians: Mapping[str, float]
    samples: int
    observed_at: datetime
    is_live: bool
    is_blind: bool
    now: datetime


def in_force(git: Git, name: str) -> Base:
    """Return what is in force on the branch ``name``; if nothing is trusted there, its newest valid commit."""
    tip = resolve(git, name)
    judgement = judge(git, head=FetchedCommit(commit=tip), last_trusted=_remembered_trust(git, tip))
    start = judgement.trusted.commit if judgement.trusted else tip
    refusals: list[RingfenceError] = list(judgement.refusals)
    for commit in [c for c, _ in reversed(git.first_parents(start, past=None))][:_FALLBACKS]:
        snapshot = read_commit(git, commit)
        try:
            desired = load_desired(snapshot)
        except InputError as error:
            refusals.append(error)
            continue
        signers = load_signers(snapshot, findings=[])
        return Base(name=name, tip=tip, desired=desired, signers=signers, refusals=tuple(refusals))
    raise refusals[-1]


def _remembered_trust(git: Git, tip: str) -> str | None:
    """Return the commit that the record calls trusted, if it leads to ``tip`` and whom ``tip`` names signed that."""
    try:
        snapshot = read_commit(git, tip)
        spec = load_desired(snapshot).repository.spec.evidence
        evidence = evidence_tip(git, spec.branch)
        signers = load_signers(snapshot, findings=[]).only(spec.signers)
        if evidence is None or git.verify_commit(evidence, allowed=signers) is None:
            return None
        name = f"{evidence}:{TRUSTED_PATH}"
        found = check_id(json.loads(git.objects([name])[name])["commit"])
    except (RingfenceError, ValueError, KeyError, TypeError):
        return None  # Then the whole history is judged, from its root.
    return found if git.objects([found]) and git.is_ancestor(found, of=tip) else None


def propose(
    git: Git, *, base: Base, head: str, now: datetime, seen: tuple[RecordedObservation, Mapping[str, Head]] | None
) -> Proposal:
    """Return the change that the branch ``head`` makes, planned; ``seen`` is an observation made now, under the base.

    Raises InputError with every finding if the head's documents are not valid, or do not merge.
    """
    memory = remember(git, desired=base.desired, signers=base.signers, with_records=True)
    head_commit = resolve(git, head)
    made = merged(git, head_commit, into=base.tip)  # 2
    after = load_desired(read_commit(git, made))
    recorded = seen[0] if seen else memory.observation or nothing_seen(base.desired, now=now)
    heads = seen[1] if seen else memory.heads
    sides = [
        _side(name, desired, recorded=recorded, heads=heads, now=now)  # 3
        for name, desired in ((base.name, base.desired), (head, after))
    ]
    taken = durations(memory.records)
    return Proposal(
        base=sides[0],
        head=sides[1],
        head_commit=head_commit,
        behind=commits_beyond(git, base.tip, past=head_commit),
        base_refusals=base.refusals,
        refusals=_refusals(git, base=base, head=head_commit),
        change=difference(sides[0].turns, sides[1].turns),
        outlooks=_outlooks(memory, heads=heads, base=base.desired, head=after),
        unseen=never_seen(recorded, desired=after),
        moved=moved_since(recorded, heads=heads),
        medians={verb: duration.median_s for verb, duration in taken.items()},
        samples=max((duration.samples for duration in taken.values()), default=0),
        observed_at=recorded.observed_at,
        is_live=seen is not None,
        is_blind=seen is None and memory.observation is None,
        now=now,
    )


def _side(
    name: str, desired: DesiredState, *, recorded: RecordedObservation, heads: Mapping[str, Head], now: datetime
) -> Side:
    observed = observed_from(recorded, desired=desired, heads=heads)
    made = plan(desired, observed=observed, verdicts={}, now=now)
    turns = turns_of(made, desired=desired, observed=observed)
    # A machine that was never seen and that nobody wants is put to rest for want of knowledge: that is no news.
    unseen = never_seen(recorded, desired=desired)
    told = {node: turn for node, turn in turns.nodes.items() if turn.turn is not Turn.RESTS or node not in unseen}
    return Side(name=name, desired=desired, observed=observed, plan=made, turns=replace(turns, nodes=told))


def _refusals(git: Git, *, base: Base, head: str) -> tuple[TrustError, ...]:
    """Return why the branch's own commits would not be followed, from where it left the base."""
    fork = common_ancestor(git, base.tip, head)
    return judge(git, head=FetchedCommit(commit=head), last_trusted=fork).refusals


def _outlooks(
    memory: Memory, *, heads: Mapping[str, Head], base: DesiredState, head: DesiredState
) -> tuple[Outlook, ...]:
    if memory.archive is None:
        return ()
    newest = newest_accepted(memory.records, heads=heads)
    new, _ = judge_changed(newest, archive=memory.archive, base=base, head=head)
    return tuple(new)
