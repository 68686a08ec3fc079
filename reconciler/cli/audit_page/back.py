"""The report's appendices: what the verdicts rest on, the desired states, the glossary, and how to check all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from reconciler.cli.audit_page.cover import CommitFacts
from reconciler.cli.audit_page.markup import NOTHING, Content, Html, anchor, code, facts, lines, listing, table, tag
from reconciler.cli.audit_page.sources import Shelf, Sources
from reconciler.cli.audit_page.words import GLOSSARY
from reconciler.cli.audit_tables import events_text
from reconciler.evidence.canonical import to_json
from reconciler.evidence.history.basis import Basis
from reconciler.evidence.history.journal import tell
from reconciler.evidence.history.times import time_text
from reconciler.evidence.history.values import UnderCommit
from reconciler.evidence.journal import JournalEntry
from reconciler.evidence.statement import Record

Show = Callable[[Record, Basis], Iterable[Html]]
"""Shows one thing that verdicts rest on."""

_NUMBERS = re.compile(r"\[\n\s+\d+(,\n\s+\d+)*\n\s+\]")
"""A list of numbers in JSON, a line each; strings hold no line ends."""

_PARTS = {
    "pcr4": "PCR 4: the image, then the kernel in it",
    "pcr9": "PCR 9: command line, then the initial file system",
    "pcr11": "PCR 11: name and content of each part of the image",
    "pcr12": "PCR 12: what was handed in besides",
}


def basis_section(sources: Sources) -> Html:
    """Return everything that the shown verdicts rest on, each once."""
    parts = [
        *_shelf(sources.measurements, "Measured", _measured),
        *_shelf(sources.images, "Image", _image),
        *_shelf(sources.policies, "Rules", _policy),
        *_shelf(sources.tpms, "TPM", _tpm),
    ]
    if not parts:
        return NOTHING
    intro = (
        "The verdicts above refer to what stands here. Each thing stands here once, however often it was proven "
        "again. PCR values are as the TPM signed them; what an image measures is known from the image itself."
    )
    return tag("section", tag("h2", "What the verdicts rest on", id="basis"), tag("p", intro), *parts)


def commits_section(commits: tuple[UnderCommit, ...], *, known: Mapping[str, CommitFacts]) -> Html:
    """Return the desired states that records were made under, with signer and date."""
    return tag(
        "section",
        tag("h2", "Desired states", id="commits"),
        tag("p", "What the operators asked for, and what was done under it. A commit's date is its author's word."),
        *(_commit(one, known.get(one.commit)) for one in commits),
    )


def _commit(one: UnderCommit, about: CommitFacts | None) -> Html:
    pairs: list[tuple[str, Content]] = [("Commit", code(one.commit))]
    if about is None:
        pairs.append(("Signed by", "not known: the commit is not there"))
    else:
        pairs += [
            ("Title", about.title),
            ("Signed by", about.signer or "not known"),
            ("Written by", about.author),
            ("Dated", time_text(about.made_at)),
        ]
    pairs += [
        ("Content (tree)", code(one.tree)),
        ("Recorded under it", events_text(one)),
        ("First and last record", f"{time_text(one.first)} to {time_text(one.last)}"),
        ("About nodes", ", ".join(one.nodes)),
    ]
    title = about.title if about else one.commit[:12]
    return tag("article", tag("h3", title), facts(pairs), id=anchor("commit", one.commit), class_="commit")


def journal_section(journal: Sequence[JournalEntry]) -> Html:
    """Return what concerns the whole repository: refusals, drift, rotations, overrides; nothing without entries."""
    rows = [
        (
            tag("span", time_text(one.at), class_="nowrap"),
            str(one.sequence),
            one.what,
            one.subject,
            listing(one.details),
        )
        for one in tell(journal)
    ]
    if not rows:
        return NOTHING
    intro = (
        "What concerns the whole repository and no single node: which desired state came into force, what was refused, "
        "what was found otherwise than declared, keys that were replaced, and where an operator held back or forgave."
    )
    return tag(
        "section",
        tag("h2", "Journal", id="journal"),
        tag("p", intro),
        table("Events of the journal", ("Recorded", "Entry", "What", "About", "Details"), rows),
    )


def glossary_section() -> Html:
    """Return what the words mean."""
    pairs = [tag("div", tag("dt", word), tag("dd", meaning)) for word, meaning in GLOSSARY]
    return tag("section", tag("h2", "Words", id="words"), tag("dl", *pairs, class_="words"))


def limits_section(*, evidence: str, trusted: str) -> Html:
    """Return what an audit cannot show, and how to repeat this one."""
    cannot = (
        "What a node did between two proofs.",
        "What a program did after it was started; only what was started is measured.",
        "That a TPM's maker, or a signer, kept their own keys to themselves.",
        "That nothing was left out before it was recorded.",
        "Without witnesses: that the evidence was not exchanged as a whole for an older or another one.",
    )
    commands = "\n".join(
        (
            "git clone REPOSITORY state",
            f"git -C state cat-file -t {trusted}",
            f"git -C state cat-file -t {evidence}",
            "ringfence audit --repo state",
        )
    )
    return tag(
        "section",
        tag("h2", "Limits, and how to check this report", id="limits"),
        tag("p", "An audit cannot show:"),
        listing(cannot),
        tag(
            "p",
            "Everything here can be computed again from a clone of the repository, without a network and without "
            "trusting who made this report. The second and third command print the word commit, if the clone "
            "holds what was audited here. The audit ends with 0 if everything holds, and with 3 if not:",
        ),
        tag("pre", lines(commands)),
    )


def _shelf(shelf: Shelf, word: str, show: Show) -> Iterator[Html]:
    for key, (record, basis) in shelf.things.items():
        yield tag(
            "article",
            tag("h3", f"{shelf.name(key)}. {word}"),
            *show(record, basis),
            id=shelf.place(key),
            class_="source",
        )


def _measured(record: Record, basis: Basis) -> Iterator[Html]:
    submitted = basis.submitted
    ima = submitted.ima
    yield facts(
        [
            ("First shown for", f"node {record.node}, record {record.sequence}"),
            ("PCR values", code(submitted.pcrs)),
            ("Event log", tag("span", code(submitted.event_log), f", {basis.event_log_size} bytes")),
            ("IMA log", tag("span", code(ima.digest), f", {ima.size} bytes") if ima else None),
        ]
    )
    rows = [(str(number), code(value)) for number, value in basis.pcrs.items()]
    yield table("PCR values (SHA-256), as quoted", ("PCR", "Value"), rows, css="values")


def _image(record: Record, basis: Basis) -> Iterator[Html]:
    name = record.appraisal.image if record.appraisal else ""
    yield facts([("Name", name)])
    rows = [
        (_PARTS.get(part, part), tag("span", *(tag("div", code(value)) for value in values)))
        for part, values in to_json(basis.rules.measurements).items()
        if values
    ]
    yield table("What it has to measure (SHA-256), in this order", ("Where", "Digests"), rows)


def _policy(record: Record, basis: Basis) -> Iterator[Html]:
    name = record.appraisal.policy if record.appraisal else ""
    yield facts(
        [
            ("Name", name),
            ("Digest", code(basis.policy_digest)),
            ("Desired state", code(record.commit)),
        ]
    )
    text = json.dumps(to_json(basis.rules.policy), indent=2, sort_keys=True, ensure_ascii=True)
    yield tag("pre", lines(_NUMBERS.sub(lambda found: " ".join(found[0].split()), text)))


def _tpm(record: Record, basis: Basis) -> Iterator[Html]:
    ek, pairs = basis.certificate, list[tuple[str, Content]]()
    pairs += [("Node", record.node), ("Endorsement (pinned)", code(basis.rules.endorsement))]
    if ek is None:
        pairs.append(("Certificate", "it cannot be read"))
    else:
        shown, tpm = ek.certificate, ek.tpm
        maker = ", ".join(part for part in (tpm.vendor or tpm.manufacturer, tpm.model, tpm.version) if part)
        pairs += [
            ("Certificate of", shown.subject),
            ("Issued by", shown.issuer),
            ("Up to the anchor", "; ".join(basis.issuers)),
            ("Valid", f"{time_text(shown.not_before)} to {time_text(shown.not_after)}"),
            ("Serial number", code(shown.serial)),
            ("Fingerprint", code(shown.fingerprint)),
            ("Kind of key", shown.key),
            ("TPM, by its maker", maker),
        ]
    pairs.append(("Firmware profile", basis.rules.profile))
    yield facts(pairs)
