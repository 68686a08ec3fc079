"""What an audit reads, each part behind a function: the branch, its blobs, and the desired states of the past."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.evidence.blobs import Blobs
from reconciler.model.desired import DesiredState


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCommit:
    """A commit of the trusted history: its tree, when it says that it was made, and how many came before it."""

    tree: str
    made_at: datetime
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The desired states that records were made under.

    ``desired`` gives the desired state at a commit, raising TrustError for one outside the trusted history; ``keys``
    the evidence keys of that state, by key id; ``blob`` raw bytes by bare SHA-256, None where there are none;
    ``commits`` what is known of a commit of the trusted history, None for any other.
    """

    desired: Callable[[str], DesiredState]
    keys: Callable[[str], Mapping[str, Ed25519PublicKey]]
    blob: Blobs
    commits: Callable[[str], HistoryCommit | None]


class Branch(Protocol):
    """The files of the evidence branch at one commit."""

    def files(self) -> Iterable[tuple[str, str]]:
        """Return path and mode (``100644``) of every file, by path."""
        ...

    def read(self, path: str) -> bytes | None:
        """Return the content of the file at ``path``, None if there is none."""
        ...
