"""The inspector's report, whose form others rely on."""

import json
from pathlib import Path

import pytest

from reconciler.attest.eventlog.inspection import inspect_log
from reconciler.attest.reader import MalformedError
from tests.support.eventlogs import AGILE, OLD, new, old, spec_id

REAL_LOG = (Path(__file__).parent / "data" / "ovmf-uki.eventlog").read_bytes()


def test_the_report_is_plain_json_with_the_documented_fields() -> None:
    report = inspect_log(REAL_LOG).as_json()
    assert json.loads(json.dumps(report)) == report
    assert set(report) == {"format", "events", "pcrs", "startup_locality", "workarounds"}
    fields = {"index", "pcr", "type", "type_name", "digests", "data", "description", "verified"}
    assert all(set(event) == fields for event in report["events"])
    assert (report["format"], report["startup_locality"], report["workarounds"]) == ("crypto-agile", None, [])
    assert list(report["pcrs"]) == ["sha256"]
    assert sorted(map(int, report["pcrs"]["sha256"])) == [0, 1, 2, 3, 4, 5, 6, 7, 9, 11]


def test_an_event_is_verified_bank_by_bank_and_one_that_is_not_extended_is_neither() -> None:
    spec, first, *_ = inspect_log(AGILE).as_json()["events"]
    assert (spec["type_name"], spec["verified"]) == ("EV_NO_ACTION", None)
    assert first["verified"] == {"sha1": True, "sha256": True, "sha384": True, "sha512": True}
    assert first["digests"]["sm3_256"] == "00" * 32


def test_pcr_0_is_shown_and_other_pcrs_without_events_are_not() -> None:
    report = inspect_log(old(pcr=3) + old(pcr=0, kind=3, data=b"StartupLocality\0\4")).as_json()
    assert (report["format"], report["startup_locality"]) == ("sha1", 4)
    assert set(report["pcrs"]["sha1"]) == {"0", "3"}
    assert report["pcrs"]["sha1"]["0"] == "00" * 19 + "04"


def test_a_bank_with_gaps_or_without_a_hash_has_no_values() -> None:
    report = inspect_log(spec_id("sha1", "sha256", "sm3_256") + new("sha1")).as_json()
    assert list(report["pcrs"]) == ["sha1"]
    alone = inspect_log(spec_id("sm3_256")).as_json()
    assert (alone["pcrs"], alone["startup_locality"]) == ({}, None)


def test_workarounds_that_parsing_needed_are_named() -> None:
    assert inspect_log(OLD + b"\xff" * 8).as_json()["workarounds"] == ["padding-at-the-end"]


def test_a_malformed_log_has_no_report() -> None:
    with pytest.raises(MalformedError):
        inspect_log(REAL_LOG[:-1])
