"""A forge's pull requests, as far as a plan is shown there: comments and commit statuses.

Contract of every method: TransientError if the forge is away or busy after a bounded number of tries, TrustError never,
DeviceError if it refuses our token or our right, InputError if what is named is not there or not understood. Each call
has a deadline. Reading and replacing are tried again; making something is not, or it could be there twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class State(StrEnum):
    """How a check of a commit stands."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment; ``author`` is the login of who wrote it."""

    id: int
    author: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is said of one commit under the name ``context``; ``target`` is a page that tells more."""

    commit: str
    state: State
    context: str
    description: str = ""
    target: str = ""


class Forge(Protocol):
    """One project on one forge."""

    def whoami(self) -> str | None:
        """Return the login that we act as; None if the forge does not tell a token like ours."""
        ...

    def comments(self, change: int) -> Iterator[Comment]:
        """Return the comments of the pull request ``change``, oldest first, a bounded number."""
        ...

    def create_comment(self, change: int, body: str) -> None:
        """Add a comment; not tried again."""
        ...

    def update_comment(self, change: int, comment: int, body: str) -> None:
        """Replace the text of a comment; the same text again changes nothing."""
        ...

    def set_status(self, status: Status) -> None:
        """Say ``status``; the same again changes nothing that people see."""
        ...
