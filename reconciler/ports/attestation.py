"""The attestation port: what nodes have sent, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from reconciler.model.observed import AnswerStatus, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """A key encrypted to a quote-bound ephemeral key; ``wrapped`` is an age file."""

    name: str
    version: int
    wrapped: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a node is told about the evidence of ``nonce``; keys go with ACCEPTED only."""

    session: str
    nonce: bytes
    status: AnswerStatus
    keys: tuple[WrappedKey, ...] = ()
    reattest_s: int = 0


class AttestationDesk(Protocol):
    """The shared desk between the attestation service and the reconciler: raw evidence in, answers out.

    TransientError: its store is busy or away.
    """

    def publish(self, commit: str) -> None:
        """Bind every challenge issued from now on to ``commit``. The same commit again: nothing happens."""
        ...

    def listening_since(self) -> datetime | None:
        """Return since when the service has been listening without a break; None while it is not."""
        ...

    def sessions(self) -> Mapping[str, Session]:
        """Return each node's newest session of its current attempt; none for a node without an assignment.

        A session's evidence stays there after it was answered, so that its appraisal can be repeated.
        """
        ...

    def answer(self, answer: Answer) -> None:
        """Leave ``answer`` for the node to fetch. A second answer to the same nonce changes nothing."""
        ...
