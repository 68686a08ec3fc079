"""The report as a whole: the same audit, history and question give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from reconciler.cli.audit_answers import Question, by_node
from reconciler.cli.audit_page.back import (
    basis_section,
    commits_section,
    glossary_section,
    journal_section,
    limits_section,
)
from reconciler.cli.audit_page.cover import Cover
from reconciler.cli.audit_page.enclaves import enclave_section, moment_section, summary_table
from reconciler.cli.audit_page.front import all_flaws, header, result, what_was_audited
from reconciler.cli.audit_page.markup import NOTHING, Html, link, tag
from reconciler.cli.audit_page.sources import Sources
from reconciler.cli.audit_page.stays import node_section
from reconciler.cli.audit_page.style import CSS
from reconciler.cli.audit_page.timeline import Span, key, patterns
from reconciler.cli.audit_tables import scope_text, window_text
from reconciler.evidence.history import questions
from reconciler.evidence.history.forms import Look
from reconciler.evidence.history.times import time_text
from reconciler.evidence.history.values import History, Stay
from reconciler.evidence.journal import JournalEntry

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is fetched and nothing runs, whatever a record says."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for the time of records where there are none."""


def page(
    cover: Cover, history: History, question: Question, *, look: Look, journal: Sequence[JournalEntry] = ()
) -> bytes:
    """Return the report of ``cover`` about ``question``, as HTML in UTF-8.

    ``look`` gives what an appraisal rests on, ``journal`` are the entries that the question is about.
    """
    sources = Sources(look, commits=(one.commit for one in questions.commits(history)))
    stays = questions.stays(history, scope=question.scope)
    span = _span(stays, history, question)
    memberships = questions.memberships(stays)
    asked = f"{scope_text(question.scope)}, {window_text(question)}"
    moment = NOTHING
    if question.at is not None:
        found = questions.situations(history, question.at, scope=question.scope)
        moment = moment_section(found, when=f"at {time_text(question.at)} UTC", sources=sources)
    enclaves = [enclave_section(name, own, history=history, span=span) for name, own in memberships.items()]
    nodes = [node_section(node, own, span=span, sources=sources) for node, own in by_node(stays).items()]
    basis = basis_section(sources)
    flaws = all_flaws(cover)
    parts = [
        patterns(),
        header(cover, asked=asked),
        result(cover),
        _contents(
            has_moment=question.at is not None,
            has_basis=basis is not NOTHING,
            has_flaws=flaws is not NOTHING,
            has_journal=bool(journal),
        ),
        what_was_audited(cover),
        moment,
        tag(
            "section",
            tag("h2", "Enclaves", id="enclaves"),
            summary_table(memberships, history=history)
            if memberships
            else tag("p", "No node was a member of an enclave."),
            key() if enclaves else NOTHING,
            *enclaves,
        ),
        tag(
            "section",
            tag("h2", "Nodes", id="nodes"),
            key() if nodes else tag("p", "Nothing is on record of any node."),
            *nodes,
        ),
        basis,
        flaws,
        commits_section(questions.commits(history), known=cover.commits),
        journal_section(journal),
        glossary_section(),
        limits_section(evidence=cover.evidence, trusted=cover.trusted),
        tag("footer", f"Made by ringfence {cover.version}, {time_text(cover.audited_at)} UTC."),
    ]
    return _document(f"Audit: evidence of {cover.repository}", parts)


def _document(title: str, parts: list[Html]) -> bytes:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        Html(f"<style>{CSS}</style>"),
    )
    whole = tag("html", head, tag("body", *parts), lang="en")
    return f"<!DOCTYPE html>\n{whole.text}\n".encode()


def _contents(*, has_moment: bool, has_basis: bool, has_flaws: bool, has_journal: bool) -> Html:
    places = [
        ("audited", "What was audited", True),
        ("moment", "Where each node stood", has_moment),
        ("enclaves", "Enclaves", True),
        ("nodes", "Nodes", True),
        ("basis", "What the verdicts rest on", has_basis),
        ("flaws", "All flaws", has_flaws),
        ("commits", "Desired states", True),
        ("journal", "Journal", has_journal),
        ("words", "Words", True),
        ("limits", "Limits, and how to check this report", True),
    ]
    items = [tag("li", link(place, word)) for place, word, is_there in places if is_there]
    return tag("nav", tag("strong", "Contents"), tag("ol", *items), aria_label="Contents")


def _span(stays: tuple[Stay, ...], history: History, question: Question) -> Span:
    """Return the time to draw: the window that was asked about, as far as there are records, or all of them."""
    window = question.scope.window
    first = min((stay.since for stay in stays), default=history.first or _NEVER)
    ends = [stay.until or history.last or _NEVER for stay in stays]
    last = max(ends, default=history.last or _NEVER)
    since = max(first, window.since) if window.since else first
    until = min(last, window.until) if window.until and question.at is None else last
    return Span(since=since, until=max(until, since + timedelta(seconds=1)), mark=question.at)
