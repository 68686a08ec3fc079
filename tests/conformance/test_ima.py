from __future__ import annotations

import hashlib
import json

import pytest

from reconciler.attest.ima.check import check_ima
from reconciler.attest.ima.inspect import inspect_ima
from reconciler.attest.ima.keylime import import_runtime_policy
from reconciler.attest.ima.log import parse_ima_log
from reconciler.attest.ima.reference import ImaReference
from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.model.ima import BootAggregate, ImaPolicy
from tests.conformance.vectors import data, document, needs_vectors

pytestmark = needs_vectors

LOGS = ["sha1", "sha256", "sm3_256"]


def policy_of(section: object) -> ImaPolicy:
    return ImaPolicy.model_validate_json(json.dumps(section))


@pytest.mark.parametrize("algorithm", LOGS)
def test_keylimes_logs_parse(algorithm: str) -> None:
    report = inspect_ima(data(f"keylime/ima-log-{algorithm}"))
    assert report["format"] == "ascii"
    assert [(entry["path"], entry["algorithm"], entry["template"]) for entry in report["entries"]] == [
        ("boot_aggregate", algorithm, "ima-ng"),
        ("/data", algorithm, "ima-ng"),
    ]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_keylimes_template_hashes_are_those_of_the_data_that_was_read(algorithm: str) -> None:
    log = parse_ima_log(data(f"keylime/ima-log-{algorithm}"))
    stated = [found for found in zip(log.hashes, log.datas, strict=True) if found[0] != log.zero]
    assert stated
    for template_hash, content in stated:
        assert hashlib.sha1(content, usedforsecurity=False).digest() == template_hash


def test_a_log_of_the_sm3_bank_says_that_it_cannot_be_replayed_in_it() -> None:
    raw = data("keylime/ima-log-sm3_256")
    report = inspect_ima(raw)
    assert report["template_hash"] is None
    assert "cannot be replayed" in report["notes"][0]
    reference = ImaReference(ImaPolicy(digests={"/data": ("sha256:" + "0" * 64,)}))
    result = check_ima(raw, reference=reference, values={"sm3_256": {10: bytes(32)}}, bank="sm3_256")
    assert [reason.code for reason in result.reasons] == ["ImaBankUnsupported"]


def test_keylimes_sha256_log_is_appraised_entry_by_entry() -> None:
    raw = data("keylime/ima-log-sha256")
    log = parse_ima_log(raw)
    value = bytes(32)
    for content in log.datas:
        value = hashlib.sha256(value + hashlib.sha256(content).digest()).digest()
    values = {"sha256": {10: value}}
    entry = log.entry(1)
    assert entry is not None
    policy = ImaPolicy(
        digests={"/data": (f"sha256:{entry.digest.hex()}",)}, boot_aggregate=BootAggregate.UNSAFE_IGNORED
    )
    assert check_ima(raw, reference=ImaReference(policy), values=values).reasons == ()
    imported = policy_of(import_runtime_policy(data("keylime/policy-sha256"))[0])
    result = check_ima(raw, reference=ImaReference(imported), values=values)
    assert [(reason.code, reason.event) for reason in result.reasons] == [
        ("BootAggregateUnproven", 0),
        ("ImaUnknownFile", 1),
    ]


def test_the_sha256_policy_is_imported() -> None:
    section, notes = import_runtime_policy(data("keylime/policy-sha256"))
    digest = document("keylime/policy-sha256")["digests"]["/base_policy_data"][0]
    assert policy_of(section).digests == {"/base_policy_data": (f"sha256:{digest}",)}
    assert notes == ("digests: 1 digests name no algorithm; it was taken from their length",)


def test_the_runtime_policy_is_imported_and_what_it_cannot_say_is_noted() -> None:
    section, notes = import_runtime_policy(data("keylime/runtime-policy-test.json"))
    listed = document("keylime/runtime-policy-test.json")
    policy = policy_of(section)
    assert policy.digests == {
        path: tuple(f"sha1:{digest}" for digest in digests)
        for path, digests in listed["digests"].items()
        if path != "boot_aggregate"
    }
    assert policy.buffers == {".ima": (f"sha256:{listed['keyrings']['.ima'][0]}",)}
    assert policy.weakenings == ()
    said = "\n".join(notes)
    for part in ("boot_aggregate", "20 digests are by SHA-1", "do not sign files here"):
        assert part in said


def test_the_signed_policy_is_good_and_the_badly_signed_one_is_refused() -> None:
    key = data("keylime/runtime-policy-pubkey.pub")
    plain, _ = import_runtime_policy(data("keylime/runtime-policy-test.json"))
    signed, _ = import_runtime_policy(data("keylime/runtime-policy-test-signed.json"), key=key)
    assert signed == plain
    with pytest.raises(TrustError):
        import_runtime_policy(data("keylime/runtime-policy-test-signed-bad.json"), key=key)
    with pytest.raises(TrustError):
        import_runtime_policy(data("keylime/runtime-policy-test.json"), key=key)


def test_any_flipped_byte_of_the_signed_policy_is_refused_or_changes_nothing() -> None:
    key = data("keylime/runtime-policy-pubkey.pub")
    raw = data("keylime/runtime-policy-test-signed.json")
    good, _ = import_runtime_policy(raw, key=key)
    for index in range(0, len(raw), 7):
        changed = raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :]
        try:
            section, _ = import_runtime_policy(changed, key=key)
        except (TrustError, InputError):
            continue
        assert section == good, index
