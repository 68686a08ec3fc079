"""IMA logs as segments: what a log has grown by since it was last recorded, each segment named by the link before it.

Rules: a segment is recorded only where the log begins with all that was recorded before; a log that does not begins a
chain of its own. Links and segments are blobs by digest, so that a log is whole or is not read at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.blobs import Blobs, bare, read_blob
from reconciler.evidence.canonical import canonical, digest
from reconciler.model.record import ImaTip

_LINK = {"previous", "segment", "size"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Where a log ends on record, and the blobs that are new by it."""

    tip: ImaTip
    blobs: Mapping[str, bytes]


def record_log(log: bytes, *, before: ImaTip | None) -> Recorded:
    """Return ``log`` (not empty) as a continuation of ``before``, or as a chain of its own if it does not go on."""
    goes_on = before is not None and len(log) >= before.size and digest(log[: before.size]) == before.digest
    if before is None or not goes_on:
        before = None
    elif len(log) == before.size:
        return Recorded(tip=before, blobs={})
    segment = log[before.size :] if before else log
    previous = before.link if before else None
    link = canonical({"previous": previous, "segment": digest(segment), "size": len(log)})
    tip = ImaTip(link=digest(link), size=len(log), digest=digest(log))
    return Recorded(tip=tip, blobs={bare(digest(segment)): segment, bare(tip.link): link})


class LogReader:
    """Puts recorded logs together; what came before a link is kept for the next of the same chain."""

    def __init__(self, blobs: Blobs, *, kept: int = 256) -> None:
        """Read ``blobs``; remember the newest ``kept`` logs."""
        self._blobs = blobs
        self._kept = kept
        self._logs: dict[str, bytes] = {}

    def read(self, tip: ImaTip) -> bytes:
        """Return the log that ends at ``tip``; TrustError if it is not whole, or another one."""
        segments: list[bytes] = []
        at: str | None = tip.link
        size = tip.size
        while at is not None and at not in self._logs:
            link = _read_link(self._blobs, at)
            if link["size"] != size:
                raise _refusal("a link of the IMA log has another size than its place")
            segment = read_blob(self._blobs, link["segment"])
            if not 0 < len(segment) <= size:
                raise _refusal("a segment of the IMA log does not fit its link")
            segments.append(segment)
            size -= len(segment)
            at = link["previous"]
        start = self._logs.pop(at) if at is not None else b""
        if len(start) != size:
            raise _refusal("the IMA log is not as long as its links say")
        log = start + b"".join(reversed(segments))
        if digest(log) != tip.digest:
            raise _refusal("the IMA log is not the one that was recorded")
        self._remember(tip.link, log)
        return log

    def _remember(self, link: str, log: bytes) -> None:
        self._logs[link] = log
        while len(self._logs) > self._kept:
            del self._logs[next(iter(self._logs))]


def _read_link(blobs: Blobs, name: str) -> dict[str, Any]:
    try:
        link = json.loads(read_blob(blobs, name))
    except (ValueError, RecursionError):
        link = None
    if not isinstance(link, dict) or set(link) != _LINK or not isinstance(link["size"], int):
        raise _refusal("a link of the IMA log is not what ringfence writes")
    return link


def _refusal(message: str) -> TrustError:
    return TrustError("raw evidence", message, reason="BlobMalformed", hint="the evidence branch was altered")
