"""What the evidence branch weighs: counts and bytes by kind, node and day, and what a year would come to.

Rules: where a file stands says what it is, so that a listing is enough; only blobs, which are named by digest, have to
be looked into. How many leaves a node has follows from its head. Nothing is checked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

_DAY = r"(?P<year>[0-9]{4})/(?P<month>[0-9]{2})/(?P<day>[0-9]{2})/"
_PLACES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("statements", re.compile(rf"statements/{_DAY}[0-9]{{2}}/(?P<node>.*)-[0-9]+\.dsse\.json")),
    ("rounds", re.compile(rf"rounds/{_DAY}.*\.dsse\.json")),
    ("round records", re.compile(rf"rounds/{_DAY}.*\.records")),
    ("journal", re.compile(r"journal/.*")),
    ("blobs", re.compile(r"blobs/.*")),
    ("log", re.compile(r"log/.*")),
    ("checkpoints", re.compile(r"checkpoints/.*")),
    ("heads", re.compile(r"nodes/(?P<node>[^/]*)/head\.json")),
)
_BLOB_KEYS: tuple[tuple[str, frozenset[str]], ...] = (
    ("enrolments", frozenset({"ak_public", "activation", "ek_certificate"})),
    ("IMA links", frozenset({"previous", "segment", "size"})),
    ("rules", frozenset({"endorsement", "measurements", "policy"})),
    ("policies", frozenset({"pcrs", "firmware"})),
)
_SPEC_ID = b"Spec ID Event"
_DER_SEQUENCE = b"\x30\x82"
_PEM = b"-----BEGIN "
_IMA = re.compile(rb"[0-9]{1,2} [0-9a-f]{40,128} ima")
YEAR_DAYS = 365


@dataclass(slots=True)
class Weight:
    """How many files, and how many bytes they have."""

    files: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """Count a file of ``size`` bytes."""
        self.files += 1
        self.bytes += size


@dataclass(slots=True, kw_only=True)
class Weights:
    """What is on the branch. ``by_day`` counts statements and rounds, ``by_node`` the statements of a node."""

    by_kind: dict[str, Weight] = field(default_factory=dict)
    by_day: dict[str, Weight] = field(default_factory=dict)
    by_node: dict[str, Weight] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> Weight:
        """Return the sum over all kinds."""
        files = sum(weight.files for weight in self.by_kind.values())
        return Weight(files, sum(weight.bytes for weight in self.by_kind.values()))

    @property
    def days(self) -> int:
        """Return over how many days records were written, the first and the last included."""
        days = [date.fromisoformat(day) for day in self.by_day]
        return (max(days) - min(days)).days + 1 if days else 0

    def leaves(self) -> int:
        """Return how many records stand in rounds: those that heads count and that are no statements."""
        return sum(count - self.by_node.get(node, Weight()).files for node, count in self.records.items())

    def year(self, size: int) -> int | None:
        """Return what ``size`` bytes in so many days come to in a year; None if there are no days."""
        return size * YEAR_DAYS // self.days if self.days else None


def weigh(sizes: Iterable[tuple[str, int]], *, blob_kinds: Mapping[str, str], records: Mapping[str, int]) -> Weights:
    """Return the weights of files by path and ``sizes``.

    ``blob_kinds`` says by path what a blob is (``blob_kind``); ``records`` how many records a node's head counts.
    """
    found = Weights(records=dict(records))
    for path, size in sizes:
        kind, place = _place(path)
        name = f"blobs: {blob_kinds.get(path, 'other')}" if kind == "blobs" else kind
        found.by_kind.setdefault(name, Weight()).add(size)
        if place.get("year"):
            day = f"{place['year']}-{place['month']}-{place['day']}"
            found.by_day.setdefault(day, Weight()).add(size)
        if kind == "statements":
            found.by_node.setdefault(place["node"], Weight()).add(size)
    return found


def _place(path: str) -> tuple[str, dict[str, str]]:
    for kind, pattern in _PLACES:
        if match := pattern.fullmatch(path):
            return kind, match.groupdict()
    return "other", {}


def is_node_head(path: str) -> bool:
    """Return whether the sum of a node's records stands at ``path``."""
    return _place(path)[0] == "heads"


def blob_kind(content: bytes) -> str:
    """Return what a blob is, by what it looks like: nothing depends on it but how it is counted."""
    if _SPEC_ID in content[:64]:
        return "event logs"
    if content.startswith((_PEM, _DER_SEQUENCE)):
        return "certificates"
    if _IMA.match(content):
        return "IMA segments"
    keys = _keys(content)
    if keys and all(key.isdigit() for key in keys):
        return "PCR values"
    return next((kind for kind, marks in _BLOB_KEYS if marks <= keys), "other")


def _keys(content: bytes) -> frozenset[str]:
    """Return the names in a JSON object, none if ``content`` is something else."""
    try:
        document = json.loads(content) if content.startswith(b"{") else None
    except (ValueError, RecursionError):
        document = None
    return frozenset(document) if isinstance(document, dict) else frozenset()


def largest(weights: Mapping[str, Weight], *, count: int = 5) -> list[tuple[str, Weight]]:
    """Return the ``count`` heaviest of ``weights``, the heaviest first."""
    return sorted(weights.items(), key=lambda item: (-item[1].bytes, item[0]))[:count]
