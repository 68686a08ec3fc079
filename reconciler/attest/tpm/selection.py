"""Which PCRs a quote must cover, which it covers, and whether each has exactly one claimed value.

The signed selection is the only source of which PCR a value belongs to. A PCR that is not
asked for has no value; one that is has a value of exactly its bank's size. Nothing is
known here of what a value means.

Source: TPM 2.0 Part 2, 10.6.2 (TPMS_PCR_SELECTION), 10.9.7 (TPML_PCR_SELECTION).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from reconciler.attest.algorithms import BANK_NAMES, DIGEST_SIZES, PCR_BANKS
from reconciler.attest.reader import MalformedError, Reader
from reconciler.attest.verdict import Reason

Selection = tuple[tuple[int, tuple[int, ...]], ...]
"""(bank's algorithm, PCRs in rising order), in the order in which they are hashed."""

Values = Mapping[str, Mapping[int, bytes]]
"""Claimed PCR values by the bank's name and the PCR's number."""

_Take = Callable[[Mapping[int, bytes]], tuple[bytes, ...]]

PCRS = 32
"""PCR numbers are below this: a bitmap has at most four bytes."""

_MAX_SELECTIONS = 16
_MAX_BITMAP = 4
_USUAL_BITMAP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """The PCRs that a quote must cover; made once for a policy.

    ``encoded`` is the TPML_PCR_SELECTION that a TPM with 24 PCRs signs for them. ``layout`` has for each bank its name,
    what takes its PCRs' values out of a mapping, and their sizes.
    """

    selection: Selection
    encoded: bytes
    layout: tuple[tuple[str, _Take, list[int]], ...]

    def join(self, values: Values) -> bytes | None:
        """Return the required values one after the other, or None unless they are all there, whole, and no others."""
        joined = b""
        try:
            for bank, take, sizes in self.layout:
                claimed = values[bank]
                found = take(claimed)
                if len(claimed) != len(sizes) or [*map(len, found)] != sizes:
                    return None
                joined += b"".join(found)
        except KeyError:
            return None
        return joined if len(values) == len(self.layout) else None


def require(selection: Sequence[tuple[str, Sequence[int]]]) -> Requirement:
    """Return the requirement of exactly the PCRs of ``selection``: banks by name, in the order they are asked for.

    ValueError: a bank is unknown or named twice, or a PCR is none. SHA-1 is required only if it is named.
    """
    banks = [bank for bank, _ in selection]
    if len(set(banks)) != len(banks):
        raise ValueError("a bank is required twice")
    chosen, layout, encoded = [], [], struct.pack(">I", len(banks))
    for bank, asked in selection:
        pcrs = tuple(sorted(set(asked)))
        if bank not in PCR_BANKS or not all(0 <= pcr < PCRS for pcr in pcrs):
            raise ValueError(f"no such PCRs: {bank}:{','.join(map(str, asked))}")
        number = PCR_BANKS[bank]
        bitmap = sum(1 << pcr for pcr in pcrs)
        size = max(_USUAL_BITMAP, (bitmap.bit_length() + 7) // 8)
        encoded += struct.pack(">HB", number, size) + bitmap.to_bytes(size, "little")
        chosen.append((number, pcrs))
        layout.append((bank, _taker(pcrs), [DIGEST_SIZES[number]] * len(pcrs)))
    return Requirement(selection=tuple(chosen), encoded=encoded, layout=tuple(layout))


def _taker(pcrs: tuple[int, ...]) -> _Take:
    if len(pcrs) > 1:
        return itemgetter(*pcrs)
    return lambda claimed: tuple(claimed[pcr] for pcr in pcrs)  # itemgetter of one key gives no tuple.


def parse_selection(reader: Reader, *, what: str) -> Selection:
    """Take a TPML_PCR_SELECTION; raise MalformedError beyond 16 banks or bitmaps of 4 bytes."""
    count = reader.integer(4)
    if count > _MAX_SELECTIONS:
        raise MalformedError(what, f"selects PCRs of {count} banks, at most {_MAX_SELECTIONS} are allowed")
    return tuple(_parse_bank(reader, what=what) for _ in range(count))


def _parse_bank(reader: Reader, *, what: str) -> tuple[int, tuple[int, ...]]:
    bank, size = reader.integer(2), reader.integer(1)
    if size > _MAX_BITMAP:
        raise MalformedError(what, f"a PCR bitmap of {size} bytes, at most {_MAX_BITMAP} are allowed")
    bitmap = int.from_bytes(reader.take(size), "little")
    return bank, tuple(pcr for pcr in range(8 * size) if bitmap >> pcr & 1)


def check_selection(signed: Selection, *, requirement: Requirement) -> Iterator[Reason]:
    """Yield a reason unless the ``signed`` selection is the required one, in its order, and there is any PCR in it."""
    required = requirement.selection
    if signed != required or not any(pcrs for _, pcrs in required):
        yield Reason(
            code="PcrSelectionMismatch",
            message="the quote does not cover exactly the PCRs that are required",
            bank=_only_bank(required),
            expected=describe(required),
            found=describe(signed),
        )


def check_values(values: Values, *, requirement: Requirement) -> Iterator[Reason]:
    """Yield a reason for each PCR whose claimed value is missing, of a size other than its bank's, or not asked for."""
    required = {BANK_NAMES[bank]: pcrs for bank, pcrs in requirement.selection}
    for bank in [*required, *sorted(values.keys() - required.keys())]:
        claimed = values.get(bank, {})
        wanted = required.get(bank, ())
        for pcr in sorted({*wanted, *claimed}):
            expected = f"{DIGEST_SIZES[PCR_BANKS[bank]]} bytes" if pcr in wanted else "no value"
            found = f"{len(claimed[pcr])} bytes" if pcr in claimed else "no value"
            if found != expected:
                message = f"PCR {pcr} has not the value that it must have"
                yield Reason(
                    code="PcrValueMalformed", message=message, pcr=pcr, bank=bank, expected=expected, found=found
                )


def covered(selection: Selection, *, values: Values) -> bytes:
    """Return the claimed values of the PCRs of ``selection``, in its order, one after the other."""
    return b"".join(values.get(BANK_NAMES.get(bank, ""), {}).get(pcr, b"") for bank, pcrs in selection for pcr in pcrs)


def describe(selection: Selection) -> str:
    """Return ``selection`` in the words of tpm2-tools: ``sha256:0,4+sha384:7``."""
    return "+".join(f"{BANK_NAMES.get(b, hex(b))}:{','.join(map(str, pcrs))}" for b, pcrs in selection) or "nothing"


def _only_bank(selection: Selection) -> str | None:
    return BANK_NAMES[selection[0][0]] if len(selection) == 1 else None
