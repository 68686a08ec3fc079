"""A reconciler on a simulated world that keeps a journal, and what the journal is held against.

Rules: as ``tests.support.runner``; each pass is a fresh process with a fresh ``daemon.journal``, which knows only what
is on record. The history of commits is that of the world, in the order in which they were trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.daemon.journal import Journal
from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import RingfenceError, TrustError
from reconciler.evidence.journal import JournalHead, Step, parse_journal_head
from reconciler.evidence.journal_check import History
from reconciler.execute.outcome import Outcome
from reconciler.execute.passes import Draft
from reconciler.execute.recall import PassMemory
from reconciler.model.desired import DesiredState
from reconciler.repo.signers import AllowedSigners
from tests.support.journal_audit import JournalFindings, check_journal
from tests.support.runner import EVIDENCE_KEY, Runner
from tests.support.world import World

OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEYS = {"evidence": EVIDENCE_KEY, "evidence-2": OTHER_KEY}


@dataclass(frozen=True, kw_only=True)
class Signer:
    """An evidence key."""

    key_id: str

    def sign(self, data: bytes) -> bytes:
        """Return the raw signature of ``data``."""
        return KEYS[self.key_id].sign(data)


@dataclass(frozen=True, kw_only=True)
class WorldHistory:
    """The history of a world's commits, of which nobody knows who signed them."""

    world: World

    def steps(self, commit: str, *, before: str | None) -> tuple[Step, ...]:
        """Return the commit alone."""
        return (Step(commit=commit),) if before != commit else ()

    def state(self, commit: str) -> DesiredState | None:
        """Return what ``commit`` asked for."""
        return self.world.trusted.get(commit)


class JournalledRunner(Runner):
    """A reconciler that keeps a journal; ``refusals`` are what its source has against newer commits."""

    def __init__(
        self,
        world: World,
        *,
        is_lasting: bool = False,
        key_id: str = "evidence",
        memory: PassMemory | None = None,
    ) -> None:
        """Begin; with ``is_lasting`` it is one process over all passes, with ``memory`` it remembers them."""
        super().__init__(world, memory=memory)
        world.monitor.has_journal = True
        self.refusals: tuple[RingfenceError, ...] = ()
        self.faulty: tuple[str, ...] = ()
        self.key_id = key_id
        self._is_lasting = is_lasting
        self.journal = self._fresh()

    def _fresh(self) -> Journal:
        world = self.world
        return Journal(
            lambda: world.ledger, key=Signer(key_id=self.key_id), now=world.clock.now, history=WorldHistory(world=world)
        )

    def begin(self) -> None:
        """Follow the commit in force."""
        if not self._is_lasting:
            self.journal = self._fresh()
        signers = AllowedSigners(signers=())
        sight = Sight(desired=self.world.desired, signers=signers, refusals=self.refusals, faulty=self.faulty)
        self.journal.follow(sight)

    def end(self, draft: Draft, outcomes: Mapping[str, Outcome]) -> None:
        """Record what the pass found."""
        self.journal.note(draft, outcomes)


def head_of(world: World) -> JournalHead:
    """Return the sum of the journal."""
    content = world.ledger.journal_head()
    assert content is not None
    return parse_journal_head(content)


def history_of(world: World) -> History:
    """Return what an audit holds the journal of ``world`` against."""
    order = list(world.trusted)

    def desired(commit: str) -> DesiredState:
        if commit not in world.trusted:
            raise TrustError(f"commit {commit}", "is not of the trusted history", reason="CommitUntrusted")
        return world.trusted[commit]

    return History(
        desired=desired,
        keys=lambda _commit: {name: key.public_key() for name, key in KEYS.items()},
        leads_on=lambda before, after: order.index(before) < order.index(after),
    )


def audited(world: World) -> JournalFindings:
    """Return what an audit finds in the journal of ``world``."""
    return check_journal(world.ledger.journal, history=history_of(world), head=world.ledger.journal_head())
