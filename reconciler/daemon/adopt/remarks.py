"""What adoption tells beside the documents that it writes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from reconciler.repo.placeholders import OPEN

__all__ = ["OPEN", "Remark"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something that a person should know; ``is_open``: a field was left open and must be filled in."""

    subject: str
    code: str
    message: str
    hint: str = ""
    is_open: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as a JSON value."""
        return asdict(self)
