"""The grammar of the firmware's PCRs, and the facts that their events prove.

An event's type is not measured, and often its data is not either. So a fact comes only
from an event whose digest was recomputed from its data, and nothing in PCR 0 to 7 may
have a type that is not known: else real events could be retyped to something ignored,
and forged ones appended. Only quoted PCRs are judged; the others prove nothing.

Source: TCG PC Client Platform Firmware Profile 1.06, 3.3.4 and 10.4; ATTESTATION.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from reconciler.attest.eventlog import events
from reconciler.attest.eventlog.log import Event, Replay
from reconciler.attest.eventlog.variables import GLOBAL, Variable, parse_variable
from reconciler.attest.reader import MalformedError
from reconciler.attest.verdict import Reason

_OF_DATA = frozenset(
    {events.SEPARATOR, events.EFI_ACTION, events.EFI_VARIABLE_DRIVER_CONFIG, events.EFI_VARIABLE_AUTHORITY}
)
_BOOT_VARIABLES = frozenset({events.EFI_VARIABLE_BOOT, events.EFI_VARIABLE_BOOT2})
_PASSED = bytes(4)
_FAILED = b"\xff" * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that a verified event of a quoted PCR proves, and where it stands."""

    value: bool
    pcr: int
    bank: str
    event: int


def check_grammar(replay: Replay, *, quoted: Collection[int], bank: str) -> Iterator[Reason]:
    """Yield what is wrong with the events of the firmware's quoted PCRs.

    1. The startup locality stands first and is one. 2. Types are known in their PCR. 3. Digests are those of the
    data where the specification says so. 4. Each PCR has one separator, and it says that the firmware went on
    normally. 5. PCR 7 measures each variable once, before its separator.
    """
    if 0 in quoted:
        for event in replay.misplaced_localities:
            message = "a startup locality that is misplaced, repeated or not one"
            yield _about(event, bank=bank, code="StartupLocalityInvalid", message=message)
    for pcr in sorted(set(events.FIRMWARE_PCRS) & set(quoted)):
        extended = replay.extended[pcr]
        for event in extended:
            yield from _check_event(event, bank=bank)
        yield from _check_separator(extended, pcr=pcr, bank=bank)
    if events.SECURE_BOOT_PCR in quoted:
        yield from _check_variables(replay.extended[events.SECURE_BOOT_PCR], bank=bank)


def find_secure_boot(replay: Replay, *, bank: str) -> Fact | None:
    """Return whether Secure Boot is on, if exactly one verified event of PCR 7 says so; PCR 7 must be quoted."""
    facts = [
        Fact(value=variable.content == b"\x01", pcr=event.pcr, bank=bank, event=event.index)
        for event, variable in _configuration(replay.extended[events.SECURE_BOOT_PCR])
        if (variable.vendor, variable.name) == (GLOBAL, "SecureBoot") and variable.content in {b"\0", b"\x01"}
    ]
    return facts[0] if len(facts) == 1 else None


def _check_event(event: Event, *, bank: str) -> Iterator[Reason]:
    if not events.may_be_in(event.pcr, event_type=event.type):
        message = "an event of a type that is not known in this PCR"
        yield _about(event, bank=bank, code="UnknownEventType", message=message)
    if event.type in _OF_DATA and not event.is_verified:
        yield _not_of_data(event, bank=bank)
    if event.type in _BOOT_VARIABLES and not event.is_verified and not _is_of_content(event):
        yield _not_of_data(event, bank=bank)


def _is_of_content(event: Event) -> bool:
    # EDK II hashes a boot variable's content only; the profile left it open until EV_EFI_VARIABLE_BOOT2.
    try:
        content = parse_variable(event.data).content
    except MalformedError:
        return False
    return hashlib.sha256(content).digest() == event.digest


def _check_separator(extended: Sequence[Event], *, pcr: int, bank: str) -> Iterator[Reason]:
    separators = [event for event in extended if event.type == events.SEPARATOR]
    if not separators:
        message = f"PCR {pcr} has no separator: the firmware did not hand over in order"
        yield Reason(code="SeparatorMissing", message=message, pcr=pcr, bank=bank)
    for event in separators[1:]:
        yield _about(event, bank=bank, code="SeparatorRepeated", message="a second separator")
    for event in separators:
        if event.data != _PASSED:
            message = "the firmware reports an error" if event.data == _FAILED else "a separator with unknown content"
            yield Reason(
                code="SeparatorInvalid",
                message=message,
                pcr=pcr,
                bank=bank,
                event=event.index,
                event_type=event.type_name,
                expected=_PASSED.hex(),
                found=event.data[:16].hex(),
            )


def _configuration(extended: Sequence[Event]) -> Iterator[tuple[Event, Variable]]:
    for event in extended:
        if event.type == events.EFI_VARIABLE_DRIVER_CONFIG and event.is_verified:
            try:
                yield event, parse_variable(event.data)
            except MalformedError:
                continue


def _check_variables(extended: Sequence[Event], *, bank: str) -> Iterator[Reason]:
    parsed = {event.index: variable for event, variable in _configuration(extended)}
    seen = set()
    is_separated = False
    for event in extended:
        is_separated = is_separated or event.type == events.SEPARATOR
        if event.type != events.EFI_VARIABLE_DRIVER_CONFIG:
            continue
        if is_separated:
            message = "a Secure Boot variable after the separator"
            yield _about(event, bank=bank, code="VariableAfterSeparator", message=message)
        variable = parsed.get(event.index)
        if variable is None:
            if event.is_verified:
                message = "a Secure Boot variable that cannot be parsed"
                yield _about(event, bank=bank, code="VariableMalformed", message=message)
            continue
        identity = (variable.vendor, variable.name)
        if identity in seen:
            yield _about(event, bank=bank, code="VariableRepeated", message=f"{variable.name!r} is measured twice")
        seen.add(identity)


def _not_of_data(event: Event, *, bank: str) -> Reason:
    return Reason(
        code="DigestNotOfData",
        message="the event's digest is not that of its data",
        pcr=event.pcr,
        bank=bank,
        event=event.index,
        event_type=event.type_name,
        expected=hashlib.sha256(event.data).hexdigest(),
        found=event.digest.hex(),
    )


def _about(event: Event, *, bank: str, code: str, message: str) -> Reason:
    return Reason(code=code, message=message, pcr=event.pcr, bank=bank, event=event.index, event_type=event.type_name)
