"""Predictions are right for what is understood, and everything else is refused with its reason."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

import pytest

from reconciler.attest.prediction.pe import EXECUTABLE, authenticode_sha256, parse_pe
from reconciler.attest.prediction.uki import predict
from reconciler.errors.taxonomy import InputError
from reconciler.image.assemble import assemble
from tests.support.images import kernel, pe_image, stub

_PE_AT = 0x40
_OPTIONAL_AT = _PE_AT + 24
_DIRECTORIES = 16
_TABLE_AT = _OPTIONAL_AT + 112 + 8 * _DIRECTORIES
_CODE = EXECUTABLE | 0x60000020
_DATA = 0x40000040
_MAGIC = b"#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####\0"
_LINE = "console=ttyS0 ringfence.pin=00"


def uki(**change: bytes | str) -> bytes:
    parts: dict[str, bytes | str] = {
        "osrel": b"ID=ringfence\n",
        "command_line": _LINE,
        "initrd": b"initrd",
        "kernel": kernel(),
        "stub": stub(),
    }
    parts |= change
    return assemble(parts.pop("stub"), **parts)  # type: ignore[arg-type]


def row(data: bytearray, name: bytes) -> int:
    """Return where a section's row in the table is."""
    return data.index(name.ljust(8, b"\0"), _TABLE_AT, 0x400)


def changed(at: int, layout: str, *values: int | bytes) -> bytes:
    made = bytearray(uki())
    struct.pack_into(layout, made, at, *values)
    return bytes(made)


def edited(name: bytes, offset: int, layout: str, *values: int | bytes) -> bytes:
    made = bytearray(uki())
    struct.pack_into(layout, made, row(made, name) + offset, *values)
    return bytes(made)


def refusal(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        predict(data)
    assert caught.value.reason == "UnmeasurableImage"
    assert caught.value.hint
    return str(caught.value)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_every_event_of_an_image_is_predicted_in_order() -> None:
    found = predict(uki())
    assert found.digest == sha256(uki())
    assert found.command_line == _LINE
    assert found.pcr9 == (sha256((_LINE + "\0").encode("utf-16-le")), sha256(b"initrd"))
    contents = {".linux": kernel(), ".osrel": b"ID=ringfence\n", ".cmdline": _LINE.encode(), ".initrd": b"initrd"}
    events = [(sha256(name.encode() + b"\0"), sha256(data)) for name, data in contents.items()]
    assert found.pcr11 == tuple(digest for pair in events for digest in pair)
    assert found.pcr4 == (
        authenticode_sha256(parse_pe(uki(), subject="uki")),
        authenticode_sha256(parse_pe(kernel(), subject="kernel")),
    )
    assert found.as_pcrs() == {4: found.pcr4, 9: found.pcr9, 11: found.pcr11, 12: ()}


def test_values_follow_from_the_events_of_the_pcrs_that_are_the_images_alone() -> None:
    found = predict(uki())
    first, second = (bytes.fromhex(digest) for digest in found.pcr9)
    once = hashlib.sha256(bytes(32) + first).digest()
    values = found.values()
    assert values[9] == sha256(once + second)
    assert values[12] == bytes(32).hex()
    assert set(values) == {9, 11, 12}


def test_authenticode_leaves_out_checksum_and_certificates_and_nothing_else() -> None:
    plain = bytes(pe_image([(b".text", b"code", _CODE)]))
    expected = sha256(
        plain[: _OPTIONAL_AT + 64] + plain[_OPTIONAL_AT + 68 : _OPTIONAL_AT + 144] + plain[_OPTIONAL_AT + 152 :]
    )
    assert authenticode_sha256(parse_pe(plain, subject="x")) == expected
    signed = bytearray(plain + b"CERTIFICATES")
    struct.pack_into("<I", signed, _OPTIONAL_AT + 64, 0xDEADBEEF)
    struct.pack_into("<II", signed, _OPTIONAL_AT + 144, len(plain), 12)
    assert authenticode_sha256(parse_pe(bytes(signed), subject="x")) == expected


def test_bytes_after_the_last_section_are_measured_too() -> None:
    one, other = (bytes(pe_image([(b".text", b"code", _CODE)], tail=tail)) for tail in (b"1", b"2"))
    assert authenticode_sha256(parse_pe(one, subject="x")) != authenticode_sha256(parse_pe(other, subject="x"))


def test_a_section_of_no_file_bytes_is_allowed() -> None:
    made = pe_image([(b".text", b"code", _CODE), (b".bss", b"", _DATA)])
    assert len(parse_pe(bytes(made), subject="x").sections) == 2


def test_an_image_without_osrel_is_predicted_without_it() -> None:
    made = [
        (b".text", b"stub", _CODE),
        (b".sdmagic", _MAGIC, _DATA),
        (b".cmdline", b"quiet\0", _DATA),
        (b".initrd", b"i", _DATA),
        (b".linux", kernel(), _DATA),
    ]
    found = predict(bytes(pe_image(made)))
    assert len(found.pcr11) == 6
    assert found.command_line == "quiet"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no MZ header"),
        (b"MZ" + bytes(0x20), "no MZ header"),
        (b"MZ" + bytes(0x400), "no PE header"),
        (changed(0x3C, "<I", 0xFFFFFFF0), "no PE header"),
        (changed(_PE_AT + 4, "<H", 0xAA64), "not a PE32\\+ image"),
        (changed(_OPTIONAL_AT, "<H", 0x10B), "not a PE32\\+ image"),
        (changed(_OPTIONAL_AT + 108, "<I", 4), "4 data directories"),
        (changed(_OPTIONAL_AT + 108, "<I", 17), "17 data directories"),
        (changed(_PE_AT + 20, "<H", 200), "out of bounds"),
        (changed(_PE_AT + 6, "<H", 0), "out of bounds"),
        (changed(_PE_AT + 6, "<H", 97), "out of bounds"),
        (changed(_OPTIONAL_AT + 60, "<I", 0x180), "outside the headers"),
        (changed(_OPTIONAL_AT + 60, "<I", 0xFFFFFFFF), "outside the headers"),
        (edited(b".initrd", 20, "<I", 0x400), "gap or overlaps"),
        (edited(b".linux", 20, "<I", 0x800000), "gap or overlaps"),
        (edited(b".linux", 16, "<I", 0x800000), "truncated"),
        (changed(_OPTIONAL_AT + 144, "<II", 0x400, 8), "certificate table"),
        (edited(b".initrd", 0, "<8s", b".ini\0rd"), "plain ASCII"),
        (edited(b".initrd", 0, "<8s", b".in\xfftrd"), "plain ASCII"),
    ],
)
def test_a_pe_that_could_be_loaded_without_being_hashed_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        predict(data)


def test_a_certificate_table_must_be_the_end_of_the_file() -> None:
    data = bytearray(uki())
    struct.pack_into("<II", data, _OPTIONAL_AT + 144, len(data), 8)
    assert predict(bytes(data + bytes(8)))
    assert "certificate table" in refusal(bytes(data + bytes(16)))


def test_an_image_of_unbounded_size_is_refused() -> None:
    assert "larger than 536870912 bytes" in refusal(bytes(512 * 1024 * 1024 + 1))


@pytest.mark.parametrize("name", [b".linux", b".cmdline", b".initrd"])
def test_a_kernel_with_a_separate_initrd_or_command_line_is_refused(name: bytes) -> None:
    assert f"no {name.decode()} section" in refusal(edited(name, 0, "<8s", b".sbat"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: edited(b".osrel", 0, "<8s", b".initrd"), "occurs twice"),
        (lambda: edited(b".osrel", 0, "<8s", b".dtb"), ".dtb is not among those"),
        (lambda: edited(b".osrel", 0, "<8s", b".pcrsig"), ".pcrsig is not among those"),
        (lambda: edited(b".initrd", 8, "<I", 0), ".initrd is empty"),
        (lambda: edited(b".initrd", 8, "<I", 0x10000), "larger in memory"),
        (lambda: edited(b".initrd", 36, "<I", _CODE), "code outside"),
        (lambda: changed(_OPTIONAL_AT + 16, "<I", 0x2000), "entry point"),
        (lambda: changed(_OPTIONAL_AT + 16, "<I", 0), "entry point"),
        (lambda: edited(b".text", 0, "<8s", b".rodata"), "code outside"),
        (lambda: edited(b".sdmagic", 0, "<8s", b".sbat"), "stub is not systemd-stub 252"),
        (lambda: uki(stub=stub(_MAGIC.replace(b"252", b"255"))), "stub is not systemd-stub 252"),
        (lambda: uki(kernel=b"not a kernel"), "inner kernel: not a PE image"),
        (lambda: uki(kernel=bytes(pe_image([(b".text", b"x", _CODE)]))), "not a Linux bzImage"),
        (lambda: uki(kernel=kernel(b"unknown")), "names no version"),
        (lambda: uki(kernel=kernel(b"5.10.0-1 (x)")), "older than 6.1"),
        (lambda: uki(kernel=kernel(b"6.0.0")), "older than 6.1"),
        (lambda: uki(command_line="quiet\nother"), "printable ASCII"),
        (lambda: uki(command_line="quiet\0other"), "printable ASCII"),
    ],
)
def test_what_is_not_measured_as_we_know_it_is_refused(make: Callable[[], bytes], reason: str) -> None:
    assert reason in refusal(make())


def test_an_image_without_the_stubs_code_is_refused() -> None:
    made = [(b".sdmagic", _MAGIC, _DATA), (b".cmdline", b"q", _DATA), (b".initrd", b"i", _DATA)]
    assert "entry point" in refusal(bytes(pe_image([*made, (b".linux", kernel(), _DATA)])))


def test_any_flipped_byte_changes_the_measurements_or_is_refused() -> None:
    good = uki()
    before = predict(good)
    for at in range(0, len(good), 7):
        if _OPTIONAL_AT + 64 <= at < _OPTIONAL_AT + 68 or _OPTIONAL_AT + 144 <= at < _OPTIONAL_AT + 152:
            continue  # checksum and certificate entry: neither is loaded
        bad = bytearray(good)
        bad[at] ^= 0x41
        try:
            after = predict(bytes(bad))
        except InputError:
            continue
        assert after.as_pcrs() != before.as_pcrs(), f"byte {at}"


def test_a_stub_without_room_for_sections_is_refused() -> None:
    crowded = bytes(pe_image([(b".text", b"stub", _CODE)] + [(b".sbat", b"x", _DATA)] * 14, headers=0x400))
    with pytest.raises(InputError, match="no room"):
        uki(stub=crowded)
