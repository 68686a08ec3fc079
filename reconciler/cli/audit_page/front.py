"""The report's first page: what was audited, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.cli.audit_page.cover import Cover
from reconciler.cli.audit_page.markup import NOTHING, Content, Html, code, facts, link, listing, table, tag
from reconciler.evidence.audit.flaws import Flaw, Severity
from reconciler.evidence.history.times import time_text

_MANY = 12
SEVERITIES = {
    Severity.BROKEN: "broken: the evidence is not what was written",
    Severity.FORBIDDEN: "forbidden: it tells of what was not allowed, or is not so",
    Severity.DOUBTFUL: "doubtful: it may be honest, somebody has to look",
}


def header(cover: Cover, *, asked: str) -> Html:
    """Return the title and what this report is about."""
    return tag(
        "header",
        tag("p", "Report of an audit", class_="kind"),
        tag("h1", f"Evidence of {cover.repository}"),
        tag("p", f"About: {asked}. All times are UTC.", class_="about"),
    )


def result(cover: Cover) -> Html:
    """Return the result in one sentence, and every flaw."""
    count = len(cover.flaws) + cover.omitted
    basis = f"{_count(cover.records, 'record')} were read, and {_count(cover.verdicts, 'verdict')} computed again"
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
    return tag(
        "section",
        tag(
            "div",
            tag("p", f"✗ {_count(count, 'flaw')} found", class_="word"),
            tag("p", sentence),
            class_="result bad",
            id="result",
        ),
        _flaws_by_kind(cover) if _is_long(cover) else _flaw_table(cover),
    )


def all_flaws(cover: Cover) -> Html:
    """Return the list of flaws, if it is too long for the first page."""
    if not _is_long(cover):
        return NOTHING
    left = f"{_count(cover.omitted, 'more flaw')} not listed here." if cover.omitted else None
    return tag("section", tag("h2", "All flaws", id="flaws"), _flaw_table(cover), tag("p", left) if left else NOTHING)


def _is_long(cover: Cover) -> bool:
    return len(cover.flaws) > _MANY or cover.omitted > 0


def _flaws_by_kind(cover: Cover) -> Html:
    kinds: dict[str, list[Flaw]] = {}
    for flaw in cover.flaws:
        kinds.setdefault(flaw.code, []).append(flaw)
    rows = [
        (code(kind), SEVERITIES[own[0].severity], str(len(own)), own[0].message, code(own[0].path))
        for kind, own in kinds.items()
    ]
    return tag(
        "div",
        table(
            "Flaws by kind, the worst first", ("Flaw", "It is", "How many", "The first: what is wrong", "Where"), rows
        ),
        tag("p", "Each of them is listed under ", link("flaws", "All flaws"), "."),
    )


def _flaw_table(cover: Cover) -> Html:
    rows = [(code(flaw.code), SEVERITIES[flaw.severity], flaw.message, code(flaw.path)) for flaw in cover.flaws]
    return table("Flaws, the worst first", ("Flaw", "It is", "What is wrong", "Where"), rows)


def what_was_audited(cover: Cover) -> Html:
    """Return what the report stands on: commits, the tree head with its signatures, when and by which version."""
    return tag(
        "section",
        tag("h2", "What was audited", id="audited", class_="flow"),
        facts(_facts(cover)),
        tag("div", tag("h4", "Remarks"), listing(cover.remarks)) if cover.remarks else NOTHING,
    )


def _facts(cover: Cover) -> Iterator[tuple[str, Content]]:
    yield "Repository", cover.repository
    yield "Begins with commit", code(cover.root)
    yield "Desired state in force", code(cover.trusted)
    yield "Evidence, up to commit", code(cover.evidence)
    yield "Evidence commits signed by", listing(cover.writers)
    head = cover.tree_head
    if head is None:
        yield "Signed tree head", "there is none"
    else:
        yield "Signed tree head", tag("span", f"over {_count(head.size, 'signed file')}, root ", code(head.root))
        yield "Log", code(head.origin)
        yield "Tree head signed by", ", ".join(head.signers) or f"nobody who may: {head.problem}"
    if cover.witnesses:
        yield (
            "Witnesses",
            listing([f"{one.witness}, {time_text(one.at)}: {one.size} files" for one in cover.witnesses]),
        )
    else:
        yield "Witnesses", "none; a rollback of the whole evidence would not show here"
    yield "Audited", time_text(cover.audited_at)
    yield "By", f"ringfence {cover.version}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
