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
5. its own rules and signers can be read, so that the next commit can be judged.

The walk ends at the first commit that fails; what came before it stays trusted and in force. Whether the documents
fit together is not checked here (``repo.desired``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.errors.taxonomy import TrustError
from reconciler.repo import refusals as say
from reconciler.repo.approvals import Approvals, read_approvals
from reconciler.repo.authority import may_change, path_problem
from reconciler.repo.basis import Basis, read_basis
from reconciler.repo.commits import CommitObject, read_commits
from reconciler.repo.git import Change, Git, Signature
from reconciler.repo.layout import is_trust_root
from reconciler.repo.merges import taken_over
from reconciler.repo.verification import Doubt, Signed, Verifier
from reconciler.repo.windows import TOLERANCE_S

_MANY = 20
_AT_ONCE = 200


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One commit of the walk: what it changes, and whether it was trusted before."""

    commit: CommitObject
    changes: tuple[Change, ...]
    parent_made: int | None
    is_recorded: bool

    @property
    def signed(self) -> Signed:
        """Return what is to be verified; the root pins itself, by its own date."""
        is_recorded = self.is_recorded or not self.commit.parents
        return _signed(self.commit, is_recorded=is_recorded)


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
        self._recorded = recorded

    def follow(self, head: str, *, last: str | None) -> tuple[str | None, list[TrustError]]:
        """Return the newest commit that passes, and why the next one does not."""
        newest = last
        try:
            chain = self._git.first_parents(head, past=last)
            refusals = self._check_way(chain, head=head, last=last)  # 1
            if refusals:
                return last, refusals
            for start in range(0, len(chain), _AT_ONCE):
                for commit, refusals in self._judge(chain[start : start + _AT_ONCE], chain=chain):
                    if refusals:
                        return newest, refusals
                    newest = commit
        except TrustError as error:
            if error.reason != "ObjectMissing":
                raise
            return newest, [say.incomplete(head, error.message)]
        return newest, []

    def _check_way(self, chain: list[tuple[str, tuple[str, ...]]], *, head: str, last: str | None) -> list[TrustError]:
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

    def _judge(
        self, part: list[tuple[str, tuple[str, ...]]], *, chain: list[tuple[str, tuple[str, ...]]]
    ) -> Iterator[tuple[str, list[TrustError]]]:
        """Yield each commit of ``part`` with what is wrong with it, until after the first that fails."""
        steps, broken = self._read(part, chain=chain)
        basis: Basis | None = None
        verdicts: dict[str, Signature | Doubt] = {}
        for place, step in enumerate(steps):
            own: Basis | None = basis
            findings = []
            if basis is None:
                of = step.commit.parents[0] if step.commit.parents else step.commit.commit
                basis, found = read_basis(self._git, of)
                if basis is None:
                    yield step.commit.commit, [say.unreadable(of, finding) for finding in found]
                    return
            if step.commit.commit not in verdicts:
                alike = [step.signed for step in _under_one_basis(steps[place:])]
                verdicts = self._verifier.verify(alike, keyring=basis.keyring)
            refusals = self._check(step, verdicts[step.commit.commit], basis=basis)  # 2, 3, 4
            own = basis
            if any(is_trust_root(change.path.decode("utf-8", "replace")) for change in step.changes):
                own, found = read_basis(self._git, step.commit.commit)
                findings = [say.unreadable(step.commit.commit, finding) for finding in found]  # 5
                verdicts = {}
            # Guards: a check of confirmations, between the rules of the parent and those of the commit, goes here.
            yield step.commit.commit, [*refusals, *findings]
            if refusals or findings:
                return
            basis = own
        yield from broken

    def _read(
        self, part: list[tuple[str, tuple[str, ...]]], *, chain: list[tuple[str, tuple[str, ...]]]
    ) -> tuple[list[_Step], list[tuple[str, list[TrustError]]]]:
        """Return the commits of ``part`` that can be read, and the first one that cannot, with the reason. Rule 1."""
        parents = [own[0] for _, own in part[:1] if own]
        objects = read_commits(self._git, [*parents, *(commit for commit, _ in part)])
        changes: dict[str, list[Change]] = {}
        for commit, change in self._git.changes_between((commit, own[0] if own else None) for commit, own in part):
            changes.setdefault(commit, []).append(change)
        recorded = self._recorded_in(chain)
        steps: list[_Step] = []
        made = objects[parents[0]].made if parents else None
        for commit, own in part:
            found = objects[commit]
            if found.problem:
                return steps, [(commit, [say.malformed(found)])]
            if found.parents != own:
                message = "has other parents than this clone knows: its history is cut off here, or grafted"
                return steps, [(commit, [say.incomplete(commit, message)])]
            step = _Step(
                commit=found,
                changes=tuple(changes.get(commit, ())),
                parent_made=made,
                is_recorded=commit in recorded,
            )
            steps.append(step)
            made = found.made
        return steps, []

    def _recorded_in(self, chain: list[tuple[str, tuple[str, ...]]]) -> frozenset[str]:
        ids = [commit for commit, _ in chain]
        if self._recorded not in ids:
            return frozenset()
        return frozenset(ids[: ids.index(self._recorded) + 1])

    def _check(self, step: _Step, verdict: Signature | Doubt, *, basis: Basis) -> list[TrustError]:
        commit = step.commit
        if isinstance(verdict, Doubt):
            return [say.unsigned(commit, verdict, judged=commit.commit)]
        if len(commit.parents) > 2:  # noqa: PLR2004 - two are a merge's parents, more are an octopus's
            return [say.octopus(commit)]
        refusals = self._check_dates(step)
        sides: list[CommitObject] = []
        signers: dict[str, str] = {}
        if len(commit.parents) > 1:
            sides, signers, wrong = self._check_sides(step, basis=basis)  # 3
            refusals += wrong
        if refusals:
            return refusals
        return self._check_paths(step, signer=verdict.principal, sides=sides, signers=signers, basis=basis)  # 4

    def _check_dates(self, step: _Step) -> list[TrustError]:
        refusals = []
        if step.parent_made is not None and step.commit.made < step.parent_made - TOLERANCE_S:
            refusals.append(say.backdated(step.commit, parent_made=step.parent_made))
        if step.commit.made > self._verifier.now + TOLERANCE_S:
            refusals.append(say.from_future(step.commit, now=self._verifier.now))
        return refusals

    def _check_sides(self, step: _Step, *, basis: Basis) -> tuple[list[CommitObject], dict[str, str], list[TrustError]]:
        """Return the side commits, oldest first, who signed each, and what is wrong with them."""
        merge = step.commit
        ids = self._git.side_commits(merge.commit, parent=merge.parents[0])
        sides: list[CommitObject] = []
        signers: dict[str, str] = {}
        refusals: list[TrustError] = []
        for start in range(0, len(ids), _AT_ONCE):
            read = read_commits(self._git, ids[start : start + _AT_ONCE])
            part = list(read.values())
            refusals += [say.malformed(side) for side in part if side.problem]
            refusals += [
                say.from_future(side, now=self._verifier.now)
                for side in part
                if side.made > self._verifier.now + TOLERANCE_S
            ]
            fine = [_signed(side, is_recorded=step.is_recorded) for side in part if not side.problem]
            for side_id, verdict in self._verifier.verify(fine, keyring=basis.keyring).items():
                if isinstance(verdict, Doubt):
                    refusals.append(say.unsigned(read[side_id], verdict, judged=merge.commit))
                else:
                    signers[side_id] = verdict.principal
            sides += part
            if len(refusals) >= _MANY:
                break
        return sides, signers, refusals

    def _check_paths(
        self, step: _Step, *, signer: str, sides: Sequence[CommitObject], signers: dict[str, str], basis: Basis
    ) -> list[TrustError]:
        commit = step.commit
        rules = basis.rules
        if not commit.parents:
            rules = tuple(
                rule.model_copy(update={"threshold": 1}) for rule in rules
            )  # The root pins itself: one signature is there.
        refusals: list[TrustError] = []
        left: list[tuple[str, Change]] = []
        for change in step.changes:
            path = change.path.decode("utf-8", "backslashreplace")
            problem = path_problem(change)
            if problem:
                refusals.append(say.path_refused(commit.commit, path, problem))
            elif not may_change(path, signers={signer}, rules=rules):
                left.append((path, change))
        refusals += self._check_contents(step)
        if not left:
            return refusals
        taken = taken_over(self._git, commit, changes=[change for _, change in left], sides=sides) if sides else {}
        approvals = self._approvals(step, sides=sides, taken=taken, basis=basis)
        for path, change in left:
            covering = {signer, *approvals.by.get(commit.commit, ())}
            if change.path in taken:
                side = taken[change.path]
                tip = commit.parents[1]
                covering |= {signers[side], *approvals.by.get(side, ()), *approvals.by.get(tip, ())}
            if not may_change(path, signers=covering, rules=rules):
                refusals.append(
                    say.not_authorised(
                        commit, path, signer=signer, signers=covering, rules=rules, doubts=approvals.doubts
                    )
                )
        return refusals

    def _check_contents(self, step: _Step) -> list[TrustError]:
        wanted = {change.object_id: change.path for change in step.changes if change.object_id.strip("0")}
        links = {change.object_id for change in step.changes if change.mode == "160000"}
        held = self._git.sizes(wanted)
        return [
            say.incomplete(step.commit.commit, f"lacks the content of {path.decode('utf-8', 'backslashreplace')}")
            for object_id, path in wanted.items()
            if object_id not in held and object_id not in links
        ]

    def _approvals(
        self, step: _Step, *, sides: Sequence[CommitObject], taken: dict[bytes, str], basis: Basis
    ) -> Approvals:
        commit = step.commit
        asked = {*taken.values(), *(commit.parents[1:] if taken else ())}
        objects = [commit, *(side for side in sides if side.commit in asked)]
        return read_approvals(
            self._git, objects, verifier=self._verifier, keyring=basis.keyring, is_recorded=step.is_recorded
        )


def _signed(commit: CommitObject, *, is_recorded: bool) -> Signed:
    return Signed(object_id=commit.commit, scheme=commit.scheme, made=commit.made, is_recorded=is_recorded)


def _under_one_basis(steps: Sequence[_Step]) -> Iterator[_Step]:
    """Yield the steps that are judged by the same rules: up to the first one that changes them."""
    for step in steps:
        yield step
        if any(is_trust_root(change.path.decode("utf-8", "replace")) for change in step.changes):
            return
