"""Where the desired state comes from: the newest trusted commit whose documents are valid.

1. Every commit on the way is judged (``repo.trust``); a refused head leaves the last trusted one in force.
2. A head that does not lead on from what was trusted before, here or by the record, is refused.
3. A refused head is judged again when it or an approval has moved, or when time may have healed it.
4. A trusted commit with findings is not followed either: the newest valid one before it stays in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

from reconciler.errors.taxonomy import InputError, RingfenceError, TrustError
from reconciler.model.desired import DesiredState
from reconciler.repo.approvals import APPROVALS
from reconciler.repo.cache import DocumentCache
from reconciler.repo.former import with_former_images
from reconciler.repo.git import Git, Ref
from reconciler.repo.ledger import GitLedger
from reconciler.repo.loading import StateLoader
from reconciler.repo.recollection import judge_by_record, remote_branch
from reconciler.repo.remote import TRACKING
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.trust import FetchedCommit, Judgement, judge

_FALLBACKS = 50
_TRUSTED_REF = "refs/ringfence/trusted"
"""Keeps the trusted commit from being collected as garbage after a force-push."""
_PASSES_WITH_TIME = frozenset({"CommitFromFuture", "SignerNotYet"})
EVIDENCE_BRANCH = "evidence"
"""Where this writer looks for its own memory first; a repository that names another branch is judged from its root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The desired state in force, and why what lies above it in the repository is not.

    ``faulty`` are the trusted commits with findings that were passed over, in the order of those refusals.
    """

    desired: DesiredState
    signers: AllowedSigners
    refusals: tuple[RingfenceError, ...]
    faulty: tuple[str, ...] = ()


class TrustedSource:
    """The desired state of one repository, over any number of passes."""

    def __init__(  # noqa: PLR0913 - each is something that a test or a command may leave out
        self,
        git: Git,
        *,
        branch: str | None = None,
        key: EvidenceKey | None = None,
        now: Callable[[], datetime] | None = None,
        tracking: str | None = None,
        cache: DocumentCache | None = None,
        by_record: bool = True,
    ) -> None:
        """Follow ``branch`` (by default the one checked out); ``key`` signs records, without it only read.

        ``tracking`` is the full name of a remote-tracking ref to follow instead. Without ``by_record`` the history is
        judged by itself, whatever the evidence branch says of it: for an audit of that branch.
        """
        self._loader = StateLoader(git, cache=cache)
        self.git = git
        self._tracking = tracking
        self._by_record = by_record
        self._branch = branch
        self._key = key
        self._now = now or (lambda: datetime.now(UTC))
        self._last: str | None = None
        self._sight: Sight | None = None
        self._ledger: GitLedger | None = None
        self._seen: str | None = None
        self._approvals: tuple[Ref, ...] = ()

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
        sight = self._sight
        refused = [refusal for refusal in sight.refusals if isinstance(refusal, TrustError)] if sight else []
        if sight and head == self._seen and not refused:
            return sight
        approvals = tuple(self.git.refs(APPROVALS))
        is_waiting = any(refusal.reason in _PASSES_WITH_TIME for refusal in refused)
        if sight and head == self._seen and approvals == self._approvals and not is_waiting:
            return sight
        last = self._last or self._own_memory()
        judgement = self._judge(head, last=last)
        if judgement.trusted is None and sight is None:
            raise judgement.refusals[0]
        # What was in force stays so, even if somebody has removed the very objects from the repository.
        trusted = judgement.trusted.commit if judgement.trusted else str(self._last)
        self._sight = self._look(trusted, judgement.refusals, before=sight)
        if self._key is not None and trusted != self._last:
            self.git.keep(_TRUSTED_REF, trusted)
        self._last, self._seen, self._approvals = trusted, head, approvals
        return self._sight

    def hold(self) -> None:
        """See to it that nobody else writes evidence: without a remote, the lock on this machine is enough."""

    def release(self) -> None:
        """Let others write evidence."""

    def _judge(self, head: str, *, last: str | None) -> Judgement:
        now = self._now()
        if last is None and self._by_record:
            return judge_by_record(self.git, head=head, now=now)
        return judge(self.git, head=FetchedCommit(commit=head), last_trusted=last, now=now)

    def _look(self, trusted: str, refusals: tuple[TrustError, ...], *, before: Sight | None) -> Sight:
        """Return what is in force with ``trusted``; what was read ``before`` is not read again."""
        if before is not None and trusted == self._last:
            findings = [refusal for refusal in before.refusals if not isinstance(refusal, TrustError)]
            return replace(before, refusals=(*refusals, *findings))
        sight = self._read(trusted, refusals)
        if before is None or before.signers != sight.signers:
            self._ledger = self._open_ledger(sight)
        return self._with_former_images(sight)

    def _with_former_images(self, sight: Sight) -> Sight:
        """Return ``sight`` with the images that members still run and its commit does not hold; only a writer plans."""
        if self._key is None:
            return sight
        earlier = self._sight.desired if self._sight else None
        desired = with_former_images(self.git, sight.desired, heads=self.ledger.heads(), earlier=earlier)
        return replace(sight, desired=desired)

    def _own_memory(self) -> str | None:
        """Return the commit that this writer itself recorded as trusted, under its own signature; None if unknown."""
        if self._key is None:
            return None
        nobody = AllowedSigners(signers=())
        try:
            self._adopt(EVIDENCE_BRANCH, signers=AllowedSigners(signers=(self._key.signer("ringfence@localhost"),)))
            return GitLedger(self.git, branch=EVIDENCE_BRANCH, key=self._key, signers=nobody).trusted()
        except TrustError:
            return None  # Somebody else wrote last: the whole history is judged from its root.

    def _adopt(self, branch: str, *, signers: AllowedSigners) -> None:
        """Take over what was fetched of the evidence branch, on a machine that has none yet and will write to it."""
        fetched = remote_branch(self.git, branch) if self.git.head(branch) is None else None
        if fetched and self.git.verify_commit(fetched, allowed=signers):
            self.git.move_branch(branch, old=None, new=fetched, note="ringfence: evidence as fetched")

    def _head(self) -> str:
        branch = self._branch or self.git.current_branch()
        local = self.git.head(branch) if branch and not self._tracking else None
        head = self.git.at(self._tracking) if self._tracking else local
        if head is None:
            # A reconciler's clone has nothing checked out; what it fetched is there for whoever looks at it.
            fetched = [ref for ref in self.git.refs(TRACKING) if ref.kind == "commit" and not _is_evidence(ref)]
            head = fetched[0].object_id if len(fetched) == 1 and not self._branch else None
        if head is None:
            hint = "check out the branch that holds the desired state, or make one: ringfence init"
            raise InputError(f"repository {self.git.path}", "has no commit to follow", reason="NoCommit", hint=hint)
        return head

    def _read(self, commit: str, refusals: tuple[TrustError, ...]) -> Sight:
        reasons: list[RingfenceError] = list(refusals)
        faulty: list[str] = []
        for candidate in islice(self._back_from(commit), _FALLBACKS):
            try:
                loaded = self._loader.load(candidate)
            except InputError as error:
                reasons.append(error)
                faulty.append(candidate)
                continue
            return Sight(desired=loaded.desired, signers=loaded.signers, refusals=tuple(reasons), faulty=tuple(faulty))
        raise reasons[-1]

    def _back_from(self, commit: str) -> Iterator[str]:
        """Yield ``commit``, then what came before it; the history is read only if the first one will not do."""
        yield commit
        yield from (earlier for earlier, _ in reversed(self.git.first_parents(commit, past=None)) if earlier != commit)

    def _open_ledger(self, sight: Sight) -> GitLedger:
        spec = sight.desired.repository.spec.evidence
        signers = sight.signers.only(spec.signers)
        if self._key is not None:
            self._adopt(spec.branch, signers=signers)
        origin = f"{sight.desired.repository.metadata.name}/{spec.branch}"
        return GitLedger(self.git, branch=spec.branch, key=self._key, signers=signers, origin=origin)


def _is_evidence(ref: Ref) -> bool:
    return ref.name == f"{TRACKING}{EVIDENCE_BRANCH}"
