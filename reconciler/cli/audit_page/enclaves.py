"""Enclaves in the report: who was a member from when to when; and where every node stood at one moment."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.cli.audit_page.markup import Html, anchor, short_code, table, tag
from reconciler.cli.audit_page.sources import Sources
from reconciler.cli.audit_page.stays import lasted, proof_verdict, stay_link, time_cell
from reconciler.cli.audit_page.timeline import Span, draw
from reconciler.cli.audit_page.words import standing_text
from reconciler.cli.audit_tables import ENDINGS, keys_text, ports_text
from reconciler.evidence.history.chronicle import arrival
from reconciler.evidence.history.questions import Situation, endings
from reconciler.evidence.history.times import span_text, time_text
from reconciler.evidence.history.values import History, Standing, Stay
from reconciler.model.record import Event


def enclave_section(enclave: str, stays: Sequence[Stay], *, history: History, span: Span) -> Html:
    """Return one enclave: a timeline with a row for each node that was ever in it, and a table of its members."""
    rows = [
        (
            stay_link(stay, stay.node),
            time_cell(time_text(stay.since)),
            time_cell(time_text(stay.until) or "(still)"),
            lasted(stay),
            ", then ".join(ENDINGS[event] for event in endings(stay, history)),
            str(stay.proofs.number),
            time_cell(time_text(arrival(stay.proofs.last)) if stay.proofs.last else "never"),
            tag("span", f"{stay.image_name or ''} ", short_code(stay.image)),
            keys_text(stay.keys),
        )
        for stay in stays
    ]
    names = list(dict.fromkeys(stay.node for stay in stays))
    drawn = [(name, [stay for stay in stays if stay.node == name]) for name in names]
    columns = ("Node", "Member from", "Until", "Lasted", "Ended by", "Proofs", "Last proven", "Image", "Keys")
    return tag(
        "section",
        tag("h3", f"Enclave {enclave}"),
        tag(
            "figure",
            tag("figcaption", f"Members of {enclave} over time"),
            draw(drawn, span=span, label=f"Timeline of the members of {enclave}; the table below says the same"),
        ),
        table(f"Members of {enclave}", columns, rows),
        id=anchor("enclave", enclave),
    )


def summary_table(memberships: dict[str, tuple[Stay, ...]], *, history: History) -> Html:
    """Return one row for each enclave: how many were in it, when, and who still is."""
    rows = []
    for name, stays in memberships.items():
        still = sorted({stay.node for stay in stays if stay.until is None})
        ends = [stay.until for stay in stays if stay.until]
        last = "(not over)" if still else time_text(max(ends))
        rejected = sorted({stay.node for stay in stays if Event.REJECTED in endings(stay, history)})
        nodes = str(len({stay.node for stay in stays}))
        first = time_text(min(stay.since for stay in stays))
        rows.append((name, nodes, first, last, ", ".join(still), ", ".join(rejected)))
    columns = ("Enclave", "Nodes", "First member", "Last member left", "Members at the end", "Lost trust while members")
    return table("Enclaves", columns, rows)


def moment_section(found: Sequence[Situation], *, when: str, sources: Sources) -> Html:
    """Return where each node stood at one moment, members first."""
    members = [one for one in found if one.stay.standing is Standing.MEMBER]
    others = [one for one in found if one.stay.standing is not Standing.MEMBER]
    rows = [
        (
            stay_link(one.stay, one.stay.node),
            one.stay.enclave,
            _last_proof(one),
            proof_verdict(one.proof, sources) if one.proof else "",
            one.proof.appraisal.policy if one.proof and one.proof.appraisal else "",
            tag("span", f"{one.stay.image_name or ''} ", short_code(one.stay.image)),
            keys_text(one.keys),
            ports_text(one.ports),
            "; ".join(_remarks(one)),
        )
        for one in sorted(members, key=lambda one: (one.stay.enclave or "", one.stay.node))
    ]
    columns = ("Node", "Enclave", "Last proven", "Verdict", "Policy", "Image", "Keys", "Ports", "Remarks")
    other_rows = [
        (
            stay_link(one.stay, one.stay.node),
            standing_text(one.stay),
            time_text(one.stay.since),
            time_text(arrival(one.proof)) if one.proof else "",
            keys_text(one.keys),
            ports_text(one.ports),
        )
        for one in others
    ]
    other_columns = ("Node", "Standing", "Since", "Last proven", "Knows keys", "Ports")
    return tag(
        "section",
        tag("h2", f"Where each node stood {when}", id="moment"),
        tag(
            "p",
            "By what was on record at that moment. A member's proof is the last one before it: between then and the "
            "moment, nothing is known.",
        ),
        table("Members of enclaves", columns, rows) if rows else tag("p", "No node was a member of an enclave."),
        table("All other nodes", other_columns, other_rows),
    )


def _last_proof(one: Situation) -> Html:
    if one.proof is None or one.proof_age_s is None:
        return time_cell("never")
    return tag("span", time_cell(time_text(arrival(one.proof))), f" ({span_text(one.proof_age_s)} before)")


def _remarks(one: Situation) -> list[str]:
    remarks = [] if one.is_confirmed else ["had not called from inside yet"]
    return [*remarks, "evidence of it had been rejected"] if one.is_doubted else remarks
