"""One attack on the rules by which commits are trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from tests.support.attackrepo import AttackRepo
from tests.support.gitrepo import Content

Build = Callable[[AttackRepo], str]


@dataclass(frozen=True, slots=True)
class Attack:
    """``build`` makes a head; ``layer`` refuses it for ``reason``, with ``message`` in its words.

    ``is_blinding``: with nothing on record, nothing can be followed.
    """

    name: str
    build: Build
    reason: str
    message: str = ""
    layer: Literal["trust", "documents"] = "trust"
    is_blinding: bool = False


def by(signer: str | None, files: Mapping[str | bytes, Content]) -> Build:
    """Return a build of one commit on top of the trusted one."""
    return lambda repo: repo.commit(files, signer=signer, parents=[repo.base])
