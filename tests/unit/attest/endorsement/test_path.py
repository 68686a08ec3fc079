"""Paths from an EK's certificate to an anchor, and why there is none."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import NameOID

from reconciler.attest.endorsement.anchors import read_anchors
from reconciler.attest.endorsement.certificate import describe, parse_certificate
from reconciler.attest.endorsement.path import MAX_CHECKS, MAX_LENGTH, Path, find_path
from reconciler.attest.verdict import Reason
from tests.support import pki, softkeys
from tests.support.pki import AUTHORITY, NOW, Authority, authority, ek

ROOT = authority("Root")
MIDDLE = authority("Middle", by=ROOT)
WEAK = hashes.SHA224()  # SHA-1 needs a build of cryptography that still signs with it; the rule is the same.


def search(
    certificate: bytes, roots: Sequence[Authority], *pool: Authority, at: datetime | None = NOW
) -> tuple[Path | None, list[Reason]]:
    anchors = read_anchors(tuple(one.pem for one in roots), tuple(one.pem for one in pool), ())
    return find_path(parse_certificate(certificate), anchors=anchors, at=at)


def codes(certificate: bytes, roots: Sequence[Authority], *pool: Authority) -> list[str]:
    _, reasons = search(certificate, roots, *pool)
    return [reason.code for reason in reasons]


def fingerprints(path: Path | None) -> list[str]:
    assert path is not None
    return [one.fingerprint for one in path]


def print_of(one: Authority) -> str:
    return one.certificate.fingerprint(hashes.SHA256()).hex()


def test_an_intermediate_leads_to_its_root_and_vouches_for_nobody_alone() -> None:
    certificate = ek(MIDDLE)
    path, reasons = search(certificate, [ROOT], MIDDLE)
    assert reasons == []
    assert fingerprints(path)[1:] == [print_of(MIDDLE), print_of(ROOT)]
    path, reasons = search(certificate, [], MIDDLE)
    assert path is None
    assert [reason.code for reason in reasons] == ["EkIssuerUnknown"]
    assert "certificate CN=Middle (serial 0x1)" in reasons[0].message
    assert reasons[0].found == "CN=Root"


def test_an_intermediate_among_the_roots_is_an_anchor_whose_own_signature_is_not_looked_at() -> None:
    stranger = authority("Weak middle", by=authority("Unknown"), algorithm=WEAK)
    path, reasons = search(ek(stranger), [stranger])
    assert reasons == []
    assert len(path or ()) == 2


def test_the_first_path_without_a_flaw_is_taken() -> None:
    old = authority("Middle", by=ROOT, end=pki.PAST, serial=2)
    path, reasons = search(ek(MIDDLE), [ROOT], old, MIDDLE)
    assert reasons == []
    assert fingerprints(path)[1] == print_of(MIDDLE)
    _, reasons = search(ek(MIDDLE), [ROOT], old)
    assert [reason.code for reason in reasons] == ["EkCertificateExpired"]


def test_of_flawed_paths_the_one_with_the_fewest_flaws_is_told() -> None:
    worse = authority("Middle", by=ROOT, end=pki.PAST, extensions=[(pki.SIGNS, True)], serial=2)
    better = authority("Middle", by=ROOT, end=pki.PAST, serial=3)
    for pool in ([worse, better], [better, worse]):
        assert codes(ek(MIDDLE), [ROOT], *pool) == ["EkCertificateExpired"]


def test_certificates_of_one_name_are_told_apart_by_their_keys() -> None:
    others = [authority("Middle", by=ROOT, key=softkeys.ec_key(f"other {number}")) for number in range(5)]
    path, reasons = search(ek(MIDDLE), [ROOT], *others, MIDDLE)
    assert reasons == []
    assert fingerprints(path)[1] == print_of(MIDDLE)
    assert codes(ek(MIDDLE), [ROOT], *others) == ["EkSignatureInvalid"]


def test_key_identifiers_are_a_hint_and_no_more() -> None:
    key = softkeys.ec_key("authority Middle").public_key()
    with_id = authority(
        "Middle", by=ROOT, extensions=[(AUTHORITY, True), (x509.SubjectKeyIdentifier.from_public_key(key), False)]
    )
    others = [authority("Middle", by=ROOT, key=softkeys.ec_key(f"other {one}")) for one in range(MAX_CHECKS + 5)]
    hint = x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    misleading = x509.AuthorityKeyIdentifier(b"elsewhere", None, None)
    broken = pki.raw_extension("2.5.29.35", b"\x04\x00")
    nobody = pki.raw_extension("2.5.29.35", b"\x30\x00")
    assert codes(ek(with_id, extensions=[(hint, False)]), [ROOT], *others, with_id) == []
    assert codes(ek(with_id), [ROOT], *others, with_id) == ["EkPathLimit"]
    for wrong in (misleading, broken, nobody):
        assert codes(ek(with_id, extensions=[(wrong, False)]), [ROOT], with_id) == []
    unreadable = authority(
        "Middle", by=ROOT, extensions=[(AUTHORITY, True), (pki.raw_extension("2.5.29.14", b""), False)]
    )
    assert codes(ek(with_id, extensions=[(hint, False)]), [ROOT], unreadable) == []


def test_names_that_differ_only_in_their_encoding_are_found() -> None:
    def spelled(text: str, kind: x509.name._ASN1Type) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text, kind)])

    shouted = spelled("ROOT   ONE", x509.name._ASN1Type.PrintableString)
    made = pki.certify(
        spelled("Root one", x509.name._ASN1Type.UTF8String),
        ROOT.key.public_key(),
        signer=ROOT.key,
        extensions=[(AUTHORITY, True)],
    )
    root = Authority(subject=made.subject, key=ROOT.key, certificate=made)
    assert codes(ek(Authority(subject=shouted, key=ROOT.key, certificate=made)), [root]) == []


def test_a_path_is_bounded_in_length() -> None:
    chain = [ROOT]
    for number in range(MAX_LENGTH):
        chain.append(authority(f"Level {number}", by=chain[-1]))
    assert codes(ek(chain[MAX_LENGTH - 2]), [ROOT], *chain[1:]) == []
    _, reasons = search(ek(chain[MAX_LENGTH - 1]), [ROOT], *chain[1:])
    assert [reason.code for reason in reasons] == ["EkPathLimit"]
    assert "longer than 8 certificates" in reasons[0].message


def test_certificates_that_issue_each_other_do_not_keep_the_search_busy() -> None:
    """Fourteen keys of one name, each certified by each other: paths without end, and none to an anchor."""
    keys = [softkeys.ec_key(f"ring {number}") for number in range(14)]
    rings = [Authority(subject=pki.name("Ring"), key=key, certificate=ROOT.certificate) for key in keys]
    crossed = [
        authority("Ring", key=subject.key, by=issuer, serial=index + 1)
        for index, (subject, issuer) in enumerate((a, b) for a in rings for b in rings if a is not b)
    ]
    assert "EkPathLimit" in codes(ek(rings[0]), [ROOT], *crossed)


def test_many_paths_over_few_keys_are_given_up() -> None:
    """Few signatures, since the same key signed all, but more partial paths than are tried."""
    names = [f"Stage {number}" for number in range(6)]
    stages = [authority(one, key=softkeys.ec_key(one)) for one in names]
    pool = [
        authority(lower, key=softkeys.ec_key(lower), by=upper, serial=copy + 1)
        for lower, upper in zip(names, stages[1:], strict=False)
        for copy in range(4)
    ]
    codes_found = codes(ek(stages[0]), [ROOT], *pool)
    assert "EkPathLimit" in codes_found


@pytest.mark.parametrize(
    ("extensions", "rule"),
    [
        ([], "6.1.4 (k)"),
        ([(pki.RECEIVES, True), (AUTHORITY, True)], "6.1.4 (n)"),
        ([(AUTHORITY, True), (pki.raw_extension("1.2.3.4", b""), True)], "extension 1.2.3.4 is not understood"),
        ([(AUTHORITY, True), (pki.raw_extension("2.5.29.30", b"\x30\x00"), True)], "nameConstraints"),
        ([(AUTHORITY, True), (pki.SERVER_USAGE, True)], "4.2.1.12"),
        ([(pki.raw_extension("2.5.29.19", b"\x30\x04\x02\x02\x00\x00\x00"), True)], "is not one element"),
        ([(pki.raw_extension("2.5.29.19", b"\x30\x06\x01\x01\xff\x02\x01\xff"), True)], "something else than a path"),
        ([(pki.raw_extension("2.5.29.19", b"\x30\x08\x01\x01\xff\x02\x01\x00\x05\x00"), True)], "followed by another"),
        ([(AUTHORITY, True), (pki.raw_extension("2.5.29.15", b"\x03\x01\x00"), True)], "not a string of bits"),
        ([(AUTHORITY, True), (pki.raw_extension("2.5.29.15", b"\x05\x00"), True)], "0x03"),
    ],
)
def test_an_issuer_says_by_which_rule_it_may_not_issue(extensions: pki.Extensions, rule: str) -> None:
    unfit = authority("Middle", by=ROOT, extensions=extensions)
    for roots, pool in (([ROOT], [unfit]), ([unfit], [])):
        _, reasons = search(ek(unfit), roots, *pool)
        assert {reason.code for reason in reasons} == {"EkIssuerUnfit"}
        assert any(rule in reason.message and "CN=Middle" in reason.message for reason in reasons)


@pytest.mark.parametrize(
    "extensions",
    [
        [(AUTHORITY, False)],
        [(AUTHORITY, True), (pki.EK_USAGE, True)],
        [(AUTHORITY, True), (pki.SERVER_USAGE, False)],
        [(pki.raw_extension("2.5.29.19", b"\x30\x06\x01\x01\xff\x02\x01\x00"), True)],
        [
            (AUTHORITY, True),
            (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)]), True),
        ],
    ],
)
def test_odd_but_harmless_issuers_are_accepted(extensions: pki.Extensions) -> None:
    odd = authority("Middle", by=ROOT, extensions=extensions)
    assert codes(ek(odd), [ROOT], odd) == []


def test_a_path_length_counts_the_authorities_below_and_not_those_issued_to_themselves() -> None:
    def limited(length: int) -> list[tuple[x509.ExtensionType, bool]]:
        return [(x509.BasicConstraints(ca=True, path_length=length), True)]

    narrow = authority("Narrow", extensions=limited(0))
    assert codes(ek(narrow), [narrow]) == []
    below = authority("Below", by=narrow)
    _, reasons = search(ek(below), [narrow], below)
    assert [reason.code for reason in reasons] == ["EkIssuerUnfit"]
    assert "1 authorities are below it, and 0 may be (RFC 5280, 6.1.4 (m))" in reasons[0].message
    renewed = authority("Narrow", by=narrow, key=softkeys.ec_key("renewed"))
    assert codes(ek(renewed), [narrow], renewed) == []


def test_every_certificate_of_the_path_must_be_within_its_dates() -> None:
    past = datetime(2021, 1, 1, tzinfo=UTC)
    old_root = authority("Root", end=past)
    middle = authority("Middle", by=old_root, end=past)
    path, reasons = search(ek(middle, end=past), [old_root], middle)
    assert [reason.code for reason in reasons] == ["EkCertificateExpired"] * 3
    assert [describe(one) in reason.message for one, reason in zip(path or (), reasons, strict=True)] == [True] * 3
    assert reasons[0].expected == "2020-01-01T00:00:00+00:00 to 2021-01-01T00:00:00+00:00"
    assert search(ek(middle, end=past), [old_root], middle, at=None)[1] == []


@pytest.mark.parametrize("which", ["ek", "middle"])
def test_a_weak_signature_is_refused_except_on_an_anchor(which: str) -> None:
    middle = authority("Middle", by=ROOT, algorithm=WEAK if which == "middle" else None)
    certificate = ek(middle, algorithm=WEAK if which == "ek" else None, subject="EK")
    _, reasons = search(certificate, [ROOT], middle)
    assert [reason.code for reason in reasons] == ["EkSignatureAlgorithm"]
    assert ("CN=EK" if which == "ek" else "CN=Middle") in reasons[0].message
    assert "ecdsa-with-SHA224 is not accepted" in reasons[0].message
    assert codes(ek(middle), [middle]) == []


def test_signing_keys_that_are_too_weak_are_refused() -> None:
    for key in (pki.rsa_key(1024), ec.generate_private_key(ec.SECP256K1())):
        weak = authority("Weak", key=key)
        assert codes(ek(weak), [weak]) == ["EkSignatureInvalid"]


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
@pytest.mark.parametrize("salt", [0, 20, 32])
def test_rsa_pss_is_accepted_with_its_parameters(digest: hashes.HashAlgorithm, salt: int) -> None:
    root = authority("PSS", key=softkeys.rsa_key("pss"))
    scheme = padding.PSS(padding.MGF1(digest), salt)
    assert codes(ek(root, algorithm=digest, pss=scheme), [root]) == []


def test_a_signature_by_another_kind_of_key_does_not_hold() -> None:
    rsa_root, ec_root = authority("Root", key=softkeys.rsa_key("r")), authority("Root")
    assert codes(ek(ec_root), [rsa_root]) == ["EkSignatureInvalid"]
    assert codes(ek(rsa_root), [ec_root]) == ["EkSignatureInvalid"]


def test_what_is_no_certificate_vouches_for_nobody_and_is_told() -> None:
    anchors = read_anchors((b"nothing", ROOT.der, b"\x30\x82nothing"), (b"-----BEGIN X-----\n",), ())
    assert [(one.source, one.message) for one in anchors.problems] == [
        ("root 1", "holds no certificate"),
        ("root 3", anchors.problems[1].message),
        ("intermediate 1", "1 blocks are not whole, or no certificates"),
    ]
    path, reasons = find_path(parse_certificate(ek(ROOT)), anchors=anchors, at=NOW)
    assert (len(path or ()), reasons) == (2, [])


def test_a_bundle_beyond_the_limit_is_told() -> None:
    bundle = ROOT.pem * 4097
    assert [one.message for one in read_anchors((bundle,), (), ()).problems] == ["more than 4096 certificates"]


def test_a_root_may_carry_openssls_trust_settings() -> None:
    text = ROOT.certificate.public_bytes(serialization.Encoding.DER) + b"\x30\x08\x30\x06\x06\x04\x2a\x03\x04\x05"
    trusted = (
        b"-----BEGIN TRUSTED CERTIFICATE-----\n" + base64.encodebytes(text) + b"-----END TRUSTED CERTIFICATE-----\n"
    )
    anchors = read_anchors((trusted,), (), ())
    assert anchors.problems == ()
    assert find_path(parse_certificate(ek(ROOT)), anchors=anchors, at=NOW)[1] == []
