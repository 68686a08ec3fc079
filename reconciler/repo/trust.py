"""Which commit may be followed: the only place where a commit is called trusted.

``judge`` walks from the last trusted commit to the head, oldest first. A commit is trusted if

1. the way to it leads forward, by first parents, from the last trusted commit (with none yet, from a root, which is
   thereby pinned), and all of it is there, in the one form that git writes;
2. it is dated neither before its first parent nor in the future, and its signature verifies, by git, against the
   signers of its *first parent*, so that nobody lets themselves in (the root: against its own). If it is not on record
   yet, its signer's key is valid now, whatever date it gives itself;
3. the same holds for every commit that a merge brings in from the side, except that these may be old; a merge has
   one side;
4. each path in which it differs from its first parent is an ordinary one, its content is there, and a rule of the
   first parent's ``ringfence.yaml`` names enough of those whose signatures cover it (``repo.authority``): who signed
   the commit, who approved it (``repo.approvals``), and for what a merge took over unchanged from its side
   (``repo.merges``), who signed or approved it there. For the root one of them is enough;
5. its own rules and signers can be read, so that the next commit can be judged;
6. it says so if it changes trust, or takes away more than its parent allows at once (``repo.confirmations``). What is
   on record as trusted is not asked any more.

The walk ends at the first commit that fails; what came before it stays trusted and in force. Whether the documents
fit together is not checked here (``repo.desired``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.errors.taxonomy import InputError, RingfenceError, TrustError
from reconciler.repo import refusals as say
from reconciler.repo.basis import Basis, read_basis
from reconciler.repo.commit_checks import Checks
from reconciler.repo.commits import read_commits
from reconciler.repo.confirmations import check_confirmations, count_deletions
from reconciler.repo.git import Git, Signature
from reconciler.repo.steps import Step, under_one_basis, with_changes
from reconciler.repo.verification import Doubt, Verifier

_MANY = 20
_AT_ONCE = 200
_Link = tuple[str, tuple[str, ...]]
"""A commit and its parents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedCommit:
    """A commit that is there. Nothing is known about it."""

    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCommit:
    """A commit that may be followed; only ``judge`` builds one. ``tree`` is its root tree."""

    commit: str
    tree: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The newest commit that may be followed, if any, and why those after it may not."""

    trusted: TrustedCommit | None
    refusals: tuple[TrustError, ...]


def judge(
    git: Git,
    *,
    head: FetchedCommit,
    last_trusted: str | None,
    now: datetime | None = None,
    recorded: str | None = None,
) -> Judgement:
    """Return the newest trusted commit on the way to ``head``, and every reason against the one after it.

    ``now`` is the clock's time if not given. Up to ``recorded``, which is on record as trusted, commits are judged by
    their own dates; later ones as of now, too.
    """
    if last_trusted and commit_is_missing(git, last_trusted):
        return Judgement(trusted=None, refusals=(say.gone(last_trusted),))
    moment = int((now or datetime.now(UTC)).timestamp())
    with Verifier(git, now=moment) as verifier:
        newest, refusals = _Walk(git, verifier=verifier, recorded=recorded).follow(head.commit, last=last_trusted)
    trusted = TrustedCommit(commit=newest, tree=git.tree_of(newest)) if newest else None
    return Judgement(trusted=trusted, refusals=tuple(refusals[:_MANY]))


def commit_is_missing(git: Git, commit: str) -> bool:
    """Return whether the repository does not hold ``commit``."""
    return not git.sizes([commit])


class _Walk:
    """One walk over a history."""

    def __init__(self, git: Git, *, verifier: Verifier, recorded: str | None) -> None:
        self._git = git
        self._verifier = verifier
        self._checks = Checks(git, verifier=verifier)
        self._recorded = recorded

    def follow(self, head: str, *, last: str | None) -> tuple[str | None, list[TrustError]]:
        """Return the newest commit that passes, and why the next one does not."""
        try:
            chain = self._git.first_parents(head, past=last)
            refusals = self._check_way(chain, head=head, last=last)  # 1
        except TrustError as error:
            return last, [_lacking(error, head)]
        return (last, refusals) if refusals else self._follow(chain, newest=last)

    def _follow(self, chain: list[_Link], *, newest: str | None) -> tuple[str | None, list[TrustError]]:
        done = 0
        at_once = _AT_ONCE
        while done < len(chain):
            try:
                for commit, refusals in self._judge(chain[done : done + at_once], chain=chain):
                    if refusals:
                        return newest, refusals
                    newest, done = commit, done + 1
            except (TrustError, InputError) as error:
                refusal = _lacking(error, chain[done][0])
                if at_once == 1:
                    return newest, [refusal]
                at_once = 1  # Of these, those before the one that lacks something are still good.
        return newest, []

    def _check_way(self, chain: list[_Link], *, head: str, last: str | None) -> list[TrustError]:
        if head == last:
            return []
        start = chain[0][1][:1] if chain else ()
        if start == ((last,) if last else ()):
            return []
        if last is None or self._git.is_ancestor(head, of=last):
            return [say.rewound(head, trusted=last or head)]
        if self._git.is_ancestor(last, of=head):
            return [say.foxtrot(head, trusted=last)]
        return [say.forked(head, trusted=last)]

    def _judge(self, part: list[_Link], *, chain: list[_Link]) -> Iterator[tuple[str, list[TrustError]]]:
        """Yield each commit of ``part`` with what is wrong with it, until after the first that fails."""
        steps, broken = self._read(part, chain=chain)
        basis: Basis | None = None
        while steps:
            if basis is None:
                of = (steps[0].commit.parents or (steps[0].commit.commit,))[0]
                basis, found = read_basis(self._git, of)
                if basis is None:
                    yield steps[0].commit.commit, [say.unreadable(of, finding) for finding in found]
                    return
            alike = under_one_basis(self._git, steps)
            verdicts = self._verifier.verify([step.signed for step in alike], keyring=basis.keyring)  # 2
            # Only what somebody known has signed is looked into: a stranger's commit may be of any size.
            doubted = [isinstance(verdicts[step.commit.commit], Doubt) for step in alike]
            signed = alike[: doubted.index(True) if True in doubted else len(alike)]
            whole = list(with_changes(self._git, signed))
            deletions = count_deletions(self._git, [step.changed for step in whole])
            for step in whole:
                id_ = step.commit.commit
                own, refusals = self._judge_one(step, verdicts[id_], basis=basis, deletions=deletions[id_])
                yield step.commit.commit, refusals
                if refusals:
                    return
                basis = own
            for step in alike[len(signed) : len(signed) + 1]:
                yield step.commit.commit, self._checks.check(step, verdicts[step.commit.commit], basis=basis)
                return
            steps = steps[len(alike) :]
        yield from broken

    def _judge_one(
        self, step: Step, verdict: Signature | Doubt, *, basis: Basis, deletions: int
    ) -> tuple[Basis, list[TrustError]]:
        """Return what the children of ``step`` are judged by, and what is wrong with it."""
        refusals = self._checks.check(step, verdict, basis=basis)  # 3, 4
        own: Basis | None = basis
        if step.changes_trust:
            own, findings = read_basis(self._git, step.commit.commit)
            refusals += [say.unreadable(step.commit.commit, finding) for finding in findings]  # 5
        if not refusals and not step.is_recorded:
            before, after = basis.repository, own.repository if own else None
            refusals = check_confirmations(
                self._git, step.changed, deletions=deletions, before=before, after=after
            )  # 6
        return own or basis, refusals

    def _read(self, part: list[_Link], *, chain: list[_Link]) -> tuple[list[Step], list[tuple[str, list[TrustError]]]]:
        """Return the commits of ``part`` that can be read, and the first one that cannot, with the reason. Rule 1."""
        parents = [own[0] for _, own in part[:1] if own]
        objects = read_commits(self._git, [*parents, *(commit for commit, _ in part)])
        recorded = self._recorded_in(chain)
        steps: list[Step] = []
        made = objects[parents[0]].made if parents else None
        for commit, own in part:
            found = objects[commit]
            if found.problem:
                return steps, [(commit, [say.malformed(found)])]
            if found.parents != own:
                message = "has other parents than this clone knows: its history is cut off here, or grafted"
                return steps, [(commit, [say.incomplete(commit, message)])]
            steps.append(Step(commit=found, parent_made=made, is_recorded=commit in recorded))
            made = found.made
        return steps, []

    def _recorded_in(self, chain: list[_Link]) -> frozenset[str]:
        ids = [commit for commit, _ in chain]
        if self._recorded not in ids:
            return frozenset()
        return frozenset(ids[: ids.index(self._recorded) + 1])


def _lacking(error: RingfenceError, commit: str) -> TrustError:
    """Return why ``commit`` is refused for which something is lacking here; raise any other error again."""
    if error.reason == "GpgMissing":
        return say.refusal(commit, f"cannot be judged: gpg {error.message}", reason=error.reason, hint=error.hint)
    if error.reason != "ObjectMissing":
        raise error
    return say.incomplete(commit, error.message)
