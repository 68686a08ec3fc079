"""The desired state of a remote: what ``daemon.source`` does, with what the courier brings.

1. Nothing is judged before the remote was looked at once, or failed to answer while there is evidence here to go by.
2. A machine that starts fresh takes the remote's evidence over first, signed by an evidence signer of the state that
   the branch holds; which commit was trusted last is then known again, and an older one is refused.
3. While the remote's evidence is ahead of ours there is no pass, unless another machine wrote it under its lease: then
   ours follows it, and there is no pass until this machine holds the lease.
"""

from __future__ import annotations

from reconciler.daemon.courier import Courier
from reconciler.daemon.source import Sight, TrustedSource
from reconciler.errors.taxonomy import InputError
from reconciler.repo.cache import DocumentCache
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.writer import writer_id

_OWN = "ringfence@localhost"


class FollowedSource(TrustedSource):
    """The desired state of the remote that ``courier`` looks at."""

    def __init__(
        self, git: Git, *, courier: Courier, key: EvidenceKey | None = None, cache: DocumentCache | None = None
    ) -> None:
        """Follow the courier's tracking ref; ``key`` signs records, ``cache`` remembers documents."""
        super().__init__(git, key=key, tracking=courier.remote.tracking, cache=cache)
        self._courier = courier
        self._own_key = key
        self._held: GitLedger | None = None

    def refresh(self) -> Sight:
        """Return what is in force now; TrustError also if the remote's evidence is ahead of ours."""
        courier = self._courier
        courier.look_first()  # 1
        if courier.theirs is not None and self.git.head(courier.remote.evidence) is None:
            stranger = TrustedSource(self.git, tracking=courier.remote.tracking)
            courier.adopt(self._evidence_signers(stranger.refresh()))  # 2
        sight = super().refresh()
        named = sight.desired.repository.spec.evidence.branch
        if named != courier.remote.evidence:
            hint = f'set remote.evidence to "{named}" in the settings'
            message = f"are about the branch {courier.remote.evidence}, and ringfence.yaml names {named}"
            raise InputError("settings", message, reason="RemoteEvidenceBranch", hint=hint)
        courier.check(self._evidence_signers(sight))  # 3
        return sight

    def hold(self) -> None:
        """Hold the branch's lease; TransientError (``EvidenceLeased``) while another machine does."""
        self.ledger.hold(writer_id(self.git), confirm=self._courier.confirm)
        self._held = self.ledger

    def release(self) -> None:
        """Give the lease up, if it is held."""
        if self._held is not None:
            self._held.release()

    def _evidence_signers(self, sight: Sight) -> AllowedSigners:
        known = sight.signers.only(sight.desired.repository.spec.evidence.signers).signers
        key = self._own_key
        own = [] if key is None or any(s.fingerprint == key.key_id for s in known) else [key.signer(_OWN)]
        return AllowedSigners(signers=(*known, *own))
