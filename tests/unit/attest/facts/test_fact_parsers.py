import hashlib
import struct

import pytest

from reconciler.attest.eventlog.log import Event
from reconciler.attest.facts.gpt import parse_gpt
from reconciler.attest.facts.labels import image_path, label_of, text_in
from reconciler.attest.facts.sbat import parse_sbat_level
from reconciler.attest.facts.signatures import digest_of_authority, parse_signature_lists
from reconciler.attest.reader import MalformedError
from tests.support.measured import OWNER, SBAT, SHA256, X509, certificate, device_path, partition_table, signature_list

SHA384_OF_CERTIFICATE = bytes.fromhex("6e877670c280e64eaad228b349a6865b")


def test_certificates_are_known_by_their_digest_and_hashes_by_themselves() -> None:
    one, two = certificate("one"), certificate("two")
    lists = signature_list(X509, one) + signature_list(X509, two) + signature_list(SHA256, b"a" * 32, b"b" * 32)
    assert parse_signature_lists(lists) == (
        hashlib.sha256(one).hexdigest(),
        hashlib.sha256(two).hexdigest(),
        (b"a" * 32).hex(),
        (b"b" * 32).hex(),
    )
    assert parse_signature_lists(b"") == ()


def test_a_revoked_certificates_hash_is_known_without_the_time_of_its_revocation() -> None:
    lists = signature_list(SHA384_OF_CERTIFICATE, b"a" * 48 + bytes(16))
    assert parse_signature_lists(lists) == ((b"a" * 48).hex(),)


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        signature_list(X509, b"content")[:-1],
        signature_list(X509, b"content") + b"\0",
        X509 + struct.pack("<III", 27, 0, 20),
        X509 + struct.pack("<III", 28 + 16, 0, 16) + bytes(16),
        X509 + struct.pack("<III", 28 + 21, 0, 20) + bytes(21),
        X509 + struct.pack("<III", 28, 0xFFFFFFFF, 20),
        X509 + struct.pack("<III", 0xFFFFFFFF, 0, 20),
        signature_list(SHA256, b"a" * 31),
        signature_list(SHA384_OF_CERTIFICATE, b"a" * 48),
    ],
)
def test_malformed_signature_lists_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_signature_lists(data)


def test_an_authority_is_a_certificate_or_a_hash_behind_its_owner_or_a_certificate_alone() -> None:
    shims = certificate("shim")
    assert digest_of_authority(OWNER + shims) == hashlib.sha256(shims).hexdigest()
    assert digest_of_authority(shims) == hashlib.sha256(shims).hexdigest()
    assert digest_of_authority(OWNER + b"h" * 32) == (b"h" * 32).hex()
    assert digest_of_authority(b"\x01") is None
    assert digest_of_authority(shims + b"\0") is None
    assert digest_of_authority(signature_list(X509, shims)) is None


def test_an_sbat_level_is_a_date_and_generations() -> None:
    assert parse_sbat_level(SBAT) == (2023012900, {"sbat": 1, "shim": 2, "grub": 3})
    assert parse_sbat_level(b"sbat,1,2021030218\n\0") == (2021030218, {"sbat": 1})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"sbat,1\n",
        b"shim,2\n",
        b"sbat,1,2021030218\nshim\n",
        b"sbat,1,2021030218\nshim,1\nshim,2\n",
        b"sbat,1,2021030218\n\n",
        b"sbat,1,2021030218\n" + b"".join(b"c%d,1\n" % number for number in range(300)),
    ],
)
def test_malformed_sbat_levels_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_sbat_level(data)


def test_a_partition_table_tells_its_disk() -> None:
    assert parse_gpt(partition_table(3)) == ("03020100-0504-0706-0809-0a0b0c0d0e0f", 3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"EFI PART" + bytes(80),
        bytes(100),
        partition_table() + b"\0",
        partition_table()[:84] + bytes(4) + partition_table()[88:],
        partition_table()[:84] + b"\xff" * 4 + partition_table()[88:],
    ],
)
def test_malformed_partition_tables_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_gpt(data)


def test_an_images_path_is_read_from_its_device_path() -> None:
    assert image_path(device_path("\\EFI\\BOOT\\BOOTX64.EFI")) == "\\EFI\\BOOT\\BOOTX64.EFI"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        device_path("x")[:-4],
        device_path("x") + b"\0",
        struct.pack("<QQQQ", 0, 0, 0, 4) + b"\x04\x04\x03\x00",
        struct.pack("<QQQQ", 0, 0, 0, 1 << 60),
    ],
)
def test_malformed_image_load_events_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        image_path(data)


@pytest.mark.parametrize(
    ("kind", "data", "label"),
    [
        (0x80000003, device_path("\\a.efi"), "\\a.efi"),
        (0x80000003, b"nonsense", "EV_EFI_BOOT_SERVICES_APPLICATION"),
        (0x80000008, struct.pack("<QQ", 0x820000, 0xE0000), "0xe0000 bytes at 0x820000"),
        (0x8000000A, b"\x03ACM" + struct.pack("<QQ", 16, 32), "ACM 0x20 bytes at 0x10"),
        (0x0000000D, "initrd\0".encode("utf-16-le"), "initrd"),
        (0x0000000D, b"MokList\0", "MokList"),
        (0x0000000D, b"\xff\x00\xff", "EV_IPL"),
        (0x0000000D, b"x" * 500, "x" * 160),
        (0x00000006, b"\xec\x22\x3b\x8f\x0d\x00\x00\x00Linux initrd\0", "Linux initrd"),
    ],
)
def test_labels_are_what_events_say_of_themselves(kind: int, data: bytes, label: str) -> None:
    assert label_of(Event(index=1, pcr=4, type=kind, digest=bytes(32), data=data)) == label


def test_text_is_printable_or_none() -> None:
    assert text_in(b"") == ""
    assert text_in(b"\x01\x02\x03") == ""
    assert text_in("ü".encode("utf-16-le")) == ""
