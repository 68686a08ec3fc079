"""Everything about one commit that its first parent's rules and signers decide (rules 2, 3 and 4 of ``repo.trust``).

Rules: all that is wrong is returned, up to a limit; nothing is trusted here, and nothing is said about the way to the
commit, nor about the rules that it brings along itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.errors.taxonomy import TrustError
from reconciler.repo import refusals as say
from reconciler.repo.approvals import Approvals, read_approvals
from reconciler.repo.authority import may_change, path_problem
from reconciler.repo.basis import Basis
from reconciler.repo.commits import CommitObject, read_commits
from reconciler.repo.git import Change, Git, Signature
from reconciler.repo.merges import taken_over
from reconciler.repo.steps import Step, signed_commit
from reconciler.repo.verification import Doubt, Verifier
from reconciler.repo.windows import TOLERANCE_S

_MANY = 20
_AT_ONCE = 200


class Checks:
    """Checks commits of one repository."""

    def __init__(self, git: Git, *, verifier: Verifier) -> None:
        """Use the repository ``git``, as of the time of ``verifier``."""
        self._git = git
        self._verifier = verifier

    def check(self, step: Step, verdict: Signature | Doubt, *, basis: Basis) -> list[TrustError]:
        """Return what is wrong with ``step``, of whose signature ``verdict`` says whose it is, by ``basis``."""
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

    def _check_dates(self, step: Step) -> list[TrustError]:
        refusals = []
        if step.parent_made is not None and step.commit.made < step.parent_made - TOLERANCE_S:
            refusals.append(say.backdated(step.commit, parent_made=step.parent_made))
        if step.commit.made > self._verifier.now + TOLERANCE_S:
            refusals.append(say.from_future(step.commit, now=self._verifier.now))
        return refusals

    def _check_sides(self, step: Step, *, basis: Basis) -> tuple[list[CommitObject], dict[str, str], list[TrustError]]:
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
            fine = [signed_commit(side, is_recorded=step.is_recorded) for side in part if not side.problem]
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
        self, step: Step, *, signer: str, sides: Sequence[CommitObject], signers: dict[str, str], basis: Basis
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
        refusals += [
            say.incomplete(commit.commit, f"lacks the content of {path.decode('utf-8', 'backslashreplace')}")
            for path in step.lacking
        ]
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

    def _approvals(
        self, step: Step, *, sides: Sequence[CommitObject], taken: dict[bytes, str], basis: Basis
    ) -> Approvals:
        commit = step.commit
        asked = {*taken.values(), *(commit.parents[1:] if taken else ())}
        objects = [commit, *(side for side in sides if side.commit in asked)]
        return read_approvals(
            self._git, objects, verifier=self._verifier, keyring=basis.keyring, is_recorded=step.is_recorded
        )
