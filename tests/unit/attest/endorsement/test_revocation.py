"""Revocation: who is refused, by which list, and what an unusable or stale list means."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from reconciler.attest.endorsement.anchors import read_anchors
from reconciler.attest.endorsement.certificate import parse_certificate
from reconciler.attest.endorsement.ek import Judged, check_endorsement, judge, pin_of
from tests.support import pki, softkeys
from tests.support.lies import flip
from tests.support.pki import LATER, LONG_PAST, NOW, PAST, Authority, authority, ek, raw_extension, revocations

ROOT = authority("Root", serial=100)
MIDDLE = authority("Middle", by=ROOT, serial=101)
EK = ek(MIDDLE, serial=102)


def judged(
    *crls: bytes,
    certificate: bytes = EK,
    roots: Sequence[Authority] = (ROOT,),
    pool: Sequence[Authority] = (MIDDLE,),
    at: datetime | None = NOW,
) -> Judged:
    anchors = read_anchors(tuple(one.pem for one in roots), tuple(one.pem for one in pool), crls)
    return judge(parse_certificate(certificate), anchors=anchors, at=at)


def codes(*crls: bytes, **rest: object) -> list[str]:
    return [reason.code for reason in judged(*crls, **rest).reasons]  # type: ignore[arg-type]


def test_without_lists_nothing_is_known_and_nothing_consulted() -> None:
    found = judged()
    assert (found.reasons, found.lists) == ((), ())


def test_lists_that_name_nobody_of_the_path_are_consulted_and_recorded() -> None:
    found = judged(revocations(ROOT, 7, 8), revocations(MIDDLE, extensions=[(x509.CRLNumber(9), False)]))
    assert found.reasons == ()
    assert [(one.issuer, one.number) for one in found.lists] == [("CN=Middle", 9), ("CN=Root", None)]
    assert (found.lists[0].this_update, found.lists[0].next_update) == (pki.EARLIER, LATER)


def test_a_revoked_ek_is_refused_with_the_date_and_the_reason() -> None:
    (reason,) = judged(revocations(MIDDLE, 1, 102, 3, reason=x509.ReasonFlags.key_compromise)).reasons
    assert reason.code == "EkRevoked"
    assert reason.found == pki.EARLIER.isoformat()
    assert "(serial 0x66) was revoked (key compromise) by CN=Middle (RFC 5280, 6.3.3 (j))" in reason.message


def test_a_revoked_intermediate_is_refused_and_no_other_way_is_searched() -> None:
    other = authority("Middle", by=ROOT, serial=103)
    assert codes(revocations(ROOT, 101), pool=[MIDDLE, other]) == ["EkRevoked"]


def test_an_anchor_that_its_own_issuer_revoked_is_refused() -> None:
    assert codes(revocations(ROOT, 101), roots=[ROOT, MIDDLE], pool=[]) == ["EkRevoked"]
    assert codes(revocations(ROOT, 100)) == ["EkRevoked"]


def test_an_ek_without_a_path_is_looked_up_all_the_same() -> None:
    orphan = ek(authority("Middle", key=softkeys.ec_key("another")), serial=102)
    assert codes(revocations(MIDDLE, 102), certificate=orphan) == ["EkSignatureInvalid", "EkRevoked"]


@pytest.mark.parametrize("content", [b"\xff", b"\x00\xff"])
def test_a_serial_number_is_found_with_and_without_its_sign_byte(content: bytes) -> None:
    date = pki.element(0x17, b"260501000000Z")
    issuer = MIDDLE.subject.public_bytes()
    entry = pki.sequence(pki.element(0x02, content), date)
    crl = pki.sign_list(MIDDLE, issuer, date, pki.element(0x17, b"260701000000Z"), pki.sequence(entry))
    assert codes(crl, certificate=ek(MIDDLE, serial=255)) == ["EkRevoked"]


def test_a_stale_list_is_never_a_yes() -> None:
    stale = revocations(MIDDLE, issued=LONG_PAST, due=PAST)
    (reason,) = judged(stale).reasons
    assert reason.code == "EkCrlStale"
    assert (reason.expected, reason.found) == (PAST.isoformat(), NOW.isoformat())
    assert "CN=Middle" in reason.message
    assert codes(stale, at=None) == []
    assert codes(revocations(MIDDLE, due=NOW)) == []
    assert codes(revocations(MIDDLE, due=NOW - timedelta(seconds=1))) == ["EkCrlStale"]


def test_the_newest_list_counts_for_freshness_and_every_list_for_revocation() -> None:
    stale = revocations(MIDDLE, 102, issued=LONG_PAST, due=PAST)
    fresh = revocations(MIDDLE)
    assert codes(revocations(MIDDLE, issued=LONG_PAST, due=PAST), fresh) == []
    assert codes(fresh, revocations(MIDDLE, issued=LONG_PAST, due=PAST)) == []
    assert codes(stale, fresh) == ["EkRevoked"]


def test_a_list_made_after_the_evidence_counts() -> None:
    assert codes(revocations(MIDDLE, 102, issued=NOW + timedelta(days=1))) == ["EkRevoked"]
    assert codes(revocations(MIDDLE, issued=NOW + timedelta(days=1))) == []


def test_a_stale_list_of_the_root_is_told_once() -> None:
    assert codes(revocations(ROOT, issued=LONG_PAST, due=PAST)) == ["EkCrlStale"]


def test_a_list_that_does_not_say_when_the_next_is_due_is_stale() -> None:
    date = pki.element(0x17, b"260501000000Z")
    crl = pki.sign_list(MIDDLE, MIDDLE.subject.public_bytes(), date)
    (reason,) = judged(crl).reasons
    assert reason.code == "EkCrlStale"
    assert "5.1.2.5" in reason.message


def point(**only: bool) -> x509.IssuingDistributionPoint:
    fields: dict[str, bool] = {
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
        **only,
    }
    uri = None if any(only.values()) else [x509.UniformResourceIdentifier("http://crl.example/1")]
    return x509.IssuingDistributionPoint(full_name=uri, relative_name=None, only_some_reasons=None, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("only", "stale_users", "stale_authorities"),
    [
        ({"only_contains_user_certs": True}, ["EkCrlStale"], []),
        ({"only_contains_ca_certs": True}, [], ["EkCrlStale"]),
        ({}, ["EkCrlStale"], ["EkCrlStale"]),
    ],
)
def test_a_list_for_one_kind_of_certificate_must_be_fresh_for_that_kind(
    only: dict[str, bool], stale_users: list[str], stale_authorities: list[str]
) -> None:
    scoped = [(point(**only), True)]
    assert codes(revocations(MIDDLE, issued=LONG_PAST, due=PAST, extensions=scoped)) == stale_users
    assert codes(revocations(ROOT, issued=LONG_PAST, due=PAST, extensions=scoped)) == stale_authorities
    assert codes(revocations(MIDDLE, extensions=scoped)) == []
    assert codes(revocations(MIDDLE, 102, extensions=scoped)) == ["EkRevoked"]


def test_a_fresh_list_of_another_scope_does_not_make_a_stale_one_fresh() -> None:
    stale = revocations(MIDDLE, issued=LONG_PAST, due=PAST)
    assert codes(stale, revocations(MIDDLE, extensions=[(point(), True)])) == ["EkCrlStale"]


@pytest.mark.parametrize(
    ("crl", "why"),
    [
        (b"nothing", "longer than what holds it"),
        (revocations(MIDDLE)[:-1], "longer than what holds it"),
        (revocations(MIDDLE) + b"\0", "is not one element"),
        (revocations(authority("Stranger")), "no certificate of its issuer CN=Stranger"),
        (revocations(MIDDLE, key=softkeys.ec_key("x")), "is not signed by its issuer CN=Middle"),
        (revocations(MIDDLE, algorithm=hashes.SHA224()), "ecdsa-with-SHA224 is not accepted"),
        (revocations(MIDDLE, extensions=[(x509.DeltaCRLIndicator(1), True)]), "2.5.29.27 is not understood"),
        (revocations(MIDDLE, extensions=[(point(indirect_crl=True), True)]), "is an indirect one"),
        (revocations(MIDDLE, extensions=[(point(only_contains_attribute_certs=True), True)]), "attribute certificates"),
        (
            revocations(MIDDLE, 1, entry_extensions=[(raw_extension("2.5.29.29", b"\x30\x00"), True)]),
            "entry's critical extension 2.5.29.29",
        ),
        (b"-----BEGIN X509 CRL-----\nMAA=\n", "not whole, or no lists"),
        (b"-----BEGIN X509 CRL-----\nM\n-----END X509 CRL-----\n", "not base64"),
    ],
)
def test_a_list_that_cannot_be_used_refuses_every_ek(crl: bytes, why: str) -> None:
    for certificate in (EK, ek(ROOT)):
        (reason,) = judged(revocations(ROOT), crl, certificate=certificate).reasons
        assert reason.code == "EkCrlInvalid"
        assert reason.message.startswith("list 2 of trust/ek-crls cannot be used")
        assert why in reason.message


def test_an_issuer_that_may_not_sign_lists_cannot_speak_by_one() -> None:
    mute = authority(
        "Mute", extensions=[(pki.AUTHORITY, True), (raw_extension("2.5.29.15", b"\x03\x02\x02\x04"), True)]
    )
    (reason,) = judged(revocations(mute), certificate=ek(mute), roots=[mute], pool=[]).reasons
    assert reason.code == "EkCrlInvalid"
    assert "CN=Mute" in reason.message
    assert "lacks cRLSign" in reason.message


def test_an_issuer_without_a_key_usage_may_sign_lists() -> None:
    plain = authority("Plain", extensions=[(pki.AUTHORITY, True)])
    assert codes(revocations(plain), certificate=ek(plain), roots=[plain], pool=[]) == []


def test_a_list_of_another_key_of_the_same_name_says_nothing() -> None:
    """Makers renew an authority under its old name; each key has its own list and its own serial numbers."""
    renewed = authority("Middle", by=ROOT, key=softkeys.ec_key("renewed middle"), serial=104)
    theirs = revocations(renewed, 102, issued=LONG_PAST, due=PAST)
    found = judged(theirs, revocations(MIDDLE), pool=[MIDDLE, renewed])
    assert found.reasons == ()
    assert len(found.lists) == 1


def test_lists_come_as_pem_too_and_several_in_one_file() -> None:
    pem = serialization.Encoding.PEM
    bundle = b"# lists\n" + revocations(ROOT, encoding=pem) + revocations(MIDDLE, 102, encoding=pem)
    assert codes(bundle) == ["EkRevoked"]
    short = b"-----BEGIN CRL-----\n" + base64.encodebytes(revocations(MIDDLE, 102)) + b"-----END CRL-----\n"
    assert codes(short) == ["EkRevoked"]


def test_every_flipped_byte_of_a_list_refuses() -> None:
    crl = revocations(MIDDLE, 1, 2, reason=x509.ReasonFlags.superseded, extensions=[(x509.CRLNumber(3), False)])
    assert codes(crl) == []
    for index in range(len(crl)):
        assert codes(flip(crl, index, bit=index % 8)) == ["EkCrlInvalid"], f"byte {index}"


def test_every_flipped_byte_of_a_certificate_below_the_anchor_refuses() -> None:
    """An anchor is what the state repository says it is: its own signature is not looked at."""
    fitting = {"EkCertificateMalformed", "EkSignatureInvalid", "EkIssuerUnknown", "EkSignatureAlgorithm"}
    anchors = read_anchors((ROOT.pem,), (MIDDLE.pem,), ())
    pin = pin_of(parse_certificate(EK))
    assert check_endorsement(EK, anchors=anchors, endorsement=pin, at=NOW).reasons == ()
    for index in range(len(EK)):
        found = check_endorsement(flip(EK, index, bit=index % 8), anchors=anchors, endorsement=pin, at=NOW)
        assert {reason.code for reason in found.reasons} & fitting, f"byte {index} of the EK's"
    for index in range(len(MIDDLE.der)):
        changed = read_anchors((ROOT.der,), (flip(MIDDLE.der, index, bit=index % 8),), ())
        found = check_endorsement(EK, anchors=changed, endorsement=pin, at=NOW)
        assert {reason.code for reason in found.reasons} & fitting, f"byte {index} of the intermediate"
