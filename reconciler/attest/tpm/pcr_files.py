"""PCR values as tools write them: tpm2-tools' serialized form, JSON, and lines of ``pcr: hex``.

Every form is bounded, and read to its last byte. A value stands for a PCR of a named bank,
or of the one bank whose digests are of its size. What the values are worth is judged by
``quote`` and ``inspection``.

Source: tpm2-tools, lib/pcr.h (a TPML_PCR_SELECTION, a count, and as many TPML_DIGESTs, as they lie in the memory of a
little-endian machine); the output of tpm2_pcrread.
"""

from __future__ import annotations

import json
import re

from reconciler.attest.algorithms import BANK_NAMES, DIGEST_SIZES, PCR_BANKS
from reconciler.attest.reader import MalformedError, Reader
from reconciler.attest.tpm.selection import PCRS

PcrValues = dict[str, dict[int, bytes]]

_WHAT = "PCR values"
_MAX_TEXT = 65_536
_MAX_BANKS = 16
_MAX_BITMAP = 4
_MAX_LISTS = 32
_LIST_SLOTS = 8
_MAX_DIGEST = 64
_MAX_BRACES = 8

_HEADING = re.compile(r"\s*(sha1|sha256|sha384|sha512)\s*:\s*", re.ASCII)
_LINE = re.compile(r"\s*([0-9]{1,2})\s*:\s*(?:0x)?([0-9A-Fa-f]{2,128})\s*", re.ASCII)
_BANKS_BY_SIZE = {DIGEST_SIZES[number]: name for name, number in PCR_BANKS.items()}


def parse_pcr_values(raw: bytes) -> PcrValues:
    """Return the values in ``raw``, whichever of the three forms it is in, by bank and PCR; or raise MalformedError."""
    if len(raw) > _MAX_TEXT:
        raise MalformedError(_WHAT, f"{len(raw)} bytes, at most {_MAX_TEXT} are allowed")
    if b"\0" in raw:
        return parse_serialized_pcrs(raw)
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise MalformedError(_WHAT, "neither text nor in tpm2-tools' serialized form") from error
    return _parse_json(text) if text.lstrip().startswith("{") else _parse_lines(text)


def parse_serialized_pcrs(raw: bytes) -> PcrValues:
    """Return the values in tpm2-tools' ``--pcrs_format=serialized``, by bank and PCR; or raise MalformedError."""
    reader = Reader(raw, what=_WHAT, byteorder="little")
    count = reader.integer(4)
    if count > _MAX_BANKS:
        raise MalformedError(_WHAT, f"{count} banks, at most {_MAX_BANKS} are allowed")
    selected: list[tuple[int, int]] = []
    for index in range(_MAX_BANKS):  # The list has room for all of them, whatever its count.
        bank, size, bitmap = reader.integer(2), reader.integer(1), reader.integer(4)
        reader.take(1)  # The compiler's padding.
        if index >= count:
            continue
        if bank not in BANK_NAMES or size > _MAX_BITMAP:
            raise MalformedError(_WHAT, f"bank 0x{bank:04x} with a bitmap of {size} bytes is not known")
        selected += [(bank, pcr) for pcr in range(8 * size) if bitmap >> pcr & 1]
    digests = _parse_digest_lists(reader)
    reader.finish()
    if len(digests) != len(selected):
        raise MalformedError(_WHAT, f"{len(digests)} digests for {len(selected)} PCRs")
    values: PcrValues = {}
    for (bank, pcr), value in zip(selected, digests, strict=True):
        _add(values, bank=BANK_NAMES[bank], pcr=pcr, value=value)
    return values


def _parse_digest_lists(reader: Reader) -> list[bytes]:
    lists = reader.integer(4)
    if lists > _MAX_LISTS:
        raise MalformedError(_WHAT, f"{lists} lists of digests, at most {_MAX_LISTS} are allowed")
    digests: list[bytes] = []
    for _ in range(lists):
        count = reader.integer(4)
        slots = [(reader.integer(2), reader.take(_MAX_DIGEST)) for _ in range(_LIST_SLOTS)]
        if count > _LIST_SLOTS or any(size > _MAX_DIGEST for size, _ in slots[:count]):
            raise MalformedError(_WHAT, f"a list of {count} digests, at most {_LIST_SLOTS} of 64 bytes are allowed")
        digests += [content[:size] for size, content in slots[:count]]
    return digests


def _parse_json(text: str) -> PcrValues:
    """Read ``{"0": "hex"}`` or ``{"sha256": {"0": "hex"}}``; nothing deeper is decoded, so nothing can nest."""
    if text.count("{") > _MAX_BRACES or "[" in text:
        raise MalformedError(_WHAT, "JSON of another shape than PCR values by bank and number")
    try:
        document = json.loads(text, object_pairs_hook=_distinct)
    except ValueError as error:
        raise MalformedError(_WHAT, "not JSON, or a name in it stands twice") from error
    values: PcrValues = {}
    for name, content in document.items():
        inner = content if isinstance(content, dict) else {name: content}
        for pcr, value in inner.items():
            match = _LINE.fullmatch(f"{pcr}:{value}") if isinstance(value, str) else None
            if match is None:
                raise MalformedError(_WHAT, f"no value of a PCR at {str(name)[:16]!r}")
            _add(values, bank=name if content is inner else None, pcr=int(match[1]), value=_unhex(match[2]))
    return _not_empty(values)


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _parse_lines(text: str) -> PcrValues:
    values: PcrValues = {}
    bank: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if heading := _HEADING.fullmatch(line):
            bank = heading[1]
        elif match := _LINE.fullmatch(line):
            _add(values, bank=bank, pcr=int(match[1]), value=_unhex(match[2]))
        elif line.strip():
            raise MalformedError(_WHAT, f"line {number} is neither a bank nor a PCR and its value")
    return _not_empty(values)


def _unhex(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise MalformedError(_WHAT, "a value of half a byte") from error


def _add(values: PcrValues, *, bank: str | None, pcr: int, value: bytes) -> None:
    name = bank or _BANKS_BY_SIZE.get(len(value), "")
    if name not in PCR_BANKS or len(value) != DIGEST_SIZES[PCR_BANKS[name]]:
        raise MalformedError(_WHAT, f"PCR {pcr} has {len(value)} bytes, which are no digest of bank {name[:16] or '?'}")
    if pcr >= PCRS or pcr in values.setdefault(name, {}):
        raise MalformedError(_WHAT, f"PCR {pcr} of bank {name} stands twice, or there is none")
    values[name][pcr] = value


def _not_empty(values: PcrValues) -> PcrValues:
    if not values:
        raise MalformedError(_WHAT, "there are none")
    return values
