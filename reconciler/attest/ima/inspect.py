"""What an IMA log says and leads to, for anyone with a file: no policy, no quote, no verdict.

Every entry is listed, whether its template hash is that of its data, and the PCR values that the whole log leads to,
by each bank and rule. Given quoted values, also how much of the log they cover.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from reconciler.attest.ima.entries import is_violation
from reconciler.attest.ima.log import ImaLog, parse_ima_log
from reconciler.attest.ima.replay import (
    HASHES,
    IMA_PCR,
    Prefix,
    Rule,
    extended_digests,
    find_prefix,
    replay_all,
    rules_for,
)
from reconciler.attest.ima.signatures import key_id_of
from reconciler.attest.ima.templates import Entry
from reconciler.attest.reader import MalformedError

_BY_SIZE = {20: "sha1", 32: "sha256", 48: "sha384", 64: "sha512"}


def inspect_ima(data: bytes, *, values: Mapping[str, Mapping[int, bytes]] | None = None) -> dict[str, Any]:
    """Return what the log ``data`` says, as plain JSON; MalformedError if it cannot be parsed.

    ``pcrs`` and ``pcrs_padded_sha1`` hold, by bank and PCR, what the whole log leads to under either rule. With
    ``values`` (quoted, by bank and PCR) ``covered`` says for each bank how many entries lead to them, by which rule;
    ``null`` if no prefix does.
    """
    log = parse_ima_log(data)
    algorithm = _template_algorithm(log)
    entries = [_describe(log, index, algorithm=algorithm) for index in range(len(log))]
    report: dict[str, Any] = {
        "format": log.form,
        "template_hash": algorithm,
        "templates": dict(sorted(Counter(template.decode() for template in log.templates).items())),
        "violations": sum(entry["violation"] for entry in entries),
        "entries": entries,
        "pcrs": {bank: _values(log, bank=bank, rule=Rule.NATIVE) for bank in HASHES},
        "pcrs_padded_sha1": {bank: _values(log, bank=bank, rule=Rule.PADDED_SHA1) for bank in HASHES if bank != "sha1"},
        "notes": _notes(log, algorithm=algorithm, entries=entries),
    }
    if values is not None:
        report["covered"] = {bank: _covered(log, bank=bank, quoted=quoted) for bank, quoted in values.items()}
    return report


def _template_algorithm(log: ImaLog) -> str | None:
    """Return by which hash the stated template hashes are, as far as their size and the first of them tell."""
    algorithm = _BY_SIZE[log.hash_size]
    place = next((index for index in range(len(log)) if not is_violation(log, index)), None)
    if algorithm == "sha1" or place is None or HASHES[algorithm](log.datas[place]).digest() == log.hashes[place]:
        return algorithm
    return None


def _describe(log: ImaLog, index: int, *, algorithm: str | None) -> dict[str, Any]:
    violation = is_violation(log, index)
    verified = None
    if algorithm is not None and not violation:
        verified = HASHES[algorithm](log.datas[index]).digest() == log.hashes[index]
    shown: dict[str, Any] = {
        "index": index,
        "pcr": log.pcrs[index],
        "template": log.templates[index].decode(),
        "template_hash": log.hashes[index].hex(),
        "template_hash_verified": verified,
        "violation": violation,
    }
    try:
        entry = log.entry(index)
    except MalformedError as error:
        return {**shown, "error": error.message}
    return shown if entry is None else {**shown, **_content(entry)}


def _content(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {
        "algorithm": entry.algorithm,
        "digest": entry.digest.hex(),
        "path": entry.path.decode("utf-8", "backslashreplace"),
    }
    if entry.kind == "verity":
        found["kind"] = entry.kind
    if entry.signature:
        found["signature"] = {"size": len(entry.signature), "key_id": key_id_of(entry.signature)}
    if entry.buffer is not None:
        found["buffer"] = {"size": len(entry.buffer), "sha256": hashlib.sha256(entry.buffer).hexdigest()}
    return found


def _values(log: ImaLog, *, bank: str, rule: Rule) -> dict[str, str]:
    replayed = replay_all(log, digests=extended_digests(log, bank=bank, rule=rule), bank=bank)
    return {str(pcr): value.hex() for pcr, value in replayed.items()}


def _covered(log: ImaLog, *, bank: str, quoted: Mapping[int, bytes]) -> dict[str, Any] | None:
    if bank not in HASHES or IMA_PCR not in quoted:
        return None
    for rule in rules_for(bank):
        digests = extended_digests(log, bank=bank, rule=rule)
        found = find_prefix(log, digests=digests, start={}, quoted=quoted, bank=bank)
        if isinstance(found, Prefix):
            return {"entries": found.entries, "pending": len(log) - found.entries, "rule": str(rule)}
    return None


def _notes(log: ImaLog, *, algorithm: str | None, entries: list[dict[str, Any]]) -> list[str]:
    notes = []
    if algorithm is None:
        notes.append(
            f"the template hashes have {log.hash_size} bytes and are not by {_BY_SIZE[log.hash_size]}: the log is one"
            " of another bank, such as sm3_256, and cannot be replayed in it here; the values shown are of other banks"
        )
    wrong = [entry["index"] for entry in entries if entry["template_hash_verified"] is False]
    if wrong:
        listed = ", ".join(map(str, wrong[:10]))
        notes.append(f"the template hash is not that of the data in {len(wrong)} entries: {listed}")
    return notes
