"""The boot aggregate: the first entry of an IMA log, which ties it to what the firmware measured.

It is a hash over PCR values that the kernel read when IMA started: PCR 0 to 7 of the bank that it names, or PCR 0 to
9 in kernels from 5.8 on (SHA-1: always 0 to 7); before that, over PCR 0 to 7 of the SHA-1 bank whatever hash it names.
Which kernel it was is not known, so each rule is tried whose PCRs are quoted.

Source: Linux, security/integrity/ima/ima_crypto.c (ima_calc_boot_aggregate_tfm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.attest.ima.replay import HASHES
from reconciler.attest.ima.signatures import Flaw
from reconciler.attest.ima.templates import Entry

NAME = b"boot_aggregate"
"""The name of the entry."""


def boot_aggregates(algorithm: str, *, values: Mapping[str, Mapping[int, bytes]]) -> Mapping[str, bytes]:
    """Return each boot aggregate that can be made of the quoted ``values``, by the rule that it is made by."""
    if algorithm not in HASHES:
        return {}
    rules: dict[str, tuple[str, Sequence[int]]] = {
        f"{algorithm}:0-7": (algorithm, range(8)),
        "sha1:0-7": ("sha1", range(8)),
    }
    if algorithm != "sha1":
        rules[f"{algorithm}:0-9"] = (algorithm, range(10))
    found = {}
    for rule, (bank, pcrs) in rules.items():
        quoted = values.get(bank, {})
        if quoted.keys() >= set(pcrs):
            found[rule] = HASHES[algorithm](b"".join(quoted[pcr] for pcr in pcrs)).digest()
    return found


def check_boot_aggregate(entry: Entry, *, values: Mapping[str, Mapping[int, bytes]]) -> Flaw | None:
    """Return why ``entry`` is not the boot aggregate of the quoted ``values`` (by bank and PCR), or None if it is."""
    possible = boot_aggregates(entry.algorithm, values=values)
    found = f"{entry.algorithm}:{entry.digest.hex()}"
    if not possible:
        message = f"PCR 0 to 7 are not all quoted in the bank {entry.algorithm}"
        return Flaw(code="BootAggregateUnproven", message=message, found=found)
    if entry.digest in possible.values():
        return None
    expected = ", ".join(f"{digest.hex()} ({rule})" for rule, digest in possible.items())
    if entry.algorithm != "sha1" and f"{entry.algorithm}:0-9" not in possible:
        message = "it is not made of PCR 0 to 7, and PCR 8 and 9 are not both quoted"
        return Flaw(code="BootAggregateUnproven", message=message, expected=expected, found=found)
    message = "it is made neither of PCR 0 to 7 nor of PCR 0 to 9"
    return Flaw(code="BootAggregateMismatch", message=message, expected=expected, found=found)
