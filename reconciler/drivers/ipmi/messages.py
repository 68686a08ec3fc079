"""What the pool and its workers say to each other: one JSON object a line.

Shared by both sides, so it imports the standard library only. Requests carry the
password, which is why they travel over a pipe and nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

Operation = Literal["status", "on", "off", "identify"]
Outcome = Literal["state", "refused", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One operation on one BMC, to be over after ``timeout_s``."""

    operation: Operation
    address: str
    port: int
    user: str
    password: str
    timeout_s: float

    def __repr__(self) -> str:
        """Show everything but the password."""
        return f"Request({self.operation} {self.address}:{self.port} as {self.user})"

    def encode(self) -> bytes:
        """Return the line that stands for this request."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @staticmethod
    def decode(line: bytes) -> Request:
        """Return the request that ``line`` stands for; raises ValueError or TypeError for anything else."""
        return Request(**json.loads(line))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of it; ``text`` is the power state (``ON``, ``OFF``, ``UNKNOWN``) or why there is none.

    The answer to ``identify`` is a JSON object instead, of what the BMC tells about itself and its machine.
    """

    outcome: Outcome
    text: str

    def encode(self) -> bytes:
        """Return the line that stands for this reply."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @staticmethod
    def decode(line: bytes) -> Reply:
        """Return the reply that ``line`` stands for; raises ValueError or TypeError for anything else."""
        fields: dict[str, Any] = json.loads(line)
        return Reply(**fields)
