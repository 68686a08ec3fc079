"""The report's first page: what was audited, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.cli.audit_page.audited import Audited
from reconciler.cli.audit_page.markup import NOTHING, Content, Html, code, facts, listing, table, tag
from reconciler.evidence.history.times import time_text


def header(audited: Audited, *, asked: str) -> Html:
    """Return the title and what this report is about."""
    return tag(
        "header",
        tag("p", "Report of an audit", class_="kind"),
        tag("h1", f"Evidence of {audited.repository}"),
        tag("p", f"About: {asked}. All times are UTC.", class_="about"),
    )


def result(audited: Audited) -> Html:
    """Return the result in one sentence, and every flaw."""
    count = len(audited.flaws)
    basis = f"{_count(audited.records, 'record')} were read, and {_count(audited.verdicts, 'verdict')} computed again"
    if not count:
        sentence = (
            f"{basis}. No signature, no chain of records and no verdict was found wrong, and each action on record "
            "was allowed by the desired state of its time."
        )
        return tag(
            "div", tag("p", "✓ Everything holds", class_="word"), tag("p", sentence), class_="result good", id="result"
        )
    sentence = (
        f"{basis}. What this report says further down comes from the records that passed; the flaws listed here are "
        "to be explained before any of it is relied on."
    )
    found = [(code(flaw.code), flaw.message, code(flaw.path)) for flaw in audited.flaws]
    return tag(
        "section",
        tag(
            "div",
            tag("p", f"✗ {_count(count, 'flaw')} found", class_="word"),
            tag("p", sentence),
            class_="result bad",
            id="result",
        ),
        table("Flaws", ("Flaw", "What is wrong", "Where"), found),
    )


def what_was_audited(audited: Audited) -> Html:
    """Return what the report stands on: commits, the tree head with its signatures, when and by which version."""
    return tag(
        "section",
        tag("h2", "What was audited", id="audited", class_="flow"),
        facts(_facts(audited)),
        tag("div", tag("h4", "Remarks"), listing(audited.remarks)) if audited.remarks else NOTHING,
    )


def _facts(audited: Audited) -> Iterator[tuple[str, Content]]:
    yield "Repository", audited.repository
    yield "Begins with commit", code(audited.root)
    yield "Desired state in force", code(audited.trusted)
    yield "Evidence, up to commit", code(audited.evidence)
    head = audited.tree_head
    if head is None:
        yield "Signed tree head", "there is none"
    else:
        yield "Signed tree head", tag("span", f"over {_count(head.size, 'signed file')}, root ", code(head.root))
        yield "Log", code(head.origin)
        yield "Tree head signed by", ", ".join(head.signers) or f"nobody who may: {head.problem}"
    if audited.witnesses:
        yield (
            "Witnesses",
            listing([f"{one.witness}, {time_text(one.at)}: {one.size} files" for one in audited.witnesses]),
        )
    else:
        yield "Witnesses", "none; a rollback of the whole evidence would not show here"
    yield "Audited", time_text(audited.audited_at)
    yield "By", f"ringfence {audited.version}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
