import json
import struct
from collections.abc import Sequence

import pytest

from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.pcr_files import parse_pcr_values, parse_serialized_pcrs
from tests.support.quotes import bank_values

SHA256 = bank_values("sha256", (0, 4, 9))
SHA1 = bank_values("sha1", (16,))


def serialized(
    banks: Sequence[tuple[int, int]], digests: Sequence[bytes], *, lists: int | None = None, count: int | None = None
) -> bytes:
    selection = b"".join(struct.pack("<HBIx", bank, 3, bitmap) for bank, bitmap in banks)
    filled = b""
    for at in range(0, len(digests), 8):
        chunk = digests[at : at + 8]
        slots = b"".join(struct.pack("<H64s", len(digest), digest) for digest in chunk)
        filled += struct.pack("<I", len(chunk) if count is None else count) + slots.ljust(8 * 66, b"\0")
    number = (len(digests) + 7) // 8 if lists is None else lists
    return struct.pack("<I", len(banks)) + selection.ljust(128, b"\0") + struct.pack("<I", number) + filled


GOOD = serialized([(0x000B, 0x211)], list(SHA256.values()))


def test_tpm2_tools_serialized_form_is_read() -> None:
    assert parse_serialized_pcrs(GOOD) == {"sha256": SHA256}
    assert parse_pcr_values(GOOD) == {"sha256": SHA256}
    both = serialized([(0x0004, 1 << 16), (0x000B, 0x211)], [*SHA1.values(), *SHA256.values()])
    assert parse_pcr_values(both) == {"sha1": SHA1, "sha256": SHA256}
    many = bank_values("sha384", range(24))
    assert parse_pcr_values(serialized([(0x000C, 0xFFFFFF)], list(many.values()))) == {"sha384": many}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (GOOD[:-1], "ends within"),
        (GOOD + b"\0", "too many"),
        (struct.pack("<I", 17) + GOOD[4:], "17 banks"),
        (serialized([(0x000B, 0x201)], list(SHA256.values())), "3 digests for 2 PCRs"),
        (serialized([(0x0012, 0x211)], list(SHA256.values())), "bank 0x0012"),
        (GOOD[:6] + b"\5" + GOOD[7:], "bitmap of 5"),
        (serialized([(0x000B, 0x211)], list(SHA256.values()), lists=33), "33 lists"),
        (serialized([(0x000B, 0x211)], list(SHA256.values()), count=9), "9 digests"),
        (serialized([(0x000B, 1)], [bytes(20)]), "20 bytes"),
        (GOOD[:140] + b"\x41" + GOOD[141:], "of 64 bytes"),
        (serialized([(0x000B, 1), (0x000B, 1)], [bytes(32)] * 2), "stands twice"),
    ],
)
def test_a_malformed_serialized_file_is_refused_and_says_why(raw: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        parse_serialized_pcrs(raw)


def told(values: dict[int, bytes]) -> dict[str, str]:
    return {str(pcr): value.hex() for pcr, value in values.items()}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(told(SHA256)),
        json.dumps({"sha256": told(SHA256)}),
        "\n".join(f"{pcr}: {value}" for pcr, value in told(SHA256).items()),
        "  sha256:\n" + "\n".join(f"    {pcr:>2}: 0x{value.upper()}" for pcr, value in told(SHA256).items()) + "\n\n",
    ],
)
def test_json_and_lines_are_read(text: str) -> None:
    assert parse_pcr_values(text.encode()) == {"sha256": SHA256}


def test_several_banks_stand_under_their_names_or_are_told_by_the_size_of_their_digests() -> None:
    expected = {"sha1": SHA1, "sha256": SHA256}
    assert parse_pcr_values(json.dumps({"sha1": told(SHA1), "sha256": told(SHA256)}).encode()) == expected
    lines = [f"{pcr}: {value}" for pcr, value in {**told(SHA1), **told(SHA256)}.items()]
    assert parse_pcr_values("\n".join(lines).encode()) == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "there are none"),
        (b"{}", "there are none"),
        (b"a" * 70_000, "at most 65536"),
        (b"\xff", "neither text"),
        (b"{", "not JSON"),
        (b'{"0": "00", "0": "00"}', "stands twice"),
        (b'{"0": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"0": 7}', "no value of a PCR"),
        (b'{"x": "00"}', "no value of a PCR"),
        (b'{"0": {"1": {"2": "00"}}}', "no value of a PCR"),
        (b'{"0":' * 9 + b"}" * 9, "another shape"),
        (b'{"0": []}', "another shape"),
        (b'{"0": "abc"}', "half a byte"),
        (b'{"0": "abcd"}', "2 bytes"),
        (b'{"md5": {"0": "' + b"00" * 16 + b'"}}', "bank md5"),
        (b'{"sha1": {"0": "' + b"00" * 32 + b'"}}', "bank sha1"),
        (b"32: " + b"00" * 32, "there is none"),
        (b"1: " + b"00" * 32 + b"\n1: " + b"00" * 32, "stands twice"),
        (b"1: " + b"00" * 32 + b"\nhello", "line 2"),
    ],
)
def test_malformed_text_is_refused_and_says_why(raw: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        parse_pcr_values(raw)
