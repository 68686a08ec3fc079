"""The grammar of the firmware's PCRs, and the facts that their events prove.

An event's type is not measured, and often its data is not either. So a fact comes only
from an event whose digest was recomputed from its data, and nothing in PCR 0 to 7 may
have a type that is not known: else real events could be retyped to something ignored,
and forged ones appended. A separator is known by its digest, whatever its type says, so
that nothing can move to its other side. Only quoted PCRs are judged; the others prove
nothing. Firmware that is no UEFI (coreboot, Heads) keeps to other rules, not to these.

Source: TCG PC Client Platform Firmware Profile 1.06, 3.3.4 and 10.4; ATTESTATION.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from reconciler.attest.eventlog import events, pcr7
from reconciler.attest.eventlog.banks import digest_of
from reconciler.attest.eventlog.record import Event
from reconciler.attest.eventlog.replay import Replay
from reconciler.attest.eventlog.variables import parse_variable
from reconciler.attest.eventlog.workarounds import Finding, reasons_of
from reconciler.attest.reader import MalformedError
from reconciler.attest.verdict import Reason
from reconciler.model.policy import Workaround

_OF_DATA = frozenset(
    {
        events.SEPARATOR,
        events.EFI_ACTION,
        events.S_CRTM_VERSION,
        events.EFI_VARIABLE_DRIVER_CONFIG,
        events.EFI_VARIABLE_AUTHORITY,
        events.EFI_VARIABLE_BOOT2,
        events.EFI_GPT_EVENT,
        events.EFI_GPT_EVENT2,
        events.EFI_SPDM_DEVICE_POLICY,
        events.EFI_SPDM_DEVICE_AUTHORITY,
    }
)
_SHORT_IN_BOOT = frozenset({events.ACTION, events.COMPACT_HASH, events.OMIT_BOOT_DEVICE_EVENTS})
_PASSED = bytes(4)
_FAILED = b"\xff" * 4
_MAX_ACTION = 256


def check_grammar(
    replay: Replay, *, quoted: Collection[int], bank: str, allowed: Collection[Workaround] = ()
) -> Iterator[Reason]:
    """Yield what is wrong with the events of the firmware's quoted PCRs, and no ``allowed`` workaround excuses.

    1. The startup locality stands first and is one. 2. Types are known in their PCR. 3. Digests are those of the
    data where the specification says so, and actions are texts. 4. Each PCR has one separator, which says that the
    firmware went on normally. 5. PCR 7 measures each variable once, before its separator, and authorities as such.
    """
    return reasons_of(find_faults(replay, quoted=quoted, bank=bank), allowed=allowed)


def find_faults(replay: Replay, *, quoted: Collection[int], bank: str) -> Iterator[Finding]:
    """Yield what check_grammar finds, with the workaround that would excuse it."""
    if 0 in quoted:
        for event in replay.misplaced_localities:
            message = "a startup locality that is misplaced, repeated or not one"
            yield _about(event, bank=bank, code="StartupLocalityInvalid", message=message)
    for pcr in sorted(set(events.FIRMWARE_PCRS) & set(quoted)):
        extended = replay.extended[pcr]
        for event in extended:
            yield from _check_event(event, bank=bank)
        yield from _check_separators(extended, bank=bank)
        if not _separators(extended):
            message = f"PCR {pcr} has no separator: the firmware did not hand over in order"
            reason = Reason(code="SeparatorMissing", message=message, pcr=pcr, bank=bank)
            is_alone = _is_separated_in_7_only(replay)
            yield Finding(reason=reason, excuse=Workaround.SEPARATOR_IN_PCR_7_ONLY if is_alone else None)
    if events.SECURE_BOOT_PCR in quoted:
        yield from pcr7.find_faults(replay.extended[events.SECURE_BOOT_PCR], bank=bank)


def _check_event(event: Event, *, bank: str) -> Iterator[Finding]:
    if not events.may_be_in(event.pcr, event_type=event.type):
        message = "an event of a type that is not known in this PCR"
        yield _about(event, bank=bank, code="UnknownEventType", message=message)
    if event.type in _OF_DATA and not event.is_verified:
        yield _not_of_data(event, bank=bank, excuse=Workaround.SHIM_AUTHORITY if pcr7.is_shims(event) else None)
    if event.type == events.EFI_VARIABLE_BOOT and not event.is_verified and not _is_of_content(event):
        yield _not_of_data(event, bank=bank)
    if event.pcr == events.BOOT_PCR and event.type in _SHORT_IN_BOOT and not _is_short(event):
        # Such an event could be an application that was retyped: what it stands for must be seen from its data.
        yield _not_of_data(event, bank=bank)
    if event.type == events.EFI_ACTION and event.is_verified and not _is_known_action(event):
        message = "an action that is not known in this PCR, or not a text"
        yield _about(event, bank=bank, code="ActionUnknown", message=message)


def _is_of_content(event: Event) -> bool:
    # EDK II hashes a boot variable's content only; the profile left it open until EV_EFI_VARIABLE_BOOT2.
    try:
        content = parse_variable(event.data).content
    except MalformedError:
        return False
    return digest_of(content, bank=event.bank) == event.digest


def _is_short(event: Event) -> bool:
    return event.is_verified and (len(event.data) <= len(_PASSED) or _is_text(event.data))


def _is_text(data: bytes) -> bool:
    text = data.rstrip(b"\0")
    return len(data) <= _MAX_ACTION and text.isascii() and text.decode("ascii").isprintable()


def _is_known_action(event: Event) -> bool:
    if event.pcr == events.SECURE_BOOT_PCR:
        return event.data.rstrip(b"\0") in events.SECURE_BOOT_ACTIONS
    return _is_text(event.data)


def _separators(extended: Sequence[Event]) -> Sequence[Event]:
    return [event for event in extended if event.type == events.SEPARATOR]


def _is_separated_in_7_only(replay: Replay) -> bool:
    separated = [pcr for pcr in events.FIRMWARE_PCRS if _separators(replay.extended[pcr])]
    return separated == [events.SECURE_BOOT_PCR]


def _check_separators(extended: Sequence[Event], *, bank: str) -> Iterator[Finding]:
    ends = {digest_of(_PASSED, bank=bank), digest_of(_FAILED, bank=bank)}
    separators = _separators(extended)
    for event in extended:
        if event.digest in ends and event.type != events.SEPARATOR:
            message = "the digest is a separator's, and the type says something else"
            yield _about(event, bank=bank, code="SeparatorDisguised", message=message)
    for event in separators[1:]:
        excuse = Workaround.DUPLICATE_SEPARATOR if event.data == _PASSED and event.is_verified else None
        message = "a second separator"
        yield _about(event, bank=bank, code="SeparatorRepeated", message=message, excuse=excuse)
    for event in separators:
        if event.data != _PASSED:
            message = "the firmware reports an error" if event.data == _FAILED else "a separator with unknown content"
            reason = Reason(
                code="SeparatorInvalid",
                message=message,
                pcr=event.pcr,
                bank=bank,
                event=event.index,
                event_type=event.type_name,
                expected=_PASSED.hex(),
                found=event.data[:16].hex(),
            )
            yield Finding(reason=reason)


def _not_of_data(event: Event, *, bank: str, excuse: Workaround | None = None) -> Finding:
    reason = Reason(
        code="DigestNotOfData",
        message="the event's digest is not that of its data",
        pcr=event.pcr,
        bank=bank,
        event=event.index,
        event_type=event.type_name,
        expected=digest_of(event.data, bank=bank).hex(),
        found=event.digest.hex(),
    )
    return Finding(reason=reason, excuse=excuse)


def _about(event: Event, *, bank: str, code: str, message: str, excuse: Workaround | None = None) -> Finding:
    reason = Reason(code=code, message=message, pcr=event.pcr, bank=bank, event=event.index, event_type=event.type_name)
    return Finding(reason=reason, excuse=excuse)
