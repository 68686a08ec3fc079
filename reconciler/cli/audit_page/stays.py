"""Nodes and their stays in the report: from when to when, proven how, with which keys, and why it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.attest.codes import CODES
from reconciler.attest.explain import place_of
from reconciler.attest.verdict import Reason
from reconciler.cli.audit_page.markup import NOTHING, Content, Html, anchor, code, facts, link, listing, table, tag
from reconciler.cli.audit_page.sources import Sources
from reconciler.cli.audit_page.timeline import Span, draw
from reconciler.cli.audit_page.words import ASPECTS, EVENTS, TIERS, standing_text
from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.history.basis import Basis
from reconciler.evidence.history.chronicle import arrival
from reconciler.evidence.history.times import span_text, time_text
from reconciler.evidence.history.values import Standing, Stay
from reconciler.evidence.statement import Record

_AFFIRMING = 2


def node_section(node: str, stays: Sequence[Stay], *, span: Span, sources: Sources) -> Html:
    """Return everything about one node: its timeline, its stays in a table, then each stay."""
    rows = [
        (
            stay_link(stay, str(stay.number)),
            standing_text(stay),
            time_text(stay.since),
            time_text(stay.until) or "(not over)",
            lasted(stay),
            _records(stay),
        )
        for stay in stays
    ]
    columns = ("Stay", "Standing", "From", "Until", "Lasted", "Records")
    return tag(
        "section",
        tag(
            "div",
            tag("h3", f"Node {node}"),
            tag(
                "figure",
                draw([(node, stays)], span=span, label=f"Timeline of node {node}; the table below says the same"),
            ),
            table(f"Where {node} stood", columns, rows),
            class_="opening",
        ),
        *(
            _stay(stay, sources, is_told_later=(stay.doubts is not None and _is_told_later(stay, stays)))
            for stay in stays
            if stay.standing is not Standing.FREE
        ),
        id=anchor("node", node),
    )


def lasted(stay: Stay) -> str:
    """Return how long a stay took; nothing while it is not over."""
    return span_text((stay.until - stay.since).total_seconds()) if stay.until else ""


def _records(stay: Stay) -> str:
    only = stay.sequence == stay.last_sequence
    return str(stay.sequence) if only else f"{stay.sequence} to {stay.last_sequence}"


def stay_link(stay: Stay, text: str) -> Content:
    """Return ``text`` as a link to a stay; of a free node there is nothing to tell, so it is text only."""
    return text if stay.standing is Standing.FREE else link(_place(stay), text)


def time_cell(text: str) -> Html:
    """Return a time that is not broken over lines."""
    return tag("span", text, class_="nowrap") if text else NOTHING


def proof_verdict(record: Record, sources: Sources) -> Html:
    """Return an appraisal's verdict in words, with all that qualifies it."""
    basis = sources.basis(record)
    if isinstance(basis, RingfenceError):
        return tag("span", f"cannot be shown: {basis}", class_="bad")
    told = basis.verdict
    parts: list[Content] = [tag("strong", str(told["verdict"]))]
    tiers = [(name, tier) for name, tier in told["ear.trustworthiness-vector"].items() if tier != _AFFIRMING]
    parts += [f"; {TIERS.get(tier, str(tier))} for {name.replace('-', ' ')}" for name, tier in tiers]
    parts += [f"; weakened by the policy: {one}" for one in told["weakenings"]]
    parts += [f"; workaround: {one}" for one in told["workarounds"]]
    return tag("span", *parts)


def _place(stay: Stay) -> str:
    return anchor("stay", f"{stay.node}-{stay.number}")


def _is_told_later(stay: Stay, stays: Sequence[Stay]) -> bool:
    """Return whether what spoke against ``stay`` is told with the rejection that it led to."""
    is_own = stay.standing is Standing.REJECTED
    return not is_own and any(one.standing is Standing.REJECTED and one.doubts is stay.doubts for one in stays)


def _stay(stay: Stay, sources: Sources, *, is_told_later: bool) -> Html:
    until = f"until {time_text(stay.until)}" if stay.until else "and not over by the last record"
    return tag(
        "article",
        tag("h4", f"Stay {stay.number}. {standing_text(stay)}, from {time_text(stay.since)} {until}"),
        facts(_facts(stay, sources)),
        _proofs(stay, sources),
        NOTHING if is_told_later else _speaks_against(stay, sources),
        class_=f"stay {stay.standing.value}",
        id=_place(stay),
    )


def _facts(stay: Stay, sources: Sources) -> Iterator[tuple[str, Content]]:
    yield "Began", f"{EVENTS[stay.began_by]} (record {stay.sequence})"
    if stay.ended_by is not None:
        yield "Ended", f"{EVENTS[stay.ended_by]} (record {stay.last_sequence + 1})"
    if stay.standing is not Standing.PARKED:  # What a node was, it tells where it was that.
        yield from _machine(stay)
    for number, read in enumerate(stay.ports):
        ports = ", ".join(f"{name}: {state}" for name, state in sorted(read.ports.items()))
        yield "Ports, as read back" if number == 0 else "", f"{ports} ({time_text(read.since)})"
    for number, one in enumerate(stay.commits):
        since = f" since {time_text(one.since)}" if number else ""
        label = "Desired state" if number == 0 else ""
        yield label, tag("span", sources.commit(one.commit), since)
    if stay.doubts is not None:
        yield "Evidence rejected", f"{time_text(arrival(stay.doubts))} (record {stay.doubts.sequence})"
    yield "Causes", listing([cause.partition(" (expected ")[0] for cause in stay.causes])


def _machine(stay: Stay) -> Iterator[tuple[str, Content]]:
    yield "Image", tag("span", f"{stay.image_name or ''} ", code(stay.image)) if stay.image else None
    yield "TPM enrolled", time_text(stay.enrolled_at)
    yield "Called from inside", time_text(stay.confirmed_at)
    if stay.standing in {Standing.AIRLOCK, Standing.MEMBER}:
        yield "Proofs", _proofs_text(stay)
    elif stay.proofs.last is not None:
        yield "Last proven", time_text(arrival(stay.proofs.last))
    keys = [f"{k.name}, version {k.version}, since {time_text(k.since)} (record {k.sequence})" for k in stay.keys]
    yield "Knows keys", listing(keys)


def _proofs_text(stay: Stay) -> str:
    proofs = stay.proofs
    if proofs.first is None or proofs.last is None:
        return "none"
    first, last = arrival(proofs.first), arrival(proofs.last)
    if proofs.number == 1:
        text = f"one, at {time_text(first)}"
    else:
        gap = f"; the longest time between two: {span_text(proofs.longest_gap_s)}"
        text = f"{proofs.number}, from {time_text(first)} to {time_text(last)}{gap}"
    if stay.until is not None and stay.standing is Standing.MEMBER:
        text += f"; last proven {span_text(max(0.0, (stay.until - last).total_seconds()))} before the end"
    return text


def _proofs(stay: Stay, sources: Sources) -> Html:
    if stay.standing not in {Standing.AIRLOCK, Standing.MEMBER} or stay.proofs.first is None:
        return NOTHING
    first, last = stay.proofs.first, stay.proofs.last
    shown = [("first" if stay.proofs.number > 1 else "only", first)]
    if last is not None and last is not first:
        shown.append(("last", last))
    return _appraisals("What it rests on", shown, sources)


def _appraisals(caption: str, shown: Sequence[tuple[str, Record]], sources: Sources) -> Html:
    rows = []
    for word, record in shown:
        basis = sources.basis(record)
        links = sources.links(record, basis) if isinstance(basis, Basis) else (None, None, None, None)
        policy = record.appraisal.policy if record.appraisal else ""
        rows.append(
            (
                word,
                str(record.sequence),
                time_cell(time_text(arrival(record))),
                proof_verdict(record, sources),
                policy,
                *links,
            )
        )
    columns = ("Proof", "Record", "Evidence came", "Verdict", "Policy", "Measured", "Image", "Rules", "TPM")
    return table(caption, columns, rows)


def _speaks_against(stay: Stay, sources: Sources) -> Html:
    record = stay.doubts
    if record is None:
        return NOTHING
    basis = sources.basis(record)
    shown = _appraisals("Evidence that was rejected", [("rejected", record)], sources)
    if isinstance(basis, RingfenceError):
        return shown
    reasons = [Reason(**reason) for reason in basis.verdict.get("reasons", ())]
    tiers = basis.verdict["ear.trustworthiness-vector"].items()
    aspects = [
        f"{ASPECTS.get(name, name)} ({TIERS.get(tier, str(tier))})" for name, tier in tiers if tier != _AFFIRMING
    ]
    return tag(
        "div",
        shown,
        facts([("Not as it has to be", listing(aspects))]),
        *(_reason(number, reason) for number, reason in enumerate(reasons, start=1)),
    )


def _reason(number: int, reason: Reason) -> Html:
    known = CODES.get(reason.code)
    return tag(
        "div",
        tag("h5", f"Reason {number}: ", known.meaning if known else reason.message),
        facts(
            [
                ("Found", reason.message),
                ("Where", place_of(reason)),
                ("Expected value", code(reason.expected)),
                ("Value that was found", code(reason.found)),
                ("Code", code(reason.code)),
            ]
        ),
        class_="reason",
    )
