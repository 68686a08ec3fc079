"""The records of one pass: each node's chain goes on from the head that the pass began with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.attest.expectation import Expectation
from reconciler.attest.verdict import Accepted, Rejected, Verdict
from reconciler.errors.taxonomy import InvariantError
from reconciler.evidence.author import Author, News
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.raw import enrolment_of, pack
from reconciler.evidence.report import describe
from reconciler.evidence.rules import RulesPacker
from reconciler.evidence.statement import Appraisal
from reconciler.model.desired import DatedImage, DesiredState
from reconciler.model.observed import ObservedState, Session
from reconciler.model.record import Clock, Event, Head
from reconciler.model.submission import BootClock, Evidence
from reconciler.plan.expect import assigned_image, expectation_for
from reconciler.ports.ledger import Entry, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What one pass is about: the desired and the observed state, and the clock this pass tells the time by."""

    desired: DesiredState
    observed: ObservedState
    now: Callable[[], datetime]


class Recorder:
    """Writes what happens in one pass, and knows each node's head as it goes on."""

    def __init__(self, ledger: Ledger, *, author: Author, occasion: Occasion, rules: RulesPacker) -> None:
        """Begin with the heads that were observed; ``rules`` may be kept from pass to pass."""
        self._ledger = ledger
        self._author = author
        self._occasion = occasion
        self._rules = rules
        self._heads = {name: seen.head for name, seen in occasion.observed.nodes.items()}
        self._unsure: set[str] = set()

    def head(self, node: str) -> Head | None:
        """Return the node's head, everything written so far included."""
        return self._heads[node]

    def write(self, *news: News, at: datetime | None = None) -> None:
        """Record ``news``, all of one node, in one commit; ``at`` is when it happened, by default now."""
        node = news[0].node
        self._be_sure([node])
        entries: list[Entry] = []
        head = self._heads[node]
        for item in news:
            entries.append(self._author.entry(head, item, at=at or self._occasion.now()))
            head = entries[-1].heads[0]
        self._append(entries, [node])
        self._heads[node] = head

    def news(self, node: str, event: Event, **details: Any) -> News:  # noqa: ANN401  # fields of Record
        """Return the news that ``event`` happened to ``node``, in the enclave that it is recorded for."""
        head = self._heads[node]
        context = {"enclave": head.enclave, "attempt": head.attempt} if head else {}
        endorsement = self._occasion.desired.nodes[node].spec.tpm.endorsement
        return News(node=node, event=event, endorsement=endorsement, details=context | details)

    def write_round(self, news: Sequence[News]) -> None:
        """Record ``news`` of members that proved themselves again (``repeated``), all in one round."""
        nodes = [item.node for item in news]
        self._be_sure(nodes)
        entry = self._author.round([(self._head(item.node), item) for item in news], at=self._occasion.now())
        self._append([entry], nodes)
        self._heads |= {head.node: head for head in entry.heads}

    def repeated(self, verdict: Accepted) -> News:
        """Return the news that a member proved itself again, as a leaf of a round."""
        return self._acceptance(verdict, is_leaf=True)

    def _append(self, entries: Sequence[Entry], nodes: Iterable[str]) -> None:
        """Append; if that fails, it is not known whether it was done: what is on record of ``nodes`` is in doubt."""
        try:
            self._ledger.append(entries)
        except BaseException:
            self._unsure.update(nodes)
            raise

    def _be_sure(self, nodes: Iterable[str]) -> None:
        """Read the heads again if one of ``nodes`` is in doubt."""
        doubted = self._unsure.intersection(nodes)
        if doubted:
            heads = self._ledger.heads()
            self._heads |= {node: heads.get(node) for node in doubted}
            self._unsure -= doubted

    def accepted(self, verdict: Accepted) -> list[News]:
        """Return the news of an acceptance, with the raw evidence; first that of the enrolment, if it is a new one."""
        news = self._acceptance(verdict, is_leaf=False)
        return [*self._enrolment(verdict, news), news]

    def rejected(self, verdict: Rejected) -> News:
        """Return the news of a rejection, with the raw evidence."""
        return self._appraised(verdict, self._evidence(verdict.node)[0], is_leaf=False)

    def is_enrolled(self, verdict: Accepted) -> bool:
        """Return whether the session of ``verdict`` is the one that is on record as enrolled."""
        head = self._heads[verdict.node]
        return head is not None and head.enrolment == enrolment_of(self._evidence(verdict.node)[0])

    def _enrolment(self, verdict: Accepted, news: News) -> list[News]:
        if self.is_enrolled(verdict):
            return []
        enrolment = news.details["appraisal"].evidence.enrolment
        context = {"enclave": verdict.enclave, "attempt": verdict.attempt, "enrolment": enrolment}
        enrolled = News(node=news.node, event=Event.ENROLLED, endorsement=news.endorsement, details=context)
        return [enrolled]

    def _acceptance(self, verdict: Accepted, *, is_leaf: bool) -> News:
        evidence, session = self._evidence(verdict.node)
        return self._appraised(
            verdict,
            evidence,
            is_leaf=is_leaf,
            nonce=verdict.nonce.hex(),
            clock=_clock(verdict.clock),
            accepted_at=evidence.received_at,
            contacted_at=session.started_at,
        )

    def _appraised(self, verdict: Verdict, evidence: Evidence, *, is_leaf: bool, **details: Any) -> News:  # noqa: ANN401  # fields of Record
        head = self._heads[verdict.node]
        packed = pack(evidence, ima=head.ima if head else None)
        spec = self._occasion.desired.enclaves[verdict.enclave].spec
        expected, image = self._expectation(verdict.node)
        rules = self._rules.pack(expected)
        now = self._occasion.desired.commit
        told = describe(verdict)
        appraisal = Appraisal(
            verdict=None if is_leaf else told,
            verdict_digest=digest(canonical(told)),
            evidence=packed.submitted,
            rules=rules.digest,
            policy=spec.policy,
            image=image.name,
            image_commit=None if image.commit == now else image.commit,
            previous=_clock(expected.previous) if expected.previous else None,
            must_be_same_boot=expected.must_be_same_boot,
        )
        endorsement = self._occasion.desired.nodes[verdict.node].spec.tpm.endorsement
        context = {"enclave": verdict.enclave, "attempt": verdict.attempt, "appraisal": appraisal}
        return News(
            node=verdict.node,
            event=Event.APPRAISED,
            endorsement=endorsement,
            details=context | details,
            blobs={**rules.blobs, **packed.blobs},
        )

    def _head(self, node: str) -> Head:
        head = self._heads[node]
        if head is None:
            raise InvariantError(f"node {node}", "a member without a record", reason="HeadMissing")
        return head

    def _expectation(self, node: str) -> tuple[Expectation, DatedImage]:
        desired, seen = self._occasion.desired, self._occasion.observed.nodes[node]
        expected, image = expectation_for(desired, seen), assigned_image(desired, seen)
        if expected is None or image is None:
            raise InvariantError(f"node {node}", "a verdict without an expectation", reason="VerdictStray")
        return expected, image

    def _evidence(self, node: str) -> tuple[Evidence, Session]:
        session = self._occasion.observed.nodes[node].session
        if session is None or session.evidence is None:
            raise InvariantError(f"node {node}", "a verdict without evidence", reason="VerdictStray")
        return session.evidence, session


def _clock(clock: BootClock) -> Clock:
    return Clock(
        reset_count=clock.reset_count,
        restart_count=clock.restart_count,
        clock=clock.clock,
        firmware_version=clock.firmware_version,
    )
