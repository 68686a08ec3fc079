"""A bounded reader: every byte that a parser takes is checked to be there.

It never reads past what it was given and never allocates from a length that it has not
compared with what is left. What the bytes mean is the caller's business.
"""

from __future__ import annotations

from typing import Literal

from reconciler.errors.taxonomy import TrustError


class MalformedError(TrustError):
    """Bytes from a node are not in the form that they must have."""

    def __init__(self, subject: str, message: str) -> None:
        """Say which structure (``subject``) is wrong, and how."""
        super().__init__(subject, message, reason="Malformed", hint="the node must send it again as its TPM made it")


class Reader:
    """Takes integers and byte strings from ``data``, in order; raises MalformedError where they end early."""

    __slots__ = ("_at", "_byteorder", "_data", "_what")

    def __init__(self, data: bytes, *, what: str, byteorder: Literal["big", "little"] = "big") -> None:
        """Start at the first byte of ``data``, called ``what`` in errors."""
        self._data = data
        self._what = what
        self._byteorder = byteorder
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        end = self._at + size
        if end > len(self._data):
            raise MalformedError(self._what, f"ends within a field of {size} bytes at offset {self._at}")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def integer(self, size: int) -> int:
        """Return the next unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), self._byteorder)

    def sized(self, *, limit: int) -> bytes:
        """Return the next byte string with a 16-bit size in front (a TPM2B), of at most ``limit`` bytes."""
        size = self.integer(2)
        if size > limit:
            raise MalformedError(
                self._what, f"a field of {size} bytes at offset {self._at}, at most {limit} are allowed"
            )
        return self.take(size)

    def finish(self) -> None:
        """Raise unless every byte was taken."""
        if self._at != len(self._data):
            raise MalformedError(self._what, f"{len(self._data) - self._at} bytes too many at the end")
