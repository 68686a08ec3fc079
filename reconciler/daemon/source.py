"""Where the desired state comes from: the newest trusted commit whose documents are valid.

1. Every commit on the way is judged (``repo.trust``); a refused head leaves the last trusted one in force.
2. A head that does not lead on from what was trusted before, here or by the record, is refused.
3. A trusted commit with findings is not followed either: the newest valid one before it stays in force.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.errors.taxonomy import InputError, RingfenceError, TrustError
from reconciler.model.desired import DesiredState
from reconciler.repo.cache import DocumentCache
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.loading import StateLoader
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.trust import FetchedCommit, judge

_FALLBACKS = 50
EVIDENCE_BRANCH = "evidence"
"""Where this writer looks for its own memory first; a repository that names another branch is judged from its root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The desired state in force, and why what lies above it in the repository is not."""

    desired: DesiredState
    signers: AllowedSigners
    refusals: tuple[RingfenceError, ...]


class TrustedSource:
    """The desired state of one repository, over any number of passes."""

    def __init__(
        self,
        git: Git,
        *,
        branch: str | None = None,
        key: EvidenceKey | None = None,
        cache: DocumentCache | None = None,
    ) -> None:
        """Follow ``branch`` (by default the one checked out); ``key`` signs records, without it only read."""
        self._loader = StateLoader(git, cache=cache)
        self.git = git
        self._branch = branch
        self._key = key
        self._last: str | None = None
        self._sight: Sight | None = None
        self._ledger: GitLedger | None = None
        self._seen: str | None = None

    @property
    def ledger(self) -> GitLedger:
        """Return the evidence branch, as the desired state in force names it; after the first ``refresh``."""
        if self._ledger is None:
            raise InputError("repository", "it has not been read yet", reason="NotRead")
        return self._ledger

    def refresh(self) -> Sight:
        """Read the branch again and return what is in force now.

        Raises TrustError if nothing was ever trusted, InputError if there is no valid state to go back to.
        """
        head = self._head()
        if self._sight is not None and head == self._seen:
            return self._sight
        last = self._last or self._own_memory()
        judgement = judge(self.git, head=FetchedCommit(commit=head), last_trusted=last)
        trusted = judgement.trusted.commit if judgement.trusted else None
        if trusted is None:
            raise judgement.refusals[0]
        sight = self._read(trusted, judgement.refusals)
        if self._sight is None or self._sight.signers != sight.signers:
            self._ledger = self._open_ledger(sight)
        if last is None:
            trusted, sight = self._not_behind_the_record(sight, head=head)
        self._last, self._sight, self._seen = trusted, sight, head
        return sight

    def _own_memory(self) -> str | None:
        """Return the commit that this writer itself recorded as trusted, under its own signature; None if unknown."""
        if self._key is None:
            return None
        try:
            own = GitLedger(self.git, branch=EVIDENCE_BRANCH, key=self._key, signers=AllowedSigners(signers=()))
            return own.trusted()
        except TrustError:
            return None  # Somebody else wrote last: the whole history is judged from its root.

    def _not_behind_the_record(self, sight: Sight, *, head: str) -> tuple[str, Sight]:
        """Return what is in force if the record knows of a newer trusted commit than the branch leads to."""
        remembered = self.ledger.trusted()
        if remembered is None or self.git.is_ancestor(remembered, of=sight.desired.commit):
            return sight.desired.commit, sight
        again = judge(self.git, head=FetchedCommit(commit=head), last_trusted=remembered)
        if again.trusted is None:
            raise again.refusals[0]
        return again.trusted.commit, self._read(again.trusted.commit, again.refusals)

    def _head(self) -> str:
        branch = self._branch or self.git.current_branch()
        head = self.git.head(branch) if branch else None
        if head is None:
            hint = "check out the branch that holds the desired state, or make one: ringfence init"
            raise InputError(f"repository {self.git.path}", "has no commit to follow", reason="NoCommit", hint=hint)
        return head

    def _read(self, commit: str, refusals: tuple[TrustError, ...]) -> Sight:
        reasons: list[RingfenceError] = list(refusals)
        candidates = [commit, *(c for c, _ in reversed(self.git.first_parents(commit, past=None)) if c != commit)]
        for candidate in candidates[:_FALLBACKS]:
            try:
                loaded = self._loader.load(candidate)
            except InputError as error:
                reasons.append(error)
                continue
            return Sight(desired=loaded.desired, signers=loaded.signers, refusals=tuple(reasons))
        raise reasons[-1]

    def _open_ledger(self, sight: Sight) -> GitLedger:
        spec = sight.desired.repository.spec.evidence
        return GitLedger(self.git, branch=spec.branch, key=self._key, signers=sight.signers.only(spec.signers))
