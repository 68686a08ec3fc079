"""IMA logs as the kernel gives them out: binary or ascii, any template, the template hashes of any bank.

A log is kept in columns, not in objects: it may have a million entries. Each entry is kept as the bytes that were
hashed for it (``datas``); what they say is read by ``templates.decode``, and only where it matters. Bounded by the
log's own size: no length is used before it is compared with what is left.

Integers are little-endian, which is the byte order of every machine that Ringfence boots, and that of
``ima_canonical_fmt``. In the ascii form a name that holds a newline cannot be told from the end of its entry; such a
log is malformed or does not replay, and the binary one is what to send. An ascii entry of a template other than those
whose fields are shown (see ``_ASCII``) cannot be hashed again, and is refused.

Source: Linux, security/integrity/ima/ima_fs.c, ima_measurements_show and ima_ascii_measurements_show.
"""

from __future__ import annotations

import re
from binascii import Error, unhexlify
from dataclasses import dataclass, field
from struct import Struct
from typing import Literal

from reconciler.attest.ima.templates import (
    LEGACY,
    LEGACY_DIGEST,
    LEGACY_NAME,
    WHAT,
    Entry,
    decode,
    fields_of,
    join,
    join_legacy,
)
from reconciler.attest.reader import MalformedError

MAX_LOG = 1 << 28
"""Longer logs are refused unread; counted in bytes."""

MAX_DATA = 1 << 20
"""The most bytes that the template data of one entry may have."""

PCR_COUNT = 24

_HASH_SIZES = (20, 32, 48, 64)
_MAX_NAME = 128
_NAME = re.compile(rb"[a-z0-9|_-]+")
_U32 = Struct("<I")
_SPACE = 0x20


@dataclass(slots=True, kw_only=True)
class ImaLog:
    """A parsed log, in columns of equal length.

    ``hashes`` are the template hashes as the log states them, of ``hash_size`` bytes; one of zeros only marks a
    violation. ``templates`` are the templates' names. ``datas`` is what was hashed. ``ends`` are the offsets in the
    bytes parsed at which the entries end.
    """

    form: Literal["binary", "ascii"]
    hash_size: int
    pcrs: list[int] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    templates: list[bytes] = field(default_factory=list)
    datas: list[bytes] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.datas)

    @property
    def zero(self) -> bytes:
        """Return the template hash that marks a violation."""
        return bytes(self.hash_size)

    def entry(self, index: int) -> Entry | None:
        """Return what entry ``index`` says; None if its template is not known, MalformedError if it does not fit."""
        return decode(self.templates[index], self.datas[index])


def parse_ima_log(data: bytes, *, start: int = 0) -> ImaLog:
    """Return the entries of ``data`` from offset ``start`` on; MalformedError if they cannot be parsed."""
    if len(data) > MAX_LOG:
        raise MalformedError(WHAT, f"{len(data)} bytes long, at most {MAX_LOG} are allowed")
    # A binary log begins with the number of a PCR in four bytes; an ascii one with printable characters.
    if int.from_bytes(data[start : start + 4], "little") < PCR_COUNT:
        return _parse_binary(data, start=start)
    return _parse_ascii(data, start=start)


def _parse_binary(data: bytes, *, start: int) -> ImaLog:
    hash_size = _hash_size(data, start=start)
    log = ImaLog(form="binary", hash_size=hash_size)
    pcrs, hashes, templates, datas, ends = log.pcrs, log.hashes, log.templates, log.datas, log.ends
    at, end = start, len(data)
    template, head = b"ima-ng", Struct(f"<I{hash_size}sI6sI")
    while at < end:
        # Nearly all entries have the template of the one before, so that their heads have one known size.
        if at + head.size <= end:
            pcr, stated, length, name, size = head.unpack_from(data, at)
            if name == template and length == len(template):
                begin = at + head.size
                at = begin + size
                if at > end or size > MAX_DATA or pcr >= PCR_COUNT:
                    raise _cut_off(len(datas))
                pcrs.append(pcr)
                hashes.append(stated)
                templates.append(template)
                datas.append(data[begin:at])
                ends.append(at)
                continue
        at = _parse_odd(data, at, log=log)
        if log.templates[-1] != LEGACY:
            template = log.templates[-1]
            head = Struct(f"<I{hash_size}sI{len(template)}sI")
    return log


def _parse_odd(data: bytes, at: int, *, log: ImaLog) -> int:
    """Add the entry at ``at``, whatever its template, and return where it ends."""
    number = len(log)
    (pcr,) = _U32.unpack(_take(data, at, 4, entry=number))
    stated = _take(data, at + 4, log.hash_size, entry=number)
    at += 4 + log.hash_size
    name = _sized(data, at, limit=_MAX_NAME, entry=number)
    at += 4 + len(name)
    if pcr >= PCR_COUNT or not _NAME.fullmatch(name):
        raise MalformedError(WHAT, f"entry {number} has no such PCR, or no name of a template")
    if name == LEGACY:
        digest = _take(data, at, LEGACY_DIGEST, entry=number)
        path = _sized(data, at + LEGACY_DIGEST, limit=LEGACY_NAME, entry=number)
        at += LEGACY_DIGEST + 4 + len(path)
        content = join_legacy(digest, path)
    else:
        content = _sized(data, at, limit=MAX_DATA, entry=number)
        at += 4 + len(content)
    log.pcrs.append(pcr)
    log.hashes.append(stated)
    log.templates.append(name)
    log.datas.append(content)
    log.ends.append(at)
    return at


def _hash_size(data: bytes, *, start: int) -> int:
    """Return how long the template hashes are: the name of the first entry's template comes after one."""
    for size in _HASH_SIZES:
        at = start + 4 + size
        length = int.from_bytes(data[at : at + 4], "little")
        if 1 <= length <= _MAX_NAME and fields_of(data[at + 4 : at + 4 + length]) is not None:
            return size
    # Of an empty log it does not matter, and of an unknown template the oldest form is as good as any.
    return _HASH_SIZES[0]


def _take(data: bytes, at: int, size: int, *, entry: int) -> bytes:
    if at + size > len(data):
        raise _cut_off(entry)
    return data[at : at + size]


def _sized(data: bytes, at: int, *, limit: int, entry: int) -> bytes:
    (size,) = _U32.unpack(_take(data, at, 4, entry=entry))
    if size > limit:
        raise MalformedError(WHAT, f"entry {entry} has a part of {size} bytes, at most {limit} are allowed")
    return _take(data, at + 4, size, entry=entry)


def _cut_off(entry: int) -> MalformedError:
    return MalformedError(WHAT, f"entry {entry} is cut off, or has a length or a PCR that cannot be")


_HEX = rb"[0-9a-fA-F]"
_LINE = re.compile(
    rb" ?([0-9]{1,2}) (%b{40}|%b{64}|%b{96}|%b{128}) ([a-z0-9|_-]{1,128}) (.*)" % (_HEX, _HEX, _HEX, _HEX), re.DOTALL
)
_COMMON = re.compile(
    rb"( ?[0-9]{1,2} )%b+( (ima-ng|ima-sig) ([a-z0-9_-]{1,32}:))((?:%b%b)+) .+" % (_HEX, _HEX, _HEX), re.DOTALL
)
_ASCII = frozenset({"d", "n", "d-ng", "d-ngv2", "n-ng", "sig", "buf", "d-modsig", "modsig"})
"""The fields that the ascii form shows so that they can be hashed again."""


def _parse_ascii(data: bytes, *, start: int) -> ImaLog:
    lines = data[start:].split(b"\n")
    if lines.pop():
        raise _bad_line(len(lines))  # The kernel ends each line, so the last one is cut off.
    first = _LINE.fullmatch(lines[0])
    log = ImaLog(form="ascii", hash_size=_HASH_SIZES[0] if first is None else len(first[2]) // 2)
    pcrs, hashes, templates, datas, ends = log.pcrs, log.hashes, log.templates, log.datas, log.ends
    at, digits, pack = start, 2 * log.hash_size, _U32.pack
    lead, middle, usual, lead_pcr = b"", b"\n", b"", 0
    content_lead, content_tail, close = b"", b"", b""
    hash_at = hash_end = digest_at = digest_end = 0
    for line in lines:
        stated = b""
        # Nearly all lines are laid out like the one before: same PCR, template and algorithm, so the same columns.
        if line[:hash_at] == lead and line[hash_end:digest_at] == middle and b"\0" not in line:
            path = line[digest_end + 1 : len(line) - len(close)]
            if path and line[digest_end] == _SPACE and line.endswith(close):
                try:
                    digest, stated = unhexlify(line[digest_at:digest_end]), unhexlify(line[hash_at:hash_end])
                except Error:
                    stated = b""  # Its digest has another size, or is none: what follows finds out.
        if stated:
            pcr, template = lead_pcr, usual
            content = b"".join((content_lead, digest, pack(len(path) + 1), path, content_tail))
        else:
            pcr, stated, template, content = _parse_line(line, number=len(datas))
            layout = _COMMON.fullmatch(line)
            if layout is not None:
                lead, middle, usual, lead_pcr = layout[1], layout[2], layout[3], pcr
                hash_at, (hash_end, digest_at), digest_end = layout.end(1), layout.span(2), layout.end(5)
                content_lead = pack(len(layout[4]) + 1 + len(layout[5]) // 2) + layout[4] + b"\0"
                # A file without a signature ends in a space and, in what is hashed, in an empty field.
                close, content_tail = (b" ", b"\0" + bytes(4)) if usual == b"ima-sig" else (b"", b"\0")
        if pcr >= PCR_COUNT or 2 * len(stated) != digits or len(content) > MAX_DATA:
            raise _bad_line(len(datas))
        at += len(line) + 1
        pcrs.append(pcr)
        hashes.append(stated)
        templates.append(template)
        datas.append(content)
        ends.append(at)
    return log


def _parse_line(line: bytes, *, number: int) -> tuple[int, bytes, bytes, bytes]:
    match = _LINE.fullmatch(line)
    if match is None or b"\0" in line:
        raise _bad_line(number)
    template, rest = match[3], match[4]
    fields = fields_of(template)
    if fields is None or not _ASCII.issuperset(fields):
        raise MalformedError(WHAT, f"entry {number} has a template that can only be read from the binary log")
    # A name may hold spaces, nothing else may: what comes before the name and after it is cut off first.
    begin = next((place for place, name in enumerate(fields) if name in {"n", "n-ng"}), len(fields) - 1)
    shown = rest.split(b" ", begin)
    shown[-1:] = shown[-1].rsplit(b" ", len(fields) - 1 - begin)
    if len(shown) == begin + 1 and fields[begin + 1 :] == ("sig",):
        shown.append(b"")  # An editor took the space at the end of the line, after which there was no signature.
    if len(shown) != len(fields):
        raise _bad_line(number)
    values = [_value(name, text, number=number) for name, text in zip(fields, shown, strict=True)]
    content = join_legacy(values[0], values[1][:-1]) if template == LEGACY else join(values)
    return int(match[1]), unhexlify(match[2]), template, content


def _value(name: str, text: bytes, *, number: int) -> bytes:
    if name in {"n", "n-ng"}:
        return text + b"\0"
    algorithm, colon, digest = text.rpartition(b":")
    try:
        value = unhexlify(digest)
    except Error:
        raise _bad_line(number) from None
    return algorithm + b":\0" + value if colon else value


def _bad_line(number: int) -> MalformedError:
    return MalformedError(WHAT, f"entry {number} is not one line of an ascii log")
