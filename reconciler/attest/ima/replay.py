"""Replaying an IMA log: which prefix of it brings the PCRs to their quoted values.

A log is read after the quote was made, or before, while the kernel goes on measuring; so it may be longer than what
the quote covers. Exactly one prefix reaches the quoted value, and that is what the TPM vouches for; the rest is
pending. Kernels from 5.8 on extend each bank with that bank's hash of the template data; older ones extend every bank
with the SHA-1 of it, padded with zeros. One rule holds for a whole log. A violation extends ones in every bank.

Always hashed here is the data; the template hash that the log states is not relied upon, but for zeros, which mark a
violation, and a false mark does not replay.

Source: Linux, security/integrity/ima/ima_queue.c, ima_crypto.c (ima_calc_field_array_hash).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from reconciler.attest.ima.log import ImaLog

HASHES: Mapping[str, Callable[[bytes], hashlib._Hash]] = MappingProxyType(
    {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
)
"""The banks that can be replayed, each with its hash."""

IMA_PCR = 10
"""Where IMA measures unless its policy or the kernel's configuration says otherwise."""

_DRTM_PCRS = range(17, 23)


class Rule(StrEnum):
    """What a kernel extends a bank with."""

    NATIVE = "native"
    PADDED_SHA1 = "padded-sha1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """How many entries, from the first, are covered by the quote, and the values that they lead to."""

    entries: int
    values: Mapping[int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A PCR that no prefix brings to its quoted value; ``value`` is what the whole log leads to."""

    pcr: int
    value: bytes


def initial_value(pcr: int, *, bank: str) -> bytes:
    """Return the value of ``pcr`` before anything was extended into it, without a dynamic launch."""
    return (b"\xff" if pcr in _DRTM_PCRS else b"\0") * HASHES[bank](b"").digest_size


def rules_for(bank: str) -> tuple[Rule, ...]:
    """Return the rules that make a difference in ``bank``, the stronger one first."""
    return (Rule.NATIVE,) if bank == "sha1" else (Rule.NATIVE, Rule.PADDED_SHA1)


def extended_digests(log: ImaLog, *, bank: str, rule: Rule) -> list[bytes]:
    """Return what each entry of ``log`` extended into ``bank`` under ``rule``."""
    size = HASHES[bank](b"").digest_size
    violated, zero = b"\xff" * size, log.zero
    if rule is Rule.NATIVE:
        digest = HASHES[bank]
        return [
            violated if stated == zero else digest(data).digest()
            for stated, data in zip(log.hashes, log.datas, strict=True)
        ]
    return [
        violated if stated == zero else hashlib.sha1(data, usedforsecurity=False).digest().ljust(size, b"\0")
        for stated, data in zip(log.hashes, log.datas, strict=True)
    ]


def find_prefix(
    log: ImaLog, *, digests: Sequence[bytes], start: Mapping[int, bytes], quoted: Mapping[int, bytes], bank: str
) -> Prefix | Miss:
    """Return the shortest prefix of ``log`` that explains the ``quoted`` values of every PCR that IMA measured into.

    ``digests`` are those of ``extended_digests``; ``start`` holds the values where the log goes on from, if it is not
    a whole one. PCR 10 must be quoted; of the others only those that are count.
    """
    measured = {IMA_PCR} | ((set(log.pcrs) | start.keys()) & quoted.keys())
    least, most = 0, len(log)
    values: dict[int, bytes] = {}
    for pcr in sorted(measured):
        places = _places(log, pcr=pcr)
        own = digests if len(places) == len(log) else [digests[place] for place in places]
        begin = start.get(pcr, initial_value(pcr, bank=bank))
        count, value = _reach(own, value=begin, target=quoted[pcr], bank=bank)
        if count is None:
            return Miss(pcr=pcr, value=value)
        values[pcr] = value
        # The quote was made after this PCR's last covered entry, and before its next one.
        first, last = places[count - 1] + 1 if count else 0, places[count] if count < len(places) else len(log)
        if first > most or last < least:
            return Miss(pcr=pcr, value=value)
        least, most = max(least, first), min(most, last)
    return Prefix(entries=least, values=MappingProxyType(values))


def replay_all(log: ImaLog, *, digests: Sequence[bytes], bank: str) -> Mapping[int, bytes]:
    """Return the values that the whole of ``log`` leads to, for each PCR that it names."""
    found = {}
    for pcr in sorted(set(log.pcrs)):
        own = [digests[place] for place in _places(log, pcr=pcr)]
        _, found[pcr] = _reach(own, value=initial_value(pcr, bank=bank), target=None, bank=bank)
    return found


def _places(log: ImaLog, *, pcr: int) -> Sequence[int]:
    if log.pcrs.count(pcr) == len(log):
        return range(len(log))
    return [place for place, other in enumerate(log.pcrs) if other == pcr]


def _reach(digests: Collection[bytes], *, value: bytes, target: bytes | None, bank: str) -> tuple[int | None, bytes]:
    """Return after how many ``digests`` the PCR has the value ``target``, or None, and the value it has then."""
    if value == target:
        return 0, value
    extend = HASHES[bank]
    for count, digest in enumerate(digests, 1):
        value = extend(value + digest).digest()
        if value == target:
            return count, value
    return None, value
