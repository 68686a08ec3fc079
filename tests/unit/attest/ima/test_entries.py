import hashlib
from dataclasses import replace

import pytest

from reconciler.attest.ima.aggregate import boot_aggregates
from reconciler.attest.ima.check import check_ima
from reconciler.attest.ima.entries import show
from reconciler.attest.ima.reference import ImaReference
from reconciler.attest.verdict import Reason
from reconciler.model.ima import ImaPolicy
from tests.support.imalogs import (
    EC,
    PCRS,
    RSA,
    STRANGER,
    Line,
    aggregate_of,
    binary_of,
    pem_of,
    quoted_after,
    signature_over,
    signed,
)

KNOWN = Line(path=b"/usr/bin/known")
KEYS = (pem_of(RSA), pem_of(EC))


def policy(**more: object) -> ImaPolicy:
    return ImaPolicy(digests={"/usr/bin/known": (KNOWN.named,)}, keys=KEYS, **more)  # type: ignore[arg-type]


def reasons(*lines: Line, under: ImaPolicy | None = None, first: Line | None = None) -> list[Reason]:
    whole = [first or aggregate_of(), *lines]
    reference = ImaReference(under or policy())
    return list(check_ima(binary_of(whole), reference=reference, values=quoted_after(whole)).reasons)


def codes(*lines: Line, under: ImaPolicy | None = None) -> list[str]:
    return [reason.code for reason in reasons(*lines, under=under)]


def test_a_known_file_is_accepted_in_every_template() -> None:
    assert codes(KNOWN) == []
    assert codes(replace(KNOWN, template=b"ima-sig", tail=(b"",))) == []
    assert codes(replace(KNOWN, template=b"ima-ngv2", algorithm=b"ima:sha256")) == []
    assert codes(replace(KNOWN, template=b"ima-modsig", tail=(b"", b"", b""))) == []
    assert codes(replace(KNOWN, template=b"ima-sig", tail=(b"garbage",))) == []


def test_an_unknown_file_is_refused_with_its_path_digest_and_place() -> None:
    line = Line(path=b"/srv/evil\n\xff")
    (reason,) = reasons(KNOWN, line)
    assert reason == Reason(
        code="ImaUnknownFile",
        message="/srv/evil\\n\\xff is not in the policy",
        pcr=10,
        bank="sha256",
        event=2,
        event_type="ima-ng",
        found=line.named,
    )


def test_another_digest_is_refused_with_the_expected_ones() -> None:
    (reason,) = reasons(replace(KNOWN, content=b"changed"))
    assert (reason.code, reason.expected) == ("ImaDigestMismatch", KNOWN.named)
    many = ImaPolicy(digests={"/x": tuple(f"sha256:{number:064x}" for number in range(6))})
    (reason,) = reasons(Line(path=b"/x"), under=many)
    assert reason.expected is not None
    assert reason.expected.endswith("and 2 more")


def test_a_digest_counts_only_with_its_algorithm() -> None:
    same_bytes = replace(KNOWN, algorithm=b"sha3-256", digest=KNOWN.file_digest)
    assert codes(same_bytes) == ["ImaDigestMismatch"]


def test_sha1_counts_only_where_the_policy_says_so() -> None:
    line = Line(path=b"/old", algorithm=b"sha1")
    listed = ImaPolicy(digests={"/old": (line.named,)})
    waived = listed.model_copy(update={"unsafe_allow_sha1": True})
    for each in (line, replace(line, template=b"ima")):
        assert codes(each, under=listed) == ["ImaDigestWeak"]
        assert codes(each, under=waived) == []


def test_a_verity_digest_is_not_a_digest_of_content() -> None:
    tree = replace(KNOWN, template=b"ima-ngv2", algorithm=b"verity:sha256")
    assert codes(tree) == ["ImaDigestMismatch"]
    assert codes(tree, under=ImaPolicy(digests={"/usr/bin/known": (tree.named,)})) == []


def test_exclusions_match_whole_paths() -> None:
    under = policy(excludes=("/srv/[a-z]+",))
    assert codes(Line(path=b"/srv/abc"), under=under) == []
    assert codes(Line(path=b"/srv/abc/d"), under=under) == ["ImaUnknownFile"]
    assert codes(Line(path=b"/x/srv/abc"), under=under) == ["ImaUnknownFile"]


def test_an_exclusion_excuses_no_violation_and_no_buffer() -> None:
    under = policy(excludes=(".*",))
    assert codes(Line(is_violation=True), under=under) == ["ImaViolation"]
    assert codes(Line(path=b"x", template=b"ima-buf", content=b"b", tail=(b"b",)), under=under) == ["ImaUnknownBuffer"]


def test_a_violation_is_refused_unless_waived() -> None:
    violation = replace(KNOWN, is_violation=True)
    (reason,) = reasons(violation)
    assert (reason.code, reason.event) == ("ImaViolation", 1)
    assert "/usr/bin/known" in reason.message
    assert codes(violation, under=policy(unsafe_allow_violations=True)) == []
    (reason,) = reasons(Line(template=b"x", is_violation=True))
    assert "nothing that can be read" in reason.message
    (reason,) = reasons(Line(path=b"\0", is_violation=True))
    assert "nothing that can be read" in reason.message


@pytest.mark.parametrize("key", [RSA, EC], ids=["rsa", "ec"])
@pytest.mark.parametrize("algorithm", [b"sha256", b"sha512"])
def test_a_file_signed_by_a_named_key_is_accepted(key: object, algorithm: bytes) -> None:
    line = Line(path=b"/signed", algorithm=algorithm)
    number = {b"sha256": 4, b"sha512": 6}[algorithm]
    assert codes(signed(line, key=key, number=number), signed(line, key=key, number=number)) == []  # type: ignore[arg-type]


def test_a_verity_tree_signed_by_a_named_key_is_accepted() -> None:
    line = Line(path=b"/tree", template=b"ima-sigv2", algorithm=b"verity:sha256")
    digest = hashlib.sha256(b"\6\4" + line.file_digest).digest()
    good = replace(line, tail=(signature_over(digest, key=RSA, kind=6, version=3),))
    assert codes(good) == []
    assert codes(replace(good, content=b"other")) == ["ImaSignatureInvalid"]


GOOD = signed(Line(path=b"/signed"), key=RSA).tail[0]


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        (GOOD[:-1], "ImaSignatureInvalid"),
        (GOOD + b"\0", "ImaSignatureInvalid"),
        (GOOD[:8], "ImaSignatureInvalid"),
        (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "ImaSignatureInvalid"),
        (b"\5" + GOOD[1:], "ImaSignatureUnsupported"),
        (b"\6" + GOOD[1:], "ImaSignatureUnsupported"),
        (GOOD[:1] + b"\3" + GOOD[2:], "ImaSignatureUnsupported"),
        (GOOD[:2] + b"\x11" + GOOD[3:], "ImaSignatureUnsupported"),
        (GOOD[:2] + b"\6" + GOOD[3:], "ImaSignatureInvalid"),
        (GOOD[:2] + b"\2" + GOOD[3:], "ImaDigestWeak"),
        (GOOD[:3] + bytes(4) + GOOD[7:], "ImaKeyUnknown"),
        (signed(Line(path=b"/signed"), key=STRANGER).tail[0], "ImaKeyUnknown"),
        (signed(Line(path=b"/other"), key=RSA).tail[0], "ImaSignatureInvalid"),
        (b"", "ImaUnknownFile"),
    ],
)
def test_a_signature_that_does_not_hold_is_refused_with_the_fitting_reason(signature: bytes, code: str) -> None:
    line = Line(path=b"/signed", template=b"ima-sig", tail=(signature,))
    assert codes(line, line) == [code, code]


def test_a_digest_of_another_size_is_not_verified_as_one() -> None:
    short = Line(path=b"/signed", digest=bytes(20), template=b"ima-sig", tail=(GOOD,))
    assert codes(short) == ["ImaSignatureInvalid"]


def test_sha1_signatures_count_only_where_the_policy_says_so() -> None:
    line = signed(Line(path=b"/old", algorithm=b"sha1"), key=RSA, number=2)
    assert codes(line) == ["ImaDigestWeak"]
    assert codes(line, under=policy(unsafe_allow_sha1=True)) == []


def test_without_keys_a_signature_counts_for_nothing() -> None:
    unsigned = ImaPolicy(digests={"/usr/bin/known": (KNOWN.named,)})
    assert codes(signed(Line(path=b"/signed"), key=RSA), under=unsigned) == ["ImaUnknownFile"]


def test_a_named_file_with_another_digest_is_a_mismatch_even_if_badly_signed() -> None:
    assert codes(signed(replace(KNOWN, content=b"changed"), key=STRANGER)) == ["ImaDigestMismatch"]


BUFFER = Line(path=b"kexec-cmdline", template=b"ima-buf", content=b"ro quiet", tail=(b"ro quiet",))


def test_a_buffer_is_allowed_by_name_and_digest() -> None:
    under = policy(buffers={"kexec-cmdline": (BUFFER.named,)})
    assert codes(BUFFER, under=under) == []
    (reason,) = reasons(replace(BUFFER, content=b"rw", tail=(b"rw",)), under=under)
    assert (reason.code, reason.expected) == ("ImaUnknownBuffer", BUFFER.named)
    (reason,) = reasons(replace(BUFFER, path=b"dm_table_load"), under=under)
    assert (reason.code, reason.expected) == ("ImaUnknownBuffer", None)
    assert codes(replace(BUFFER, tail=(b"rw",)), under=under) == ["ImaDigestMismatch"]
    assert codes(replace(BUFFER, path=b"boot_aggregate"), under=under) == ["ImaUnknownBuffer"]
    assert codes(replace(BUFFER, algorithm=b"sm3", digest=bytes(32)), under=under) == ["ImaUnknownBuffer"]
    old = replace(BUFFER, algorithm=b"sha1")
    assert codes(old, under=policy(buffers={"kexec-cmdline": (old.named,)})) == ["ImaDigestWeak"]


def test_an_ignored_keyring_may_take_any_key() -> None:
    line = replace(BUFFER, path=b".ima")
    assert codes(line, under=policy(ignored_keyrings=(".ima",))) == []
    assert codes(line, under=policy(ignored_keyrings=(".evm",))) == ["ImaUnknownBuffer"]


def test_what_cannot_be_judged_is_refused() -> None:
    assert codes(Line(template=b"x-new")) == ["ImaTemplateUnknown"]
    assert codes(Line(path=b"/x\0/y")) == ["ImaMalformed"]


def test_a_path_that_is_not_text_is_in_no_policy() -> None:
    assert codes(Line(path=b"/\xff")) == ["ImaUnknownFile"]


@pytest.mark.parametrize("pcrs", [range(8), range(10)], ids=["0-7", "0-9"])
def test_the_boot_aggregate_is_made_by_either_rule(pcrs: range) -> None:
    assert reasons(KNOWN, first=aggregate_of(pcrs)) == []


def test_a_wrong_boot_aggregate_is_refused_and_says_what_was_expected() -> None:
    (reason,) = reasons(first=aggregate_of(range(7)))
    assert (reason.code, reason.event) == ("BootAggregateMismatch", 0)
    assert reason.expected is not None
    assert aggregate_of(range(8)).file_digest.hex() in reason.expected
    assert aggregate_of(range(10)).file_digest.hex() in reason.expected


def test_a_second_boot_aggregate_must_hold_too() -> None:
    assert codes(aggregate_of(), aggregate_of(range(8))) == []
    assert codes(aggregate_of(range(5))) == ["BootAggregateMismatch"]


def test_a_log_that_begins_with_something_else_is_refused() -> None:
    expected = ["BootAggregateMissing"]
    assert [reason.code for reason in reasons(first=KNOWN)] == expected
    disguised = Line(path=b"/boot_aggregate")
    under = ImaPolicy(digests={"/boot_aggregate": (disguised.named,)})
    assert [reason.code for reason in reasons(first=disguised, under=under)] == expected
    violated = replace(aggregate_of(), is_violation=True)
    waived = policy(unsafe_allow_violations=True)
    assert [reason.code for reason in reasons(first=violated, under=waived)] == expected
    malformed = Line(path=b"boot_aggregate\0")
    assert [reason.code for reason in reasons(first=malformed)] == [*expected, "ImaMalformed"]
    buffer = replace(BUFFER, path=b"boot_aggregate")
    allowed = policy(buffers={"boot_aggregate": (buffer.named,)})
    assert [reason.code for reason in reasons(first=buffer, under=allowed)] == expected


def test_a_digest_listed_for_the_boot_aggregate_does_not_make_it_true() -> None:
    wrong = aggregate_of(range(3))
    under = ImaPolicy(digests={"boot_aggregate": (wrong.named,)})
    assert [reason.code for reason in reasons(first=wrong, under=under)] == ["BootAggregateMismatch"]


def test_a_boot_aggregate_is_unproven_without_its_pcrs() -> None:
    lines = [aggregate_of()]
    quoted = quoted_after(lines)["sha256"]
    reference = ImaReference(policy())
    for absent in (0, 8):
        values = {"sha256": {pcr: value for pcr, value in quoted.items() if pcr != absent}}
        (reason,) = check_ima(binary_of(lines), reference=reference, values=values).reasons
        assert reason.code == "BootAggregateUnproven"
    unknown = replace(aggregate_of(), algorithm=b"sm3_256")
    assert [reason.code for reason in reasons(first=unknown)] == ["BootAggregateUnproven"]


def test_an_old_kernels_boot_aggregate_is_over_the_sha1_bank() -> None:
    old = {pcr: value[:20] for pcr, value in PCRS.items()}
    aggregates = boot_aggregates("sha256", values={"sha1": old})
    assert set(aggregates) == {"sha1:0-7"}
    assert set(boot_aggregates("sha1", values={"sha1": old})) == {"sha1:0-7"}
    lines = [replace(aggregate_of(), digest=aggregates["sha1:0-7"])]
    values = {**quoted_after(lines), "sha1": old}
    assert check_ima(binary_of(lines), reference=ImaReference(policy()), values=values).reasons == ()
    wrong = [aggregate_of(range(3), algorithm="sha1")]
    values = {**quoted_after(wrong), "sha1": old}
    (reason,) = check_ima(binary_of(wrong), reference=ImaReference(policy()), values=values).reasons
    assert reason.code == "BootAggregateMismatch"


def test_paths_are_shown_in_printable_characters_and_not_without_end() -> None:
    assert show(b"/\x1b[31m\xc3\xa9\xff") == "/\\x1b[31mé\\xff"
    assert len(show(b"x" * 4000)) == 256
