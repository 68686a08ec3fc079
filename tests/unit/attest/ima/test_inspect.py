import json
from dataclasses import replace

import pytest

from reconciler.attest.ima.inspect import inspect_ima
from reconciler.attest.reader import MalformedError
from tests.support.imalogs import RSA, Line, aggregate_of, ascii_of, binary_of, quoted_after, signed, value_after

LINES = [
    aggregate_of(),
    Line(path=b"/x\xff"),
    signed(Line(path=b"/signed"), key=RSA),
    Line(path=b"/garbage", template=b"ima-sig", tail=(b"g",)),
    Line(path=b"kexec-cmdline", template=b"ima-buf", content=b"ro", tail=(b"ro",)),
    Line(path=b"/tree", template=b"ima-ngv2", algorithm=b"verity:sha256"),
    Line(path=b"/v", is_violation=True, pcr=11),
]


@pytest.mark.parametrize("build", [binary_of, ascii_of])
def test_a_log_is_told_entry_by_entry(build: object) -> None:
    report = inspect_ima(build(LINES))  # type: ignore[operator]
    assert json.loads(json.dumps(report)) == report
    assert report["format"] == ("binary" if build is binary_of else "ascii")
    assert report["template_hash"] == "sha1"
    assert report["templates"] == {"ima-buf": 1, "ima-ng": 3, "ima-ngv2": 1, "ima-sig": 2}
    assert report["violations"] == 1
    assert report["notes"] == []
    assert report["pcrs"]["sha256"] == {"10": value_after(LINES).hex(), "11": value_after(LINES, pcr=11).hex()}
    assert report["pcrs"]["sha1"]["10"] == value_after(LINES, bank="sha1").hex()
    assert report["pcrs_padded_sha1"]["sha384"]["10"] == value_after(LINES, bank="sha384", is_padded=True).hex()
    first, odd, with_key, garbage, buffer, tree, violation = report["entries"]
    assert first == {
        "index": 0,
        "pcr": 10,
        "template": "ima-ng",
        "template_hash": LINES[0].stated().hex(),
        "template_hash_verified": True,
        "violation": False,
        "algorithm": "sha256",
        "digest": LINES[0].file_digest.hex(),
        "path": "boot_aggregate",
    }
    assert odd["path"] == "/x\\xff"
    assert with_key["signature"]["key_id"] == LINES[2].tail[0][3:7].hex()
    assert garbage["signature"] == {"size": 1, "key_id": None}
    assert buffer["buffer"]["size"] == 2
    assert tree["kind"] == "verity"
    assert (violation["violation"], violation["template_hash_verified"]) == (True, None)


def test_quoted_values_tell_how_much_is_covered() -> None:
    values = quoted_after(LINES[:2]) | {"sha512": {10: bytes(64)}, "sha1": {}, "sm3_256": {10: bytes(32)}}
    values["sha384"] = {10: value_after(LINES[:3], bank="sha384", is_padded=True)}
    values["sha512"] = {10: b"\1" * 64}
    report = inspect_ima(binary_of(LINES), values=values)
    assert report["covered"] == {
        "sha256": {"entries": 2, "pending": 5, "rule": "native"},
        "sha384": {"entries": 3, "pending": 4, "rule": "padded-sha1"},
        "sha512": None,
        "sha1": None,
        "sm3_256": None,
    }


def test_a_template_hash_that_is_not_that_of_the_data_is_noted() -> None:
    changed = bytearray(binary_of(LINES))
    changed[5] ^= 1
    report = inspect_ima(bytes(changed))
    assert report["entries"][0]["template_hash_verified"] is False
    assert report["notes"] == ["the template hash is not that of the data in 1 entries: 0"]


@pytest.mark.parametrize("bank", ["sha256", "sha384", "sha512"])
def test_a_list_of_another_bank_is_recognized(bank: str) -> None:
    report = inspect_ima(binary_of(LINES, bank=bank))
    assert report["template_hash"] == bank
    assert all(entry["template_hash_verified"] in (True, None) for entry in report["entries"])


def test_a_list_of_a_bank_that_cannot_be_replayed_says_so() -> None:
    line = Line().ascii("sha256").replace(Line().stated("sha256").hex().encode(), b"7d" * 32)
    report = inspect_ima(line)
    assert report["template_hash"] is None
    assert report["entries"][0]["template_hash_verified"] is None
    assert "sm3_256" in report["notes"][0]


def test_only_violations_do_not_tell_another_bank() -> None:
    line = replace(LINES[-1], pcr=10)
    assert inspect_ima(binary_of([line], bank="sha256"))["template_hash"] == "sha256"


def test_what_cannot_be_read_is_listed_all_the_same() -> None:
    report = inspect_ima(binary_of([Line(template=b"x-new"), Line(path=b"/\0")]))
    assert "path" not in report["entries"][0]
    assert "zero byte" in report["entries"][1]["error"]


def test_a_malformed_file_is_refused() -> None:
    with pytest.raises(MalformedError):
        inspect_ima(b"nonsense")
