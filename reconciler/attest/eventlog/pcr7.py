"""The rules of PCR 7: what the Secure Boot configuration was, and by which authority images started.

Every event here is tied to its data by its digest, and every type has a form of its own,
so no event can be passed off as one of another type: an action is one of two texts, a
separator is four bytes, configuration and authorities are variables. An authority that
names a variable of the configuration is refused, and so is configuration after the
separator. Which keys and authorities are good is a policy's business, not judged here.

Source: TCG PC Client Platform Firmware Profile 1.06, 3.3.4.8 and 10.4; ATTESTATION.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from reconciler.attest.eventlog import events
from reconciler.attest.eventlog.banks import digest_of
from reconciler.attest.eventlog.record import Event
from reconciler.attest.eventlog.variables import GLOBAL, SHIM, Variable, parse_variable, split_variable
from reconciler.attest.eventlog.workarounds import Finding
from reconciler.attest.reader import MalformedError
from reconciler.attest.verdict import Reason

CONFIGURATION = frozenset({events.EFI_VARIABLE_DRIVER_CONFIG, events.EFI_SPDM_DEVICE_POLICY})
AUTHORITIES = frozenset({events.EFI_VARIABLE_AUTHORITY, events.EFI_SPDM_DEVICE_AUTHORITY})

_NEVER_AN_AUTHORITY = frozenset({"SecureBoot", "PK", "KEK", "SetupMode", "AuditMode", "DeployedMode"})
_SWITCH = frozenset({b"\0", b"\1", b""})
_MAX_SHIM_SURPLUS = 8


def find_faults(extended: Sequence[Event], *, bank: str) -> Iterator[Finding]:
    """Yield what is wrong with the variables of PCR 7; digests and separators are judged elsewhere.

    1. A variable can be parsed. 2. Configuration stands before the separator, each variable once. 3. SecureBoot is one
    byte, 0 or 1; firmware that does not have it measures it as empty, which proves nothing. 4. An authority names no
    variable of the configuration.
    """
    seen: set[tuple[UUID, str]] = set()
    is_separated = False
    for event in extended:
        is_separated = is_separated or event.type == events.SEPARATOR
        if event.type in CONFIGURATION:
            if is_separated:
                message = "a Secure Boot variable after the separator"
                yield _about(event, bank=bank, code="VariableAfterSeparator", message=message)
            yield from _check_configuration(event, bank=bank, seen=seen)
        elif event.type in AUTHORITIES:
            yield from _check_authority(event, bank=bank)


def is_shims(event: Event) -> bool:
    """Return whether ``event`` is shim's odd authority event, and its digest is that of all its data but one byte.

    It has a bare certificate where one with an owner should be, some zero bytes more than it says, and a last byte
    that was not hashed. What the digest covers is checked all the same.
    """
    if event.type != events.EFI_VARIABLE_AUTHORITY or digest_of(event.data[:-1], bank=event.bank) != event.digest:
        return False
    try:
        variable, surplus = split_variable(event.data)
    except MalformedError:
        return False
    return variable.vendor == SHIM and 0 < len(surplus) <= _MAX_SHIM_SURPLUS and not any(surplus[:-1])


def _check_configuration(event: Event, *, bank: str, seen: set[tuple[UUID, str]]) -> Iterator[Finding]:
    variable = _variable_of(event)
    if variable is None:
        if event.is_verified:
            message = "a Secure Boot variable that cannot be parsed"
            yield _about(event, bank=bank, code="VariableMalformed", message=message)
        return
    identity = (variable.vendor, variable.name)
    if identity in seen:
        message = f"{variable.name!r} is measured twice"
        yield _about(event, bank=bank, code="VariableRepeated", message=message)
    seen.add(identity)
    if identity == (GLOBAL, "SecureBoot") and variable.content not in _SWITCH:
        message = "SecureBoot is not one byte of 0 or 1"
        yield _about(event, bank=bank, code="VariableMalformed", message=message)


def _check_authority(event: Event, *, bank: str) -> Iterator[Finding]:
    if not event.is_verified:
        return  # Either shim's or not of its data: that is a finding about digests.
    variable = _variable_of(event)
    if variable is None:
        message = "an authority's event that cannot be parsed"
        yield _about(event, bank=bank, code="VariableMalformed", message=message)
    elif variable.vendor == GLOBAL and variable.name in _NEVER_AN_AUTHORITY:
        message = f"{variable.name!r} is configuration, and is measured as an authority"
        yield _about(event, bank=bank, code="VariableMisplaced", message=message)


def _variable_of(event: Event) -> Variable | None:
    try:
        return parse_variable(event.data) if event.is_verified else None
    except MalformedError:
        return None


def _about(event: Event, *, bank: str, code: str, message: str) -> Finding:
    reason = Reason(code=code, message=message, pcr=event.pcr, bank=bank, event=event.index, event_type=event.type_name)
    return Finding(reason=reason)
