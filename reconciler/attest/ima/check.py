"""The appraisal of an IMA log: the log, a policy and quoted PCR values in, reasons and a state to go on from out.

1. The policy allows something, the bank can be replayed, and PCR 10 is quoted in it.
2. The log goes on from where the last appraisal ended, or is a whole one.
3. It parses.
4. A prefix of it replays to the quoted values; what comes after that is pending, and not looked at.
5. It begins with the boot aggregate, and that is made of the quoted PCRs.
6. Every entry of the prefix is allowed.

What is pending is proven by a later quote or never; whoever needs it proven asks again. The quote itself is not
checked here: ``values`` must come from one whose signature and digest hold, and ``state`` from the same boot.
Reasons are bounded, and so is the work on a log that gives many: after the last one listed, entries are only counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.attest.ima.entries import Judge
from reconciler.attest.ima.log import ImaLog, parse_ima_log
from reconciler.attest.ima.reference import ImaReference
from reconciler.attest.ima.replay import HASHES, IMA_PCR, Miss, Prefix, Rule, extended_digests, find_prefix, rules_for
from reconciler.attest.reader import MalformedError
from reconciler.attest.verdict import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ImaState:
    """Where an appraisal that found nothing wrong ended; good for one boot, one bank and one policy.

    ``entries`` and ``offset`` (in bytes) say how much of the log was appraised since the boot, ``values`` are the PCR
    values then, ``policy`` is the digest of the policy that allowed it. ``prefix_digest`` is the SHA-256 of those
    bytes; it is None if they did not come in one piece.
    """

    bank: str
    rule: Rule
    values: Mapping[int, bytes]
    entries: int
    offset: int
    prefix_digest: bytes | None
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImaResult:
    """What came of it: all ``reasons``, the numbers of entries covered and pending, and where to go on.

    ``state`` is None unless there are no reasons. ``covered`` counts from the boot on, earlier appraisals included.
    """

    reasons: tuple[Reason, ...]
    covered: int = 0
    pending: int = 0
    rule: Rule | None = None
    state: ImaState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begin:
    """Where in the bytes at hand the entries begin that are to be appraised, and what came before them."""

    at: int = 0
    before: ImaState | None = None
    is_tail: bool = False

    @property
    def entries(self) -> int:
        """Return how many entries were appraised before."""
        return self.before.entries if self.before is not None else 0

    @property
    def skipped(self) -> int:
        """Return how many bytes of the log are not at hand."""
        return self.before.offset if self.before is not None and self.is_tail else 0


def check_ima(  # noqa: PLR0913 - what is judged, by what, and where it goes on are each their own thing
    data: bytes,
    *,
    reference: ImaReference,
    values: Mapping[str, Mapping[int, bytes]],
    bank: str = "sha256",
    state: ImaState | None = None,
    is_tail: bool = False,
) -> ImaResult:
    """Appraise the log ``data`` against the quoted ``values`` (by bank and PCR) and say all that is wrong with it.

    With ``state`` the entries appraised before are not looked at again. ``data`` is then the whole log, whose
    beginning is compared with the state's, or with ``is_tail`` only what came after it. A whole log is appraised from
    its beginning where the state is of another policy or bank.
    """
    quoted = values.get(bank, {})
    # 1. What can be appraised at all.
    reasons = list(_check_terms(reference, bank=bank, quoted=quoted))
    # 2. Where it begins.
    begin = _begin(data, reference=reference, bank=bank, state=state, is_tail=is_tail)
    if isinstance(begin, Reason):
        return ImaResult(reasons=(*reasons, begin))
    # 3. The log.
    try:
        log = parse_ima_log(data, start=begin.at)
    except MalformedError as error:
        return ImaResult(reasons=(*reasons, Reason(code="ImaMalformed", message=str(error), bank=bank)))
    if bank not in HASHES or IMA_PCR not in quoted:
        return ImaResult(reasons=tuple(reasons), pending=len(log))
    # 4. The prefix that the quote covers.
    rule, prefix = _replay(log, begin=begin, quoted=quoted, bank=bank)
    if isinstance(prefix, Miss):
        return ImaResult(reasons=(*reasons, _mismatch(prefix, quoted=quoted, bank=bank)), pending=len(log))
    if rule is Rule.PADDED_SHA1 and not reference.policy.unsafe_allow_sha1:
        message = "the kernel extends SHA-1 padded with zeros, so that only SHA-1 speaks for the log"
        reasons.append(Reason(code="ImaWeakTemplates", message=message, pcr=IMA_PCR, bank=bank, found=rule.value))
    # 5. and 6. The boot aggregate and the entries.
    judge = Judge(log, reference=reference, values=values, bank=bank, first=begin.entries)
    reasons += judge.check(prefix.entries)
    covered = begin.entries + prefix.entries
    state = None
    if not reasons:
        end = log.ends[prefix.entries - 1] if prefix.entries else begin.at
        state = ImaState(
            bank=bank,
            rule=rule,
            values=prefix.values,
            entries=covered,
            offset=begin.skipped + end,
            prefix_digest=None if begin.is_tail else hashlib.sha256(memoryview(data)[:end]).digest(),
            policy=reference.digest,
        )
    pending = len(log) - prefix.entries
    return ImaResult(reasons=tuple(reasons), covered=covered, pending=pending, rule=rule, state=state)


def _check_terms(reference: ImaReference, *, bank: str, quoted: Mapping[int, bytes]) -> Iterator[Reason]:
    if reference.policy.is_empty:
        yield Reason(code="ImaPolicyEmpty", message="neither digests nor keys say what may be measured", bank=bank)
    if bank not in HASHES:
        message = f"a log cannot be replayed in the bank {bank}, only in one of {', '.join(HASHES)}"
        yield Reason(code="ImaBankUnsupported", message=message, bank=bank, expected=", ".join(HASHES), found=bank)
    elif IMA_PCR not in quoted:
        yield Reason(code="ImaPcrNotQuoted", message="PCR 10 is not quoted", pcr=IMA_PCR, bank=bank)


def _begin(
    data: bytes, *, reference: ImaReference, bank: str, state: ImaState | None, is_tail: bool
) -> _Begin | Reason:
    is_fresh = state is not None and (state.bank, state.policy) == (bank, reference.digest)
    if is_tail:
        if is_fresh:
            return _Begin(before=state, is_tail=True)
        message = "the log lacks its beginning, which was not appraised under this policy and bank"
        return Reason(code="ImaStateStale", message=message, pcr=IMA_PCR, bank=bank)
    if state is None or state.prefix_digest is None:
        return _Begin()
    # A log that is shorter than what was appraised has another digest, too.
    found = hashlib.sha256(memoryview(data)[: state.offset]).digest()
    if found != state.prefix_digest:
        return Reason(
            code="ImaPrefixChanged",
            message=f"the first {state.entries} entries are not the ones that were appraised",
            pcr=IMA_PCR,
            bank=bank,
            expected=state.prefix_digest.hex(),
            found=found.hex(),
        )
    return _Begin(at=state.offset, before=state) if is_fresh else _Begin()


def _replay(log: ImaLog, *, begin: _Begin, quoted: Mapping[int, bytes], bank: str) -> tuple[Rule, Prefix | Miss]:
    """Return the rule that the log replays by, and the prefix; if it does not, what comes of the stronger rule."""
    before = begin.before
    found: list[tuple[Rule, Prefix | Miss]] = []
    for rule in rules_for(bank) if before is None else (before.rule,):
        digests = extended_digests(log, bank=bank, rule=rule)
        start = {} if before is None else before.values
        found.append((rule, find_prefix(log, digests=digests, start=start, quoted=quoted, bank=bank)))
        if isinstance(found[-1][1], Prefix):
            return found[-1]
    return found[0]


def _mismatch(miss: Miss, *, quoted: Mapping[int, bytes], bank: str) -> Reason:
    return Reason(
        code="ImaReplayMismatch",
        message=f"PCR {miss.pcr}: no prefix of the log leads to the quoted value",
        pcr=miss.pcr,
        bank=bank,
        expected=miss.value.hex(),
        found=quoted[miss.pcr].hex(),
    )
