"""The blobs behind records: all that it takes to compute their verdicts again, and no others."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.evidence.blobs import Blobs, bare
from reconciler.evidence.raw import RawReader, read_enrolment
from reconciler.evidence.rules import read_rules
from reconciler.evidence.statement import Record


def blobs_behind(records: Iterable[Record], blobs: Blobs) -> dict[str, bytes]:
    """Return the blobs that ``records`` rest on, by bare SHA-256; TrustError if one is missing or altered."""
    found: dict[str, bytes] = {}

    def remember(digest: str) -> bytes | None:
        data = found[digest] if digest in found else blobs(digest)
        if data is not None:
            found[digest] = data
        return data

    reader = RawReader(remember)
    rules: set[str] = set()
    for record in records:
        if record.enrolment is not None and bare(record.enrolment) not in found:
            read_enrolment(remember, record.enrolment)
        if record.appraisal is not None:
            reader.read(record.appraisal.evidence)
            if record.appraisal.rules not in rules:
                read_rules(remember, record.appraisal.rules)
                rules.add(record.appraisal.rules)
    return found
