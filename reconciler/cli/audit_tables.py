"""An auditor's answer as tables for a terminal.

Rules: what the records do not say is left blank; times are UTC, to the second; digests are cut to twelve digits, since
the JSON has them whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.cli.audit_answers import Question, by_node
from reconciler.cli.printable import printable
from reconciler.cli.report import Report, Section, to_text
from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.history import questions
from reconciler.evidence.history.chronicle import Scope, arrival
from reconciler.evidence.history.forms import Look
from reconciler.evidence.history.journal import tell as journal_words
from reconciler.evidence.history.questions import Situation
from reconciler.evidence.history.times import span_text, time_text
from reconciler.evidence.history.values import HeldKey, History, PortsRead, Standing, Stay, UnderCommit
from reconciler.evidence.journal import JournalEntry
from reconciler.evidence.statement import Record
from reconciler.model.record import Event

_CAUSE_LETTERS = 100

STANDINGS = {
    Standing.MEMBER: "member",
    Standing.AIRLOCK: "in its airlock",
    Standing.PARKED: "parked",
    Standing.REJECTED: "rejected",
    Standing.FREE: "free",
}
ENDINGS = {event: event.value for event in Event} | {
    Event.ASSIGNED: "started again",
    Event.RETURNED: "returned to the pool",
}


def text(history: History, question: Question, *, look: Look, journal: Sequence[JournalEntry] = ()) -> str:
    """Return the answer to ``question`` for a terminal; ``journal`` are the entries that it is about."""
    return to_text(_at(history, question, look=look) if question.at else _between(history, question, journal))


def scope_text(scope: Scope) -> str:
    """Return in words what is asked about, without the time: ``node n1, enclave blue``, or ``everything on record``."""
    names = (("node", scope.node), ("enclave", scope.enclave), ("desired state", scope.commit))
    return ", ".join(f"{kind} {name}" for kind, name in names if name) or "everything on record"


def window_text(question: Question) -> str:
    """Return in words which time is asked about."""
    window = question.scope.window
    if question.at is not None:
        return f"at {time_text(question.at)} UTC"
    if window.since is None and window.until is None:
        return "from the first record to the last"
    return f"from {time_text(window.since)} to {time_text(window.until)} UTC"


def keys_text(keys: tuple[HeldKey, ...]) -> str:
    """Return keys with the versions of each: ``common 1 2, disk 1``."""
    versions: dict[str, list[str]] = {}
    for key in keys:
        versions.setdefault(key.name, []).append(str(key.version))
    return ", ".join(f"{name} {' '.join(own)}" for name, own in versions.items())


def ports_text(read: PortsRead | None) -> str:
    """Return what ports were read back as: ``eno1 access 200``."""
    return "" if read is None else ", ".join(f"{name} {state}" for name, state in sorted(read.ports.items()))


def image_text(stay: Stay) -> str:
    """Return name and digest of the image of ``stay``."""
    return f"{stay.image_name or ''} {short(stay.image)}".strip()


def events_text(one: UnderCommit) -> str:
    """Return how often what was recorded: ``3 admitted, 22 appraised (21 accepted)``."""
    counts = [f"{count} {event}" for event, count in one.events.items()]
    appraised = Event.APPRAISED.value
    return ", ".join(f"{text} ({one.accepted} accepted)" if text.endswith(appraised) else text for text in counts)


def short(digest: str | None) -> str:
    """Return the first twelve digits of a digest or an id."""
    return (digest or "").removeprefix("sha256:")[:12]


def verdict_text(record: Record, look: Look) -> str:
    """Return what an appraisal came to, with what weakens it."""
    try:
        told = look(record).verdict
    except RingfenceError as error:
        return f"cannot be shown: {error.reason}"
    words = [str(told["verdict"])]
    if told["verdict"] == "accepted" and told["ear.status"] != "affirming":
        words.append(str(told["ear.status"]))
    return ", ".join([*words, *(told["weakenings"]), *(told["workarounds"])])


def _at(history: History, question: Question, *, look: Look) -> Report:
    assert question.at is not None  # noqa: S101  # the caller has looked
    found = questions.situations(history, question.at, scope=question.scope)
    members = [one for one in found if one.stay.standing is Standing.MEMBER]
    enclaves = sorted({one.stay.enclave or "" for one in members})
    sections = [_members(name, [one for one in members if one.stay.enclave == name], look) for name in enclaves]
    sections += [
        _others(standing, [one for one in found if one.stay.standing is standing])
        for standing in (Standing.AIRLOCK, Standing.PARKED, Standing.REJECTED, Standing.FREE)
    ]
    summary = () if found else ("nothing was on record by then",)
    title = f"{window_text(question)}, by what was on record by then: {scope_text(question.scope)}"
    return Report(title=title, summary=summary, sections=tuple(sections))


def _members(enclave: str, members: list[Situation], look: Look) -> Section:
    rows = []
    for one in members:
        remarks = [] if one.is_confirmed else ["has not called from inside"]
        remarks += ["evidence rejected"] if one.is_doubted else []
        age = "" if one.proof_age_s is None else f"{span_text(one.proof_age_s)} before"
        rows.append(
            (
                one.stay.node,
                time_text(one.stay.since),
                time_text(arrival(one.proof)) if one.proof else "never",
                age,
                verdict_text(one.proof, look) if one.proof else "",
                one.proof.appraisal.policy if one.proof and one.proof.appraisal else "",
                image_text(one.stay),
                keys_text(one.keys),
                ports_text(one.ports),
                ", ".join(remarks),
            )
        )
    columns = ("node", "member since", "last proven", "", "verdict", "policy", "image", "keys", "ports", "remarks")
    return _section(f"enclave {enclave}, {_count(len(rows), 'member')}", columns, rows)


def _others(standing: Standing, found: list[Situation]) -> Section:
    rows = [
        (
            one.stay.node,
            time_text(one.stay.since),
            one.stay.enclave or "",
            time_text(arrival(one.proof)) if one.proof else "",
            keys_text(one.keys),
            ports_text(one.ports),
            _causes(one.stay),
        )
        for one in found
    ]
    columns = ("node", "since", "for enclave", "last proven", "knows keys", "ports", "causes")
    return _section(f"{STANDINGS[standing]}, {_count(len(rows), 'node')}", columns, rows)


def _between(history: History, question: Question, journal: Sequence[JournalEntry]) -> Report:
    found = questions.stays(history, scope=question.scope)
    sections = [_memberships(name, own, history) for name, own in questions.memberships(found).items()]
    sections += [_stays(node, own) for node, own in by_node(found).items()]
    sections += [_commits(history), _journal(journal)]
    summary = () if found else ("nothing is on record of that",)
    title = f"{window_text(question)}: {scope_text(question.scope)}"
    return Report(title=title, summary=summary, sections=tuple(sections))


def _memberships(enclave: str, stays: tuple[Stay, ...], history: History) -> Section:
    rows = [
        (
            stay.node,
            time_text(stay.since),
            time_text(stay.until) or "(still)",
            ", then ".join(ENDINGS[event] for event in questions.endings(stay, history)),
            str(stay.proofs_within.number),
            time_text(arrival(stay.proofs_within.last)) if stay.proofs_within.last else "",
            span_text(stay.proofs_within.longest_gap_s) if stay.proofs_within.longest_gap_s else "",
            image_text(stay),
            keys_text(stay.keys),
        )
        for stay in stays
    ]
    columns = ("node", "member from", "until", "ended by", "proofs", "last proven", "longest gap", "image", "keys")
    return _section(f"enclave {enclave}", columns, rows)


def _stays(node: str, stays: list[Stay]) -> Section:
    rows = [
        (
            time_text(stay.since),
            time_text(stay.until) or "(still)",
            STANDINGS[stay.standing],
            stay.enclave or "",
            " ".join(dict.fromkeys(short(one.commit) for one in stay.commits)),
            f"{stay.sequence}-{stay.last_sequence}",
            _causes(stay),
        )
        for stay in stays
    ]
    columns = ("from", "until", "standing", "enclave", "desired state", "records", "causes")
    return _section(f"node {node}", columns, rows)


def _commits(history: History) -> Section:
    rows = [
        (
            short(one.commit),
            time_text(one.first),
            time_text(one.last),
            events_text(one),
            ", ".join(one.nodes),
        )
        for one in questions.commits(history)
    ]
    return _section("desired states", ("commit", "first record", "last record", "recorded", "nodes"), rows)


def _journal(journal: Sequence[JournalEntry]) -> Section:
    rows = [
        (time_text(one.at), str(one.sequence), one.what, one.subject, "; ".join(one.details))
        for one in journal_words(journal)
    ]
    return _section("journal", ("recorded", "entry", "what", "about", "details"), rows)


def _section(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Section:
    """Return a table without the columns in which nothing stands."""
    used = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    kept = [tuple(row[i] for i in used) for row in (columns, *rows)]
    return Section(title=title, columns=kept[0], rows=tuple(kept[1:]))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _causes(stay: Stay) -> str:
    """Return why a node was rejected, short: the JSON and the report have all of it."""
    return "; ".join(printable(cause.partition(" (expected ")[0], width=_CAUSE_LETTERS) for cause in stay.causes)
