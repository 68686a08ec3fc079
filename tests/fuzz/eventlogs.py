"""The target of event logs: both formats, through replay, grammar, facts, inspection, descriptions and divergence."""

from __future__ import annotations

import struct
from dataclasses import replace
from random import Random

from reconciler.attest.eventlog.banks import SIZES
from reconciler.attest.eventlog.describe import MAX_DESCRIPTION, describe_event
from reconciler.attest.eventlog.divergence import divergences, first_divergence
from reconciler.attest.eventlog.events import NAMES as TYPES
from reconciler.attest.eventlog.grammar import check_grammar
from reconciler.attest.eventlog.inspection import inspect_log
from reconciler.attest.eventlog.log import EventLog, LogFormat, parse_log
from reconciler.attest.eventlog.measured import check_image, check_replay
from reconciler.attest.eventlog.record import Record
from reconciler.attest.eventlog.replay import Replay, replay
from reconciler.attest.facts.collect import collect_facts
from reconciler.attest.facts.document import facts_document, facts_text
from reconciler.attest.facts.suggest import suggest_assertions
from reconciler.attest.reader import MalformedError
from reconciler.model.families import Family, Overlay
from reconciler.model.policy import Workaround
from tests.fuzz.checks import codes, told
from tests.fuzz.harness import Target
from tests.fuzz.mutate import PLAIN, bounded, mutate, tokens
from tests.support import firmware, measured
from tests.support.eventlogs import AGILE, IDS, OLD, new, old, spec_id

IMAGE = firmware.measurements_of("image")
BOOT = [*firmware.firmware_events("firmware", secure_boot=True), *firmware.image_events(IMAGE)]
_SHIM = measured.SHIM
RICH = [
    firmware.hashed(0, 3, b"StartupLocality\0\3"),
    *BOOT[:2],
    firmware.hashed(7, 0x80000001, firmware.variable("SecureBoot", b"\1")),
    firmware.hashed(7, 0x80000001, firmware.variable("PK", measured.signature_list(measured.X509, b"a" * 300))),
    firmware.hashed(
        7,
        0x80000001,
        firmware.variable(
            "dbx", measured.signature_list(measured.SHA256, bytes(32), b"x" * 32), guid=firmware.SECURITY_DATABASE
        ),
    ),
    firmware.hashed(
        7,
        measured.EV_AUTHORITY,
        firmware.variable("db", measured.OWNER + measured.certificate("db"), guid=firmware.SECURITY_DATABASE),
    ),
    *(measured.separator(pcr) for pcr in range(8)),
    firmware.hashed(7, measured.EV_AUTHORITY, firmware.variable("SbatLevel", measured.SBAT, guid=_SHIM)),
    firmware.hashed(7, measured.EV_AUTHORITY, firmware.variable("MokListTrusted", b"\1", guid=_SHIM)),
    firmware.hashed(5, 0x80000006, measured.partition_table()),
    measured.blob(2, "driver", kind=measured.EV_DRIVER, data=measured.device_path("\\driver.efi")),
    measured.blob(4, "shim", kind=0x80000003, data=measured.device_path("\\EFI\\BOOT\\BOOTX64.EFI")),
    firmware.hashed(8, firmware.EV_IPL, b"grub_cmd: linux /vmlinuz root=/dev/sda1\0"),
    firmware.hashed(8, firmware.EV_IPL, b"kernel_cmdline: /vmlinuz root=/dev/sda1\0"),
    measured.blob(9, "vmlinuz", data=b"/vmlinuz\0"),
    firmware.hashed(12, firmware.EV_IPL, "quiet\0".encode("utf-16-le")),
    measured.blob(14, "MokList", data=b"MokList\0"),
    measured.blob(9, "tag", kind=6, data=struct.pack("<II", 0xEC223B8F, 4) + b"tag\0"),
    firmware.hashed(1, 0x8000000A, struct.pack("<B4sQQ", 4, b"blob", 1, 2)),
    firmware.hashed(1, 0x80000009, struct.pack("<Q16sQ", 1, _SHIM, 4096)),
]
LAUNCH = [measured.blob(pcr, f"launch {pcr}", kind=0x400 + pcr) for pcr in range(17, 23)]
SEEDS = (
    AGILE,
    OLD,
    firmware.encode(BOOT),
    firmware.encode(RICH),
    firmware.encode([*BOOT, *LAUNCH]),
    firmware.encode(BOOT) + b"\xff" * 64,
    spec_id("sha256", "sha1", vendor=b"vendor", uncounted=True) + new("sha256", "sha1"),
    b"".join(old(event.pcr, event.type, event.data) for event in RICH),
    b"".join(new("sha384", "sha256", pcr=event.pcr, kind=event.type, data=event.data) for event in RICH).join(
        [spec_id("sha384", "sha256"), b""]
    ),
    old(0, 0x10, b"\0" * 8) + old(2, 1, b"FMAP: COREBOOT CBFS: bootblock\0") + old(2, 1, b"CBFS: fallback/romstage\0"),
)
_GOOD = replay(parse_log(SEEDS[2]).bank("sha256"))
_VALUES = _GOOD.values
_WORDS = tokens(
    [
        b"Spec ID Event03\0", b"StartupLocality\0", b"EFI PART", measured.SHIM, firmware.GLOBAL, measured.X509,
        "SecureBoot".encode("utf-16-le"), b"\0\xd8", b"kernel_cmdline: ", b"grub_cmd: ", b"sbat,1,", b"\x7f\xff\4\0",
    ]
)  # fmt: skip
_SCOPES = (
    (Family.UEFI, tuple(Overlay)[:1]),
    (Family.COREBOOT, ()),
    (Family.HEADS, ()),
    (Family.LINUXBOOT, tuple(Overlay)[1:]),
)
_EVENTS = (*PLAIN, _WORDS)


def change_records(random: Random, data: bytes) -> bytes:
    """Change, move, repeat or drop records of a log, and give each changed one the digests that fit it."""
    try:
        log = parse_log(data)
    except MalformedError:
        return data
    records = list(log.records[log.format is LogFormat.CRYPTO_AGILE :])
    if not records:
        return data
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(records))
        kind = random.randrange(6)
        if kind <= 1:
            records[at] = replace(records[at], data=mutate(random, records[at].data, _EVENTS))
        elif kind == 2:
            records[at] = replace(records[at], type=random.choice([*TYPES, 0, random.getrandbits(32)]))
        elif kind == 3:
            records[at] = replace(records[at], pcr=random.randrange(24))
        elif kind == 4:
            records.insert(random.randrange(len(records)), records[at])
        elif len(records) > 1:
            del records[at]
    if random.random() < 0.05:
        records *= random.choice((4, 64, 1024))
    return _encode(log, records)


def _encode(log: EventLog, records: list[Record]) -> bytes:
    if log.format is LogFormat.SHA1:
        return bounded(b"".join(old(record.pcr, record.type, record.data) for record in records))
    banks = [bank for bank in log.algorithms if bank in IDS and bank in SIZES] or ["sha256"]
    made, size = [spec_id(*banks)], 0
    for record in records:
        made.append(new(*banks, pcr=record.pcr, kind=record.type, data=record.data))
        if (size := size + len(made[-1])) > 1 << 18:
            break
    return bounded(b"".join(made))


def run_eventlog(data: bytes) -> str:
    """Do all that is done with a log, allowing no workarounds and then all of them."""
    inspected = inspect_log(data)
    told(inspected.as_json())
    outcome = [_judge(replayed) for replayed in inspected.replays.values()]
    for record in inspected.log.records:
        described = describe_event(record)
        if len(described) > MAX_DESCRIPTION or not described.isprintable():
            raise AssertionError(f"not a short printable description: {described!r}")
    parse_log(data)
    return " | ".join(outcome)


def _judge(replayed: Replay) -> str:
    bank, quoted = replayed.bank, range(24)
    found = [
        *check_grammar(replayed, quoted=quoted, bank=bank),
        *check_grammar(replayed, quoted=quoted, bank=bank, allowed=frozenset(Workaround)),
        *check_replay(replayed, values=_VALUES, quoted=quoted, bank=bank),
        *check_image(replayed, measurements=IMAGE, quoted=quoted, bank=bank),
    ]
    parted = first_divergence(_GOOD, replayed)
    for divergence in (*divergences(_GOOD, replayed), *divergences(replayed, _GOOD), *([parted] if parted else [])):
        told(divergence.describe())
    names: set[str] = set()
    for family, overlays in _SCOPES:
        facts = collect_facts(replayed, family=family, overlays=overlays, quoted=quoted, bank=bank)
        told(facts_document(facts))
        told(facts_text(facts))
        names |= set(facts.found)
        for assertion in suggest_assertions(facts):
            told(assertion.model_dump(mode="json"))
    return codes(found) + " " + " ".join(sorted(names))


TARGETS = (
    Target(
        name="eventlog",
        run=run_eventlog,
        seeds=SEEDS,
        mutations=(change_records, change_records, change_records, _WORDS),
        factor=256,
        brief=600,
    ),
)
