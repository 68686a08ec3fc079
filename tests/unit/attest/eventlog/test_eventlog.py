import struct
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.attest.appraise import appraise
from reconciler.attest.eventlog.log import MAX_LOG, FormatError, initial_value, parse_event_log, replay
from reconciler.attest.reader import MalformedError
from reconciler.attest.verdict import Accepted
from reconciler.model.kinds import Measurements
from tests.support import firmware
from tests.support.appraisals import ALL_PCRS, booted, codes_of, expected_of, policy_with
from tests.support.firmware import EV_NO_ACTION, LogEvent, hashed
from tests.support.softtpm import Challenge, SoftTpm

REAL_LOG = (Path(__file__).parent / "data" / "ovmf-uki.eventlog").read_bytes()
"""A boot of a UKI by Debian's OVMF with systemd-stub 252 and Linux 6.1, on the lab's virtual metal."""

REAL_PCRS = {
    0: "ce729d0e02d46cecb9baa54228e55d1be49de54981fe6485a59bf9b222bcc061",
    1: "8afd4fd11e6a0df8eca3c18787feb2878036bfef9745be018c82bb33994a3d81",
    2: "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969",
    3: "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969",
    4: "091ff8a9deb1883ef48ef6270b379a77dcc5167a597e6e9a13eae827eb707d38",
    5: "a5ceb755d043f32431d63e39f5161464620a3437280494b5850dc1b47cc074e0",
    6: "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969",
    7: "65caf8dd1e0ea7a6347b635d2b379c93b9a1351edc2afc3ecda700e534eb3068",
    9: "384c726bf1a3781b4b4db2b9d60f68f7ff04b63ebe91d21b94978eb768883b08",
    11: "99a198886f9bf02ef7dcacc8ffcfaa1c26f20b70bd2b3ba5b00f7ad9f77004a9",
}
"""What that machine's TPM itself reported."""


def spec_id(*algorithms: tuple[int, int], vendor: bytes = b"") -> bytes:
    named = b"".join(struct.pack("<HH", *algorithm) for algorithm in algorithms)
    body = b"Spec ID Event03\0" + struct.pack("<IBBBBI", 0, 0, 2, 0, 2, len(algorithms)) + named
    return header(body + bytes([len(vendor)]) + vendor)


def header(body: bytes, *, pcr: int = 0, kind: int = EV_NO_ACTION) -> bytes:
    return struct.pack("<II20xI", pcr, kind, len(body)) + body


def record(*digests: tuple[int, bytes], pcr: int = 0, kind: int = 4, data: bytes = bytes(4)) -> bytes:
    body = b"".join(struct.pack("<H", algorithm) + digest for algorithm, digest in digests)
    return struct.pack("<III", pcr, kind, len(digests)) + body + struct.pack("<I", len(data)) + data


SHA256 = (0x000B, 32)
SHA1 = (0x0004, 20)
ZERO = (0x000B, bytes(32))


def test_a_real_log_replays_to_what_its_tpm_reported() -> None:
    events = parse_event_log(REAL_LOG, bank="sha256")
    values = replay(events).values
    assert {pcr: values[pcr].hex() for pcr in REAL_PCRS} == REAL_PCRS
    assert [event.index for event in events] == list(range(1, 36))


def test_a_real_log_is_accepted_under_its_images_measurements() -> None:
    tpm = SoftTpm("real")
    tpm.reset()
    events = parse_event_log(REAL_LOG, bank="sha256")
    tpm.measure(LogEvent(pcr=event.pcr, type=event.type, data=event.data, digest=event.digest) for event in events)
    assert tpm.event_log == REAL_LOG
    digests = {index: event.digest.hex() for index, event in enumerate(events, start=1)}
    measurements = Measurements(
        pcr4=(digests[22], digests[31]),
        pcr9=(digests[32], digests[33]),
        pcr11=tuple(digests[index] for index in range(23, 31)),
    )
    expectation = expected_of(tpm, measurements=measurements, policy=policy_with(pcrs=ALL_PCRS))
    assert isinstance(appraise(tpm.evidence(Challenge(pcrs=ALL_PCRS)), expectation=expectation), Accepted)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (b"", "ends within"),
        (bytes(MAX_LOG + 1), "at most"),
        (header(b"Spec ID Event03\0"), "ends within"),
        (spec_id(), "names 0 algorithms"),
        (spec_id(*[(number, 32) for number in range(9)]), "names 9 algorithms"),
        (spec_id(SHA256, SHA256), "twice"),
        (spec_id(SHA256, (0x0012, 0)), "impossible size"),
        (spec_id(SHA256, (0x0012, 65)), "impossible size"),
        (spec_id((0x000B, 20)), "impossible size"),
        (header(spec_id(SHA256)[32:] + b"\0"), "too many"),
        (header(b"Spec ID Event00\0", pcr=24, kind=5), "no such PCR"),
        (header(b"text") + header(b"text")[:31], "ends within the header of event 1"),
        (header(b"text") + header(b"text")[:-1], "ends within a field of 4 bytes of event 1"),
        (spec_id(SHA256) + b"\0" * 11, "cut off"),
        (spec_id(SHA256) + record(), "has 0 digests"),
        (spec_id(SHA256) + record(ZERO, ZERO), "has 2 digests"),
        (spec_id(SHA256, SHA1) + record(ZERO, ZERO), "repeats a digest"),
        (spec_id(SHA256) + record((0x000C, bytes(48))), "digests that it must not"),
        (spec_id(SHA256, SHA1) + record((0x0004, bytes(20))), "no digest of the sha256 bank"),
        (spec_id(SHA256) + record(ZERO)[:-1], "cut off"),
        (spec_id(SHA256) + record(ZERO)[:30], "cut off"),
        (spec_id(SHA256) + record(ZERO, pcr=24), "no such PCR"),
    ],
)
def test_a_malformed_log_is_refused_and_says_why(log: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message) as refused:
        parse_event_log(log, bank="sha256")
    assert not isinstance(refused.value, FormatError)


@pytest.mark.parametrize(
    "log",
    [
        header(b"something else", kind=8),
        header(b"Spec ID Event00\0"),
        header(b"StartupLocality\0\3"),
        spec_id(SHA1) + record((0x0004, bytes(20))),
    ],
)
def test_a_log_without_the_quoted_bank_is_of_the_wrong_format(log: bytes) -> None:
    with pytest.raises(FormatError):
        parse_event_log(log, bank="sha256")
    tpm = booted()
    assert codes_of(replace(tpm.evidence(), event_log=log), expected_of(tpm)) == {"EventLogFormat"}


def test_a_log_of_several_banks_gives_the_digests_of_the_quoted_one() -> None:
    log = spec_id(SHA1, SHA256, vendor=b"vendor") + record((0x0004, b"1" * 20), (0x000B, b"2" * 32), data=b"data")
    (event,) = parse_event_log(log, bank="sha256")
    assert (event.digest, event.data, event.type_name) == (b"2" * 32, b"data", "EV_SEPARATOR")


def test_an_event_that_is_not_extended_may_name_any_pcr() -> None:
    log = spec_id(SHA256) + record(ZERO, pcr=0xFFFFFFFF, kind=EV_NO_ACTION, data=b"SP800-155 Event3")
    assert len(parse_event_log(log, bank="sha256")) == 1
    assert replay(parse_event_log(log, bank="sha256")).values[0] == bytes(32)


def locality(value: bytes, *, pcr: int = 0) -> LogEvent:
    return LogEvent(pcr=pcr, type=EV_NO_ACTION, data=b"StartupLocality\0" + value, digest=bytes(32))


def replayed(*events: LogEvent) -> dict[int, bytes]:
    return dict(replay(parse_event_log(firmware.encode(events), bank="sha256")).values)


def test_the_startup_locality_is_where_pcr_0_starts() -> None:
    assert replayed(locality(b"\x03"))[0] == bytes(31) + b"\x03"
    assert replayed(locality(b"\x00"))[0] == bytes(32)


def test_an_h_crtm_event_that_comes_first_starts_pcr_0_at_locality_4() -> None:
    crtm, other = hashed(0, 0x80000010, b"HCRTM"), hashed(0, 8, b"version")
    start = bytes(31) + b"\x04"
    assert replayed(crtm)[0] == firmware.sha256(start + crtm.digest)
    late = firmware.sha256(firmware.sha256(bytes(32) + other.digest) + crtm.digest)
    assert replayed(other, crtm)[0] == late


def test_pcrs_of_a_dynamic_launch_start_at_all_ones() -> None:
    assert [initial_value(pcr)[0] for pcr in (0, 16, 17, 22, 23)] == [0, 0, 0xFF, 0xFF, 0]


@pytest.mark.parametrize(
    "events",
    [
        [locality(b"\x03", pcr=1)],
        [locality(b"\x03"), locality(b"\x03")],
        [locality(b"\x01")],
        [locality(b"")],
        [locality(b"\x03\x03")],
    ],
)
def test_an_odd_startup_locality_is_rejected(events: list[LogEvent]) -> None:
    tpm = booted()
    first, *rest = tpm.events
    tpm.reset()
    tpm.measure([*events, first, *rest])
    assert "StartupLocalityInvalid" in codes_of(tpm.evidence(), expected_of(tpm))


def test_a_startup_locality_after_the_first_event_is_rejected() -> None:
    tpm = booted()
    first, *rest = tpm.events
    log = firmware.encode([first, locality(b"\x03"), *rest])
    codes = codes_of(replace(tpm.evidence(), event_log=log), expected_of(tpm))
    assert codes == {"StartupLocalityInvalid"}
