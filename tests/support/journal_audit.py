"""A whole journal, checked at once by the code under test."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.evidence.journal import JournalEntry, JournalHead, parse_journal
from reconciler.evidence.journal_check import History, JournalCheck, JournalFlaw


@dataclass(slots=True, kw_only=True)
class JournalFindings:
    """What was found: the entries that hold, in order, their sum, and when each commit came into force."""

    flaws: list[JournalFlaw] = field(default_factory=list)
    entries: list[JournalEntry] = field(default_factory=list)
    head: JournalHead | None = None
    followed: dict[str, datetime] = field(default_factory=dict)


def check_journal(envelopes: Iterable[tuple[str, bytes]], *, history: History, head: bytes | None) -> JournalFindings:
    """Return everything found in a journal of ``envelopes`` (path, envelope; in order) with the ``head`` claimed."""
    found, check = JournalFindings(), JournalCheck(history)
    for path, envelope in envelopes:
        flaws = check.take(path, envelope)
        found.flaws += flaws
        if not flaws:
            found.entries.append(parse_journal(base64.b64decode(json.loads(envelope)["payload"])))
    found.flaws += check.finish(head)
    found.head, found.followed = check.head, check.followed
    return found
