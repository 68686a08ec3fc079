"""How a software TPM tells each of its lies: good evidence with one thing changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import rsa

from reconciler.model.submission import Evidence
from tests.support import firmware, softkeys
from tests.support.firmware import EV_IPL, LogEvent, change_digest

if TYPE_CHECKING:
    from tests.support.softtpm import Challenge, Lie, SoftTpm

    Telling = Callable[[SoftTpm, Challenge], Evidence]

GARBAGE = b"\xff\xfe garbage \x00" * 7


def flip(data: bytes, index: int, *, bit: int = 0) -> bytes:
    """Return ``data`` with one bit of byte ``index`` (which may be negative) flipped."""
    at = index % len(data)
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def tell(tpm: SoftTpm, asked: Challenge, lie: Lie) -> Evidence:
    """Return the evidence of ``tpm`` for ``asked``, true in everything but ``lie``."""
    return _TELLINGS[lie.name](tpm, asked)


def _quoted_for(**changes: object) -> Telling:
    changed: dict[str, Any] = dict(changes)
    return lambda tpm, asked: tpm.honest(asked, quoted_for=replace(asked, **changed))


def _with(change: Callable[[SoftTpm, Evidence], Mapping[str, object]]) -> Telling:
    def telling(tpm: SoftTpm, asked: Challenge) -> Evidence:
        good = tpm.honest(asked)
        changes: dict[str, Any] = dict(change(tpm, good))
        return replace(good, **changes)

    return telling


def _fewer_pcrs(tpm: SoftTpm, asked: Challenge) -> Evidence:
    return tpm.honest(asked, quoted_for=replace(asked, pcrs=[pcr for pcr in asked.pcrs if pcr != 4]))


def _stranger(tpm: SoftTpm, asked: Challenge) -> Evidence:
    other = type(tpm)(f"{tpm.name}-stranger", manufacturer=tpm.manufacturer)
    other.reset_count, other.clock, other.events, other.pcrs = tpm.reset_count, tpm.clock, tpm.events, tpm.pcrs
    return other.honest(asked)


def _forged_ek(tpm: SoftTpm, good: Evidence) -> Mapping[str, object]:
    del good
    kind = "rsa" if isinstance(tpm.ek, rsa.RSAPrivateKey) else "ecc"
    return {"ek_certificate": softkeys.ek_certificate(tpm.name, kind=kind, manufacturer="Nobody Knows Them")}


def _stale_clock(tpm: SoftTpm, asked: Challenge) -> Evidence:
    now = tpm.reset_count, tpm.restart_count, tpm.clock
    tpm.reset_count, tpm.restart_count, tpm.clock = 0, 0, 0
    stale = tpm.honest(asked)
    tpm.reset_count, tpm.restart_count, tpm.clock = now
    return stale


def _unsafe_clock(tpm: SoftTpm, asked: Challenge) -> Evidence:
    tpm.safe = False
    unsafe = tpm.honest(asked)
    tpm.safe = True
    return unsafe


def _not_a_quote(tpm: SoftTpm, good: Evidence) -> Mapping[str, object]:
    timed = flip(good.quote, 5)  # 0x8018, a quote, becomes 0x8019, a time.
    return {"quote": timed, "signature": tpm.sign(timed, tpm.ak)}


def _relabelled(tpm: SoftTpm, good: Evidence) -> Mapping[str, object]:
    del tpm
    values = list(good.pcrs.values())
    return {"pcrs": dict(zip(good.pcrs, values[1:] + values[:1], strict=True))}


def _log(change: Callable[[list[LogEvent]], list[LogEvent]]) -> Telling:
    return _with(lambda tpm, _: {"event_log": firmware.encode(change(tpm.events))})


def _is_application(event: LogEvent) -> bool:
    return event.type == firmware.EV_EFI_BOOT_SERVICES_APPLICATION


def _changed(events: list[LogEvent]) -> list[LogEvent]:
    first = next(index for index, event in enumerate(events) if _is_application(event))
    return [*events[:first], change_digest(events[first]), *events[first + 1 :]]


def _retyped(events: list[LogEvent]) -> list[LogEvent]:
    return [replace(event, type=EV_IPL) if _is_application(event) else event for event in events]


def _dropped(events: list[LogEvent]) -> list[LogEvent]:
    last = max(index for index, event in enumerate(events) if event.pcr == 11)
    return events[:last] + events[last + 1 :]


def _garbage(tpm: SoftTpm, good: Evidence) -> Mapping[str, object]:
    del tpm
    parts = ("ek_certificate", "ak_public", "quote", "signature", "event_log")
    activation = replace(good.activation, returned=GARBAGE)
    return dict.fromkeys(parts, GARBAGE) | {"activation": activation, "pcrs": {4: b"short"}}


_TELLINGS: Mapping[str, Telling] = {
    "WRONG_NONCE": _quoted_for(nonce=b"\x99" * 32),
    "OTHER_NODE": _quoted_for(node="somebody-else"),
    "OTHER_ENCLAVE": _quoted_for(enclave="somewhere-else"),
    "OTHER_COMMIT": _quoted_for(commit="d" * 40),
    "OTHER_EPHEMERAL": _quoted_for(ephemeral="age1" + "p" * 58),
    "OTHER_AK": _with(lambda tpm, good: {"signature": tpm.sign(good.quote, softkeys.ec_key("some other key"))}),
    "STRANGER": _stranger,
    "FORGED_EK": _with(_forged_ek),
    "WRONG_CREDENTIAL": _with(
        lambda _, good: {"activation": replace(good.activation, returned=flip(good.activation.returned, 0))}
    ),
    "STALE_CLOCK": _stale_clock,
    "UNSAFE_CLOCK": _unsafe_clock,
    "FEWER_PCRS": _fewer_pcrs,
    "RELABELLED": _with(_relabelled),
    "CLAIMED_PCR": _with(lambda _, good: {"pcrs": {**good.pcrs, 4: flip(good.pcrs[4], 0)}}),
    "NOT_A_QUOTE": _with(_not_a_quote),
    "FLIPPED_QUOTE": _with(lambda _, good: {"quote": flip(good.quote, -1)}),
    "FLIPPED_SIGNATURE": _with(lambda _, good: {"signature": flip(good.signature, -1)}),
    "FLIPPED_CERTIFICATE": _with(
        lambda _, good: {"ek_certificate": flip(good.ek_certificate, len(good.ek_certificate) // 2)}
    ),
    "CHANGED_EVENT": _log(_changed),
    "RETYPED_EVENT": _log(_retyped),
    "DROPPED_EVENT": _log(_dropped),
    "EMPTY_LOG": _with(lambda *_: {"event_log": b""}),
    "GARBAGE": _with(_garbage),
}
