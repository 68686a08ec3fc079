"""An event log for a terminal: its events, the PCR values that it leads to, and the facts that it would prove.

PCR values are shown whole, in the form of ``tpm2_pcrread``, to be compared with what a TPM says. Nobody vouches for
what events say of themselves.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from reconciler.attest.eventlog.banks import digest_of
from reconciler.attest.eventlog.describe import describe_event
from reconciler.attest.eventlog.events import UNEXTENDED
from reconciler.attest.eventlog.inspection import Inspection
from reconciler.attest.eventlog.record import Record
from reconciler.attest.facts.collect import collect_facts
from reconciler.attest.facts.document import facts_text
from reconciler.attest.facts.values import Facts
from reconciler.cli.inspect_input import refused
from reconciler.cli.inspect_text import pairs, table
from reconciler.cli.printable import printable
from reconciler.model.families import Family, Overlay

_DEFAULT_BANK = "sha256"
_DIGEST = 13
_DESCRIPTION = 64
_FACT = 200
_TITLES = ("event", "pcr", "type", "digest", "of data", "description")
_LEGEND = (
    "of data: yes if the digest is that of the event's data. No is usual for firmware, programs and boot variables,",
    "which logs do not hold as they were measured; - stands for events that are never extended. Nothing vouches for",
    "types and descriptions.",
)
_ALONE = "A log alone proves nothing: compare these values with quoted ones."


def chosen_bank(found: Inspection, *, bank: str | None, is_needed: bool, subject: Path) -> str | None:
    """Return the bank to show: the one asked for, else sha256, else the first that can be replayed.

    None if there is no such bank and none was asked for; InputError if one was, or if ``is_needed``.
    """
    known = list(found.replays)
    chosen = bank or (_DEFAULT_BANK if _DEFAULT_BANK in known else next(iter(known), None))
    if chosen in known or (chosen is None and not is_needed):
        return chosen
    message = f"the log has no bank {chosen} that can be replayed" if chosen else "no bank of the log can be replayed"
    hint = f"banks that can be replayed: {', '.join(known) or 'none'}"
    raise refused(subject, message, hint=hint, reason="BankMissing")


def facts_of(found: Inspection, *, bank: str, family: Family, overlays: Collection[Overlay]) -> Facts:
    """Return the facts of ``bank`` as if the log led to quoted values of every PCR."""
    replayed = found.replays[bank]
    return collect_facts(replayed, family=family, overlays=set(overlays), quoted=sorted(replayed.values), bank=bank)


def log_text(found: Inspection, *, bank: str | None, facts: Facts | None) -> str:
    """Return the report for a terminal; ``bank`` is None if none can be replayed."""
    log = found.log
    locality = next((replayed.locality for replayed in found.replays.values()), None)
    head = [
        ("format", str(log.format)),
        ("events", str(len(log.records))),
        ("banks", ", ".join(log.algorithms)),
        ("startup locality", None if locality is None else str(locality)),
        ("workarounds", ", ".join(log.workarounds) or None),
    ]
    lines = [*pairs(head), "", *table([_row(record, bank=bank) for record in log.records], titles=_TITLES)]
    lines += ["", *_LEGEND, "", "The log leads to these values:"]
    shown = found.as_json()["pcrs"]
    for name, values in shown.items():
        lines += [f"  {name}:", *(f"    {pcr:>2}: 0x{value}" for pcr, value in values.items())]
    left = [name for name in log.algorithms if name not in shown]
    lines += [f"  {printable(name)}: cannot be replayed" for name in left]
    lines += ["", _ALONE]
    return "\n".join(lines + (_facts_lines(facts) if facts is not None else []))


def _row(record: Record, *, bank: str | None) -> list[str]:
    digest = record.digests.get(bank or "")
    is_extended = record.type not in UNEXTENDED
    is_of_data = _is_of_data(record, bank=bank) if is_extended and digest is not None else None
    return [
        str(record.index),
        str(record.pcr),
        record.type_name,
        printable(digest.hex(), width=_DIGEST) if digest is not None and is_extended else "-",
        {True: "yes", False: "no", None: "-"}[is_of_data],
        printable(describe_event(record), width=_DESCRIPTION),
    ]


def _is_of_data(record: Record, *, bank: str | None) -> bool | None:
    return None if bank is None else digest_of(record.data, bank=bank) == record.digests[bank]


def _facts_lines(facts: Facts) -> list[str]:
    named = ", ".join([facts.family, *facts.overlays])
    head = f"Facts of a {named} machine, bank {facts.bank}, that a quote over all these PCRs would prove:"
    lines = [f"  {printable(line, width=_FACT)}" for line in facts_text(facts).splitlines()]
    return ["", head, *(lines or ["  none"])]
