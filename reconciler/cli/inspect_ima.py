"""An IMA log for a terminal: its entries, the values that it leads to, and how much of it quoted values cover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.attest.ima.replay import IMA_PCR
from reconciler.cli.inspect_input import parse_hex, refused
from reconciler.cli.inspect_text import pairs, table
from reconciler.cli.printable import printable

_BANKS = {20: "sha1", 32: "sha256", 48: "sha384", 64: "sha512"}
_TITLES = ("entry", "pcr", "template", "hash ok", "digest", "path")
_DIGEST = 24
_PATH = 96
_ALONE = "A log alone proves nothing: give a quoted value of PCR 10 with --pcr10."


def pcr10_values(texts: Sequence[str]) -> dict[str, dict[int, bytes]]:
    """Return quoted values of PCR 10 by bank, which is told by the value's length; InputError if one is no digest."""
    hint = "give each value in 40, 64, 96 or 128 hexadecimal digits, one a bank"
    values: dict[str, dict[int, bytes]] = {}
    for text in texts:
        value = parse_hex(text, option="--pcr10", hint=hint, limit=max(_BANKS))
        bank = _BANKS.get(len(value))
        if bank is None:
            message = f"has {len(value)} bytes, which are no value of any bank"
            raise refused("--pcr10", message, hint=hint, reason="OptionInvalid")
        if bank in values:
            raise refused("--pcr10", f"bank {bank} has two values", hint=hint, reason="OptionInvalid")
        values[bank] = {IMA_PCR: value}
    return values


def is_covered(report: dict[str, Any]) -> bool:
    """Return whether each quoted value covers some of the log; true if none was given."""
    return all(found is not None and found["entries"] > 0 for found in report.get("covered", {}).values())


def ima_text(report: dict[str, Any]) -> str:
    """Return the report of ``inspect_ima`` for a terminal."""
    entries = report["entries"]
    used = ", ".join(f"{name} ({count})" for name, count in report["templates"].items())
    head = [
        ("format", report["format"]),
        ("entries", f"{len(entries)}, {report['violations']} of them violations"),
        ("templates", used),
        ("template hash", report["template_hash"] or "unknown"),
    ]
    lines = [*pairs(head), "", *table([_row(entry) for entry in entries], titles=_TITLES)]
    lines += ["", "hash ok: whether the template hash is that of the entry's data; - where that cannot be told."]
    lines += ["", "The whole log leads to these values:"]
    lines += _values(report["pcrs"], remark="")
    lines += _values(report["pcrs_padded_sha1"], remark=", if the kernel pads SHA-1")
    lines += ["", *(f"note: {printable(note)}" for note in report["notes"])] if report["notes"] else []
    return "\n".join([*lines, "", *(_coverage(report) or [_ALONE])])


def _row(entry: dict[str, Any]) -> list[str]:
    if entry["violation"]:
        told = "violation"
    elif "error" in entry:
        told = "malformed"
    else:
        told = f"{entry['algorithm']}:{entry['digest']}" if "digest" in entry else "unknown template"
    return [
        str(entry["index"]),
        str(entry["pcr"]),
        entry["template"],
        {True: "yes", False: "no", None: "-"}[entry["template_hash_verified"]],
        printable(told, width=_DIGEST),
        printable(entry.get("path", entry.get("error", "-")), width=_PATH),
    ]


def _values(banks: dict[str, dict[str, str]], *, remark: str) -> list[str]:
    lines = []
    for bank, values in banks.items():
        lines += [f"  {bank}{remark}:", *(f"    {pcr:>2}: 0x{value}" for pcr, value in values.items())]
    return lines


def _coverage(report: dict[str, Any]) -> list[str]:
    lines = []
    for bank, found in report.get("covered", {}).items():
        if found is None:
            lines.append(f"PCR 10 of bank {bank}: no part of the log from its start leads to the value given.")
        elif not found["entries"]:
            lines.append(f"PCR 10 of bank {bank}: the value given covers nothing; it is that before the first entry.")
        else:
            left = f"{found['pending']} came later" if found["pending"] else "none came later"
            lines.append(f"PCR 10 of bank {bank}: the first {found['entries']} entries lead to it, {left}.")
    return lines
