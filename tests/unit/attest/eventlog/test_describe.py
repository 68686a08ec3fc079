"""Events as text for people: readable where they can be read, harmless always."""

import struct
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.eventlog.describe import MAX_DESCRIPTION, describe_event
from reconciler.attest.eventlog.device_path import describe_device_path
from reconciler.attest.eventlog.events import NAMES
from reconciler.attest.eventlog.log import Event, parse_log
from tests.support.firmware import variable

REAL_LOG = (Path(__file__).parent / "data" / "ovmf-uki.eventlog").read_bytes()
END = bytes.fromhex("7fff0400")
DISK = UUID("b8f6bee9-bc10-4c72-b34a-6db8fd8f772c")


def text(kind: int, data: bytes) -> str:
    return describe_event(Event(index=0, pcr=0, type=kind, digest=bytes(32), data=data))


def node(kind: int, subtype: int, body: bytes) -> bytes:
    return struct.pack("<BBH", kind, subtype, 4 + len(body)) + body


def path(*nodes: tuple[int, int, bytes]) -> bytes:
    return b"".join(node(*each) for each in nodes) + END


ROOT = (2, 1, struct.pack("<II", 0x0A0341D0, 0))
FILE = (4, 4, "\\EFI\\BOOT.EFI\0".encode("utf-16-le"))


def image(device_path: bytes) -> bytes:
    return struct.pack("<QQQQ", 0, 1234, 0, len(device_path)) + device_path


def boot_option(title: str, device_path: bytes) -> bytes:
    return struct.pack("<IH", 1, len(device_path)) + (title + "\0").encode("utf-16-le") + device_path


def gpt(*titles: str, count: int | None = None) -> bytes:
    header = b"EFI PART" + bytes(48) + DISK.bytes_le + bytes(20)
    entries = [DISK.bytes_le * 2 + bytes(24) + title.encode("utf-16-le").ljust(72, b"\0") for title in titles]
    return header + struct.pack("<Q", len(titles) if count is None else count) + b"".join(entries)


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (3, b"StartupLocality\0\3", "StartupLocality 03"),
        (3, b"StartupLocality\0", "StartupLocality missing"),
        (3, b"SP800-155 Event\0rest", "SP800-155 Event"),
        (3, b"\xff\xfe\0", "3 bytes: fffe00"),
        (3, b"", ""),
        (4, bytes(4), "separator"),
        (4, b"\xff" * 4, "separator: the firmware reports an error"),
        (4, b"WBCL", "separator: WBCL"),
        (6, struct.pack("<II", 0x8F3B22EC, 13) + b"Linux initrd\0", "tag 0x8f3b22ec: Linux initrd"),
        (6, b"\1", "1 bytes: 01"),
        (8, "N40ET41W".encode("utf-16-le") + bytes(4), "N40ET41W"),
        (8, bytes(2), "2 bytes: 0000"),
        (8, bytes(range(40)), "40 bytes: 000102030405060708090a0b0c0d0e0f…"),
        (0xD, b"grub_cmd: menuentry {\n  linux }\0", "grub_cmd: menuentry {\\x0a  linux }"),
        (0x80000001, variable("SecureBoot", b"\1"), "SecureBoot = 1"),
        (0x80000001, variable("PK", b"key"), "PK (8be4df61-93ca-11d2-aa0d-00e098032b8c), 3 bytes"),
        (0x80000001, b"none", "4 bytes: 6e6f6e65"),
        (0x800000E0, variable("db", b"key"), "db (8be4df61-93ca-11d2-aa0d-00e098032b8c), 3 bytes"),
        (0x80000002, variable("BootOrder", b"\1\0\x0a\0\0"), "BootOrder = 0001, 000A"),
        (0x80000002, variable("Boot0001", b"x"), "Boot0001: 1 bytes: 78"),
        (
            0x80000002,
            variable("Boot0001", boot_option("Linux", path(ROOT, FILE))),
            "Boot0001: Linux, PciRoot(0)/\\EFI\\BOOT.EFI",
        ),
        (0x80000003, image(path(ROOT, FILE)), "PciRoot(0)/\\EFI\\BOOT.EFI, 1234 bytes"),
        (0x80000004, image(b""), "no path, 1234 bytes"),
        (0x80000003, b"short", "5 bytes: 73686f7274"),
        (0x80000006, gpt("ESP", ""), f"GPT {DISK}, 2 partitions: ESP, {DISK}"),
        (0x80000006, gpt(count=3), "100 bytes: 45464920504152540000000000000000…"),
        (0x80000006, b"EFI PART", "8 bytes: 4546492050415254"),
        (0x80000006, bytes(200), "200 bytes: 00000000000000000000000000000000…"),
        (0x80000008, struct.pack("<QQ", 0x820000, 512), "512 bytes at 0x820000"),
        (0x8000000A, b"\3Fv\0" + struct.pack("<QQ", 16, 512), "Fv, 512 bytes at 0x10"),
        (0x8000000A, b"", ""),
        (0x80000009, struct.pack("<Q", 2), "2 tables"),
        (0x8000000B, b"\4ACPI" + struct.pack("<Q", 2), "ACPI, 2 tables"),
        (0x8000000B, b"", ""),
    ],
)
def test_an_event_is_described_by_what_it_holds(kind: int, data: bytes, expected: str) -> None:
    assert text(kind, data) == expected


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ((1, 1, b"\0\x1f"), "Pci(1f.0)"),
        ((1, 3, struct.pack("<IQQ", 11, 0x800000, 0xFFFFFF)), "MemoryMapped(b, 800000, ffffff)"),
        ((1, 4, DISK.bytes_le), f"Vendor({DISK})"),
        ((2, 1, struct.pack("<II", 0x060441D0, 1)), "Acpi(060441d0)(1)"),
        ((3, 11, bytes.fromhex("525400123456") + bytes(26)), "MAC(52:54:00:12:34:56)"),
        ((3, 12, bytes([10, 0, 0, 2, 10, 0, 0, 1]) + bytes(11)), "IPv4(10.0.0.1, local 10.0.0.2)"),
        ((3, 13, bytes(40)), "IPv6"),
        ((3, 23, struct.pack("<IQ", 1, 0)), "NVMe(1, 0)"),
        ((3, 24, b"https://boot.example/boot.efi"), "Uri(https://boot.example/boot.efi)"),
        ((4, 1, struct.pack("<IQQ16sBB", 1, 0, 0, DISK.bytes_le, 2, 2)), f"HD(1, {DISK})"),
        ((4, 1, struct.pack("<IQQ16sBB", 2, 0, 0, b"\1\2\3\4" + bytes(12), 1, 1)), "HD(2, 01020304)"),
        ((5, 1, struct.pack("<HH", 2, 0) + b"Harddisk1\0"), "Bbs(Harddisk1)"),
        ((9, 9, b""), "node(9.9)"),
        ((1, 1, b""), "node(1.1, too short)"),
    ],
)
def test_a_device_path_is_described_node_by_node(nodes: tuple[int, int, bytes], expected: str) -> None:
    assert describe_device_path(path(nodes)) == expected


def test_a_device_path_that_does_not_end_is_cut() -> None:
    assert describe_device_path(node(1, 1, b"\0\1")) == "Pci(1.0)/…"
    assert describe_device_path(b"\1\1\0\0") == "…"
    assert describe_device_path(node(1, 1, b"\0\1") * 100).count("Pci") == 32


def test_text_that_could_mislead_a_terminal_is_shown_as_code_points() -> None:
    hostile = variable("\x1b[2J\u202egnol", b"")
    assert text(0x80000001, hostile).startswith("\\x1b[2J\\x202egnol (")


@pytest.mark.parametrize("data", [b"x" * 1000, b"line\n" * 30])
def test_a_long_text_is_cut(data: bytes) -> None:
    described = text(0xD, data)
    assert len(described) == MAX_DESCRIPTION
    assert described.endswith("…")


def test_a_real_log_is_readable() -> None:
    texts = {describe_event(record) for record in parse_log(REAL_LOG).records}
    assert {"Spec ID Event03: sha256", "separator", "Exit Boot Services Invocation"} <= texts


@given(st.sampled_from([*NAMES, 0x12345678]), st.binary(max_size=300))
def test_a_description_is_printable_and_short_whatever_an_event_holds(kind: int, data: bytes) -> None:
    for held in (data, variable("Boot0000", data), image(data), gpt() + data, data * 20):
        described = text(kind, held)
        assert len(described) <= MAX_DESCRIPTION
        assert described.isprintable()
