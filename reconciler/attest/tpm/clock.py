"""The TPM's clock: which boot a quote comes from, and that time only went forward.

Check 9 of a quote. It compares with the last accepted quote of the same node; without
one, only the clock's own word that it is safe is left.

Source: TPM 2.0 Part 1, 36.3 (clock, reset count, restart count, safe).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from reconciler.attest.tpm.attestation import Quote
from reconciler.attest.verdict import Reason
from reconciler.model.submission import BootClock

_CLOCK = struct.Struct(">QIIBQ")
CLOCK_SIZE = _CLOCK.size
"""The size of a TPMS_CLOCK_INFO with the firmware's version after it, as they stand in a TPMS_ATTEST."""


def is_later(message: bytes, at: int, after: BootClock) -> bool:
    """Return whether the clock ``at`` that place of ``message`` is safe, of the same boot and firmware, and later.

    It is what ``check_clock`` has nothing against for a member, without taking the time to say why.
    """
    clock, reset_count, restart_count, safe, firmware_version = _CLOCK.unpack_from(message, at)
    later: bool = (
        safe == 1
        and clock > after.clock
        and reset_count == after.reset_count
        and restart_count == after.restart_count
        and firmware_version == after.firmware_version
    )
    return later


def is_wellformed(message: bytes, at: int) -> bool:
    """Return whether the clock ``at`` that place of ``message`` says plainly that it is safe, or that it is not."""
    safe: int = _CLOCK.unpack_from(message, at)[3]
    return safe <= 1


def check_clock(quote: Quote, *, previous: BootClock | None, must_be_same_boot: bool) -> Iterator[Reason]:
    """Yield what speaks against the quote's clock.

    1. The TPM vouches that the clock never ran backwards. 2. Its firmware is the one last accepted.
    3. Nothing falls. 4. A join comes from a boot after the last accepted one; a member's is the very same boot,
    at a later time.
    """
    now = quote.clock
    if not quote.is_safe:
        yield Reason(
            code="ClockNotSafe", message="the TPM does not vouch for its clock", expected="safe", found="unsafe"
        )
    if previous is None:
        if must_be_same_boot:
            yield Reason(code="NoEarlierBoot", message="a member without an earlier accepted quote")
        return
    if now.firmware_version != previous.firmware_version:
        yield Reason(
            code="TpmFirmwareChanged",
            message="the TPM's firmware is not the one last accepted",
            expected=f"{previous.firmware_version:016x}",
            found=f"{now.firmware_version:016x}",
        )
    code, message = _judge(now, previous=previous, must_be_same_boot=must_be_same_boot)
    if code:
        yield Reason(code=code, message=message, expected=f"after {_describe(previous)}", found=_describe(now))


def _judge(now: BootClock, *, previous: BootClock, must_be_same_boot: bool) -> tuple[str, str]:
    counts, before = (now.reset_count, now.restart_count), (previous.reset_count, previous.restart_count)
    if counts < before:
        return "ClockFellBack", "the TPM's reset or restart count fell"
    if counts == before and now.clock <= previous.clock:
        return "ClockFellBack", "the TPM's clock did not move forward within one boot"
    if must_be_same_boot and now.reset_count != previous.reset_count:
        return "BootLost", "the machine was reset since its last accepted quote"
    if must_be_same_boot and counts != before:
        return "Resumed", "the machine slept since its last accepted quote"
    if not must_be_same_boot and now.reset_count == previous.reset_count:
        return "NotRebooted", "the machine was not reset since its last accepted quote"
    return "", ""


def _describe(clock: BootClock) -> str:
    return f"reset {clock.reset_count}, restart {clock.restart_count}, clock {clock.clock} ms"
