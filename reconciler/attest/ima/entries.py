"""Whether each entry of a replayed log is allowed, in the order of the log.

Most entries are found among the reference's accepted bytes at once. The others are judged by what they say: a digest
that the policy names for the path, an exclusion of the path, a signature by a key that the policy names. A signature
is checked last, and once for each signature and digest, so that a log cannot ask for more checks than it has reasons
or signed files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.attest.ima.aggregate import NAME, check_boot_aggregate
from reconciler.attest.ima.log import ImaLog
from reconciler.attest.ima.reference import NO_SIGNATURE, ImaReference, is_weak, named
from reconciler.attest.ima.replay import HASHES
from reconciler.attest.ima.signatures import Flaw
from reconciler.attest.ima.templates import Entry
from reconciler.attest.reader import MalformedError
from reconciler.attest.verdict import Reason
from reconciler.model.ima import BootAggregate

MAX_REASONS = 100
"""At most this many entries are listed as refused, and one more reason says how many were left."""

_SHOWN = 4
_MAX_SHOWN = 256


def show(path: bytes) -> str:
    """Return ``path`` as text of printable characters, at most 256 of them; other bytes are escaped."""
    text = path.decode("utf-8", "backslashreplace")
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:_MAX_SHOWN])
    return text if len(text) < _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def is_violation(log: ImaLog, index: int) -> bool:
    """Return whether entry ``index`` marks a violation: nothing in it was measured, not even its name."""
    return log.hashes[index] == log.zero


class Judge:
    """Judges the entries of ``log``, of which the first has the number ``first`` since the boot."""

    __slots__ = ("_bank", "_checked", "_first", "_log", "_reference", "_values")

    def __init__(
        self,
        log: ImaLog,
        *,
        reference: ImaReference,
        values: Mapping[str, Mapping[int, bytes]],
        bank: str,
        first: int,
    ) -> None:
        """Judge by ``reference``; ``values`` are the quoted ones by bank and PCR, ``bank`` is the one replayed."""
        self._log = log
        self._reference = reference
        self._values = values
        self._bank = bank
        self._first = first
        self._checked: dict[tuple[bytes, str], Flaw | None] = {}

    def check(self, count: int) -> Iterator[Reason]:
        """Yield why the first ``count`` entries are not allowed: MAX_REASONS of them, and how many were left."""
        yield from self._check_pcrs(count)
        yield from self._check_first(count)
        suspects = self._suspects(count)
        given = 0
        for place, index in enumerate(suspects):
            if given == MAX_REASONS:
                left = len(suspects) - place
                message = f"{left} more entries were not looked at"
                yield Reason(code="ImaMoreReasons", message=message, bank=self._bank, found=str(left))
                return
            flaw = self._judge(index)
            if flaw is not None:
                given += 1
                yield self._reason(index, flaw)

    def _check_pcrs(self, count: int) -> Iterator[Reason]:
        quoted = self._values.get(self._bank, {})
        for pcr in sorted(set(self._log.pcrs[:count]) - quoted.keys()):
            flaw = Flaw(code="ImaPcrNotQuoted", message=f"PCR {pcr} was measured into, and is not quoted")
            yield self._reason(self._log.pcrs.index(pcr), flaw)

    def _check_first(self, count: int) -> Iterator[Reason]:
        if self._first:
            return
        if not count:
            message = "the quote covers no entry: IMA measured nothing, or the log is of another boot"
            yield Reason(code="BootAggregateMissing", message=message, bank=self._bank)
        elif self._requires_aggregate and (is_violation(self._log, 0) or not _is_aggregate(self._readable(0))):
            flaw = Flaw(code="BootAggregateMissing", message="the log does not begin with the boot aggregate")
            yield self._reason(0, flaw)

    @property
    def _requires_aggregate(self) -> bool:
        return self._reference.policy.boot_aggregate is BootAggregate.REQUIRED

    def _suspects(self, count: int) -> Sequence[int]:
        log, accepted, zero = self._log, self._reference.accepted, self._log.zero
        datas, hashes = log.datas, log.hashes
        if count < len(log):
            datas, hashes = datas[:count], hashes[:count]
        odd = [
            index
            for index, (stated, data) in enumerate(zip(hashes, datas, strict=True))
            if data not in accepted or stated == zero
        ]
        # An entry that could have a signature and has none ends in its length, zero.
        return [
            index
            for index in odd
            if hashes[index] == zero
            or not (datas[index].endswith(NO_SIGNATURE) and datas[index][: -len(NO_SIGNATURE)] in accepted)
        ]

    def _judge(self, index: int) -> Flaw | None:
        if is_violation(self._log, index):
            if self._reference.policy.unsafe_allow_violations:
                return None
            return Flaw(code="ImaViolation", message=f"changed while it was measured, as it says: {self._name(index)}")
        try:
            entry = self._log.entry(index)
        except MalformedError as error:
            return Flaw(code="ImaMalformed", message=str(error))
        if entry is None:
            return Flaw(code="ImaTemplateUnknown", message="the template is not known, or names no digest and path")
        return self._judge_entry(entry)

    def _judge_entry(self, entry: Entry) -> Flaw | None:
        if entry.buffer is not None:
            return self._judge_buffer(entry)
        if _is_aggregate(entry):
            return check_boot_aggregate(entry, values=self._values) if self._requires_aggregate else None
        expected = self._reference.file_digests(entry.path)
        if self._may_count(named(entry), expected) or self._reference.excluded.has(entry.path):
            return None
        flaw = None
        if entry.signature and self._reference.has_keys:
            flaw = self._check_signature(entry)
            if flaw is None:
                return None
        return self._refuse_file(entry, expected=expected, flaw=flaw)

    def _refuse_file(self, entry: Entry, *, expected: Sequence[str], flaw: Flaw | None) -> Flaw:
        path, digest = show(entry.path), named(entry)
        if digest in expected:
            return Flaw(code="ImaDigestWeak", message=f"the digest of {path} is by SHA-1", found=digest)
        if expected:
            message = f"{path} has another digest than the policy names"
            return Flaw(code="ImaDigestMismatch", message=message, expected=_some(expected), found=digest)
        if flaw is not None:
            message = f"{path}: {flaw.message}"
            return Flaw(code=flaw.code, message=message, expected=flaw.expected, found=flaw.found)
        return Flaw(code="ImaUnknownFile", message=f"{path} is not in the policy", found=digest)

    def _may_count(self, digest: str, expected: Sequence[str]) -> bool:
        return digest in expected and (self._reference.policy.unsafe_allow_sha1 or not is_weak(digest))

    def _check_signature(self, entry: Entry) -> Flaw | None:
        key = (entry.signature, named(entry))
        if key not in self._checked:
            allow_sha1 = self._reference.policy.unsafe_allow_sha1
            self._checked[key] = self._reference.keyring.check(entry, allow_sha1=allow_sha1)
        return self._checked[key]

    def _judge_buffer(self, entry: Entry) -> Flaw | None:
        reference = self._reference
        digest, expected, name = named(entry), reference.buffer_digests(entry.path), show(entry.path)
        if entry.algorithm in HASHES and HASHES[entry.algorithm](entry.buffer or b"").digest() != entry.digest:
            message = f"the digest of the buffer {name} is not that of its content"
            return Flaw(code="ImaDigestMismatch", message=message, found=digest)
        if reference.ignores(entry.path) or self._may_count(digest, expected):
            return None
        if digest in expected:
            return Flaw(code="ImaDigestWeak", message=f"the digest of the buffer {name} is by SHA-1", found=digest)
        message = f"the buffer {name} is not one that the policy allows"
        return Flaw(code="ImaUnknownBuffer", message=message, expected=_some(expected) or None, found=digest)

    def _name(self, index: int) -> str:
        entry = self._readable(index)
        return "nothing that can be read" if entry is None else show(entry.path)

    def _readable(self, index: int) -> Entry | None:
        try:
            return self._log.entry(index)
        except MalformedError:
            return None

    def _reason(self, index: int, flaw: Flaw) -> Reason:
        return Reason(
            code=flaw.code,
            message=flaw.message,
            pcr=self._log.pcrs[index],
            bank=self._bank,
            event=self._first + index,
            event_type=self._log.templates[index].decode("latin-1"),
            expected=flaw.expected,
            found=flaw.found,
        )


def _is_aggregate(entry: Entry | None) -> bool:
    return entry is not None and entry.buffer is None and entry.path == NAME


def _some(digests: Sequence[str]) -> str:
    listed = ", ".join(digests[:_SHOWN])
    return listed if len(digests) <= _SHOWN else f"{listed}, and {len(digests) - _SHOWN} more"
