"""Carries commits between a remote and this machine, in a thread of its own, so that no pass ever waits for it.

Rules:
1. it is level-based: it compares what the remote has with what is here, and brings or pushes what is missing;
2. evidence is pushed, never forced; what cannot be pushed stays on the local branch and is tried again, with back-off;
3. a remote that is away or refuses stops nothing; it is said once, and again only when it is another trouble;
4. a remote whose evidence is *ahead* of ours, signed by an evidence signer, ends the passes: another reconciler wrote
   it, or ours was lost, and deciding on less than what is on record could forget a rejection. Where its lease says that
   another machine wrote it and ours has nothing beside it, ours follows; whether this machine may write is the lease's
   to say. Where ours has records beside it, they are kept under a ref of their own, here and there, and named;
5. evidence there that no evidence signer signed is refused and shown; it stops nothing, or everybody who may push there
   could.
Whether a desired commit may be followed is not asked here (``repo.trust``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.daemon.loop import backoff_s
from reconciler.errors.taxonomy import InvariantError, RingfenceError, TrustError
from reconciler.repo.git import Git
from reconciler.repo.places import PARTED, WRITER_PATH
from reconciler.repo.remote import Remote
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.writer import read_lease, writer_id

_SLICE_S = 0.5
_GRACE_S = 10.0
_LEASE = WRITER_PATH.encode()


@dataclass(slots=True)
class _Due:
    """When something is next tried, and how often it has failed in a row."""

    at: float = 0.0
    tries: int = 0

    def done(self, *, pause_s: float) -> None:
        self.at, self.tries = time.monotonic() + pause_s, 0

    def failed(self) -> None:
        self.tries += 1
        self.at = time.monotonic() + backoff_s(self.tries)


class Courier:
    """One remote, looked at every ``interval_s`` or when a bell rings."""

    def __init__(
        self,
        remote: Remote,
        *,
        interval_s: float,
        report: Callable[[RingfenceError], None],
        ring: Callable[[], None] = lambda: None,
        rings: Callable[[], int] = lambda: 0,
    ) -> None:
        """Reach nothing yet. ``ring`` wakes the loop; ``rings`` counts a forge's rings; ``report`` tells people."""
        self.remote = remote
        self._git: Git = remote.git
        self._interval_s = interval_s
        self._report = report
        self._ring = ring
        self._rings = rings
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._look_due, self._push_due = _Due(), _Due()
        self._heard = 0
        self._has_looked = False
        self._theirs: str | None = None
        self._years: set[str] = set()
        self._years_pushed_at: str | None = None
        self._unkept: tuple[str, str] | None = None
        self._judged: str | None = None
        self._said: dict[str, str] = {}
        self._trouble: RingfenceError | None = None

    @property
    def theirs(self) -> str | None:
        """Return the remote's evidence tip as it was last seen; its objects are here."""
        return self._theirs

    def start(self) -> None:
        """Begin to carry; ``close`` ends it."""
        self._thread = threading.Thread(target=self._work, name="courier", daemon=True)
        self._thread.start()

    def report_to(self, report: Callable[[RingfenceError], None]) -> None:
        """Tell ``report`` of troubles from now on."""
        self._report = report

    def close(self) -> None:
        """Stop; what is not pushed yet is tried once more, unless a call is under way that does not end soon."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join(timeout=_GRACE_S)
        if not self._thread.is_alive():
            self._push()
        self._thread = None

    def look_first(self) -> None:
        """Look now if nothing was ever seen; a failure is reported, and raised where there is no evidence to go by."""
        if self._thread is not None and not self._thread.is_alive() and not self._stop.is_set():
            raise InvariantError("courier", "has ended by itself", reason="CourierEnded")
        with self._lock:
            if not self._has_looked and self._look_due.tries == 0:
                self._look_now()
        if not self._has_looked and self._trouble is not None and self._ours() is None:
            raise self._trouble

    def check(self, signers: AllowedSigners) -> None:
        """Raise TrustError if the remote's evidence, signed by one of ``signers``, is not part of ours."""
        ours, theirs = self._ours(), self._theirs
        if theirs is None or theirs in {ours, self._judged}:
            return
        if ours is not None and self._git.is_ancestor(theirs, of=ours):
            self._judged = theirs
            return
        subject = f"{self.remote.subject}, branch {self.remote.evidence}"
        beyond = [commit for commit, _ in self._git.first_parents(theirs, past=ours)]
        known = [self._git.verify_commit(commit, allowed=signers) for commit in {beyond[0], theirs}]
        if not any(known):
            hint = "somebody else pushed to it: delete it there or put ours back; it goes on being refused"
            message = f"{theirs[:12]} is not signed by an evidence signer"
            self._say("foreign", TrustError(subject, message, reason="EvidenceForeign", hint=hint))
            self._judged = theirs
            return
        if self._follow(theirs, ours=ours, beyond=beyond):
            return
        is_ahead = ours is None or self._git.is_ancestor(ours, of=theirs)
        message = f"{theirs[:12]} {'is ahead of' if is_ahead else 'has parted from'} ours, {(ours or 'none')[:12]}"
        hint = "run one reconciler for a repository; if it does, ours was lost: git branch -f evidence to theirs"
        raise TrustError(subject, message, reason="EvidenceAhead" if is_ahead else "EvidenceParted", hint=hint)

    def confirm(self, commit: str) -> None:
        """Push ``commit``, which takes the lease over, before our branch moves to it; raise if it is not the first.

        TransientError: the remote is away, or another machine was faster. DeviceError: it refuses.
        """
        with self._lock:
            self.remote.push(commit, branch=self.remote.evidence)
            self._theirs = commit

    def _follow(self, theirs: str, *, ours: str | None, beyond: list[str]) -> bool:
        """Let our branch follow the signed ``theirs`` if another machine wrote it by right; return whether it does.

        TrustError (``EvidenceTakenOver``): it did, and we have records beside it. They are kept.
        """
        writer = writer_id(self._git)
        lease = read_lease(self._git, theirs)
        if ours is None or lease is None:
            return False
        # A takeover of ours that reached the remote when we had ended, or thought that it had not.
        is_takeover = len(beyond) == 1 and [each.path for each in self._git.changes(theirs, parent=ours)] == [_LEASE]
        if lease.writer == writer and not is_takeover:
            return False
        if self._git.is_ancestor(ours, of=theirs):
            note = "ringfence: follow the writer that the lease names"
            return self._git.move_branch(self.remote.evidence, old=ours, new=theirs, note=note)
        ref = f"{PARTED}{ours[:16]}"
        self._git.keep(ref, ours)
        self._unkept = (ref, ours)
        own = len(self._git.first_parents(ours, past=theirs))
        subject = f"{self.remote.subject}, branch {self.remote.evidence}"
        message = (
            f"{lease.writer} took the lease over while this machine was cut off; {own} commits of ours are beside it"
        )
        hint = (
            f"they are kept as {ref}, here and on the remote; look at them, then go on behind the other: "
            f"git update-ref refs/heads/{self.remote.evidence} {theirs}"
        )
        raise TrustError(subject, message, reason="EvidenceTakenOver", hint=hint)

    def adopt(self, signers: AllowedSigners) -> None:
        """Begin our evidence branch where the remote's is; TrustError if none of ``signers`` signed it."""
        theirs = self._theirs
        if theirs is None or self._ours() is not None:
            return
        if self._git.verify_commit(theirs, allowed=signers) is None:
            subject = f"{self.remote.subject}, branch {self.remote.evidence}"
            hint = "restore the branch there, or add the key that signed it to the evidence signers"
            message = f"{theirs[:12]} is not signed by an evidence signer, and there is no evidence here to go by"
            raise TrustError(subject, message, reason="EvidenceForeign", hint=hint)
        self._git.move_branch(self.remote.evidence, old=None, new=theirs, note="ringfence: adopt the remote's evidence")

    def _work(self) -> None:
        while not self._stop.is_set():
            rings = self._rings()
            if rings != self._heard:
                self._heard = rings
                self._look_due.at = 0.0
            if time.monotonic() >= self._look_due.at:
                self._look()
            if time.monotonic() >= self._push_due.at:
                self._push()
                self._keep_parted()
                self._push_years()
            self._stop.wait(_SLICE_S)

    def _look(self) -> None:
        with self._lock:
            has_news = self._look_now()
        if has_news:
            self._ring()

    def _look_now(self) -> bool:
        """Look and fetch, under the lock; return whether anything came."""
        try:
            seen = self.remote.look()
            has_news = self.remote.fetch(seen)
        except RingfenceError as error:
            self._look_due.failed()
            self._trouble = error
            self._say("look", error)
            return False
        self._theirs = seen.evidence
        self._has_looked = True
        self._trouble = None
        self._said.pop("look", None)
        self._look_due.done(pause_s=self._interval_s)
        return has_news

    def _push(self) -> None:
        """Push our evidence if the remote's is part of it and not all of it."""
        with self._lock:
            ours, theirs = self._ours(), self._theirs
            if not self._has_looked or ours is None or ours == theirs:
                return
            try:
                if theirs is None or self._git.is_ancestor(theirs, of=ours):
                    self.remote.push(ours, branch=self.remote.evidence)
                    self._theirs = ours
                    self._said.pop("push", None)
                self._push_due.done(pause_s=0.0)
            except RingfenceError as error:
                self._push_due.failed()
                self._look_due.at = min(self._look_due.at, self._push_due.at)
                self._say("push", error)

    def _keep_parted(self) -> None:
        """Bring what parted from the remote's evidence there too, under a name of its own, if the remote takes it."""
        if self._unkept is None:
            return
        ref, commit = self._unkept
        try:
            self.remote.keep(commit, ref=ref)
            self._unkept = None
        except RingfenceError as error:
            self._push_due.failed()
            self._say("parted", error)

    def _push_years(self) -> None:
        """Bring the branches of closed years to the remote, once in a process; what fails waits for its next start."""
        if self._theirs is None or self._theirs == self._years_pushed_at or self._theirs != self._ours():
            return
        self._years_pushed_at = self._theirs
        for ref in self._git.refs(f"refs/heads/{self.remote.evidence}-[0-9][0-9][0-9][0-9]"):
            if ref.name not in self._years:
                self._years.add(ref.name)
                try:
                    self.remote.push(ref.object_id, branch=ref.name.removeprefix("refs/heads/"))
                except RingfenceError as error:
                    self._say("year", error)

    def _ours(self) -> str | None:
        return self._git.head(self.remote.evidence)

    def _say(self, what: str, error: RingfenceError) -> None:
        if self._said.get(what) != error.reason:
            self._said[what] = error.reason
            self._report(error)
