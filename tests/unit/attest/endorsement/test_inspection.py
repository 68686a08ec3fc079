"""Inspecting an EK certificate without a state repository, and loading stores of certificates."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.endorsement.anchors import load_store
from reconciler.attest.endorsement.inspection import EkReport, inspect_ek
from tests.support import pki
from tests.support.pki import NOW, authority, ek, revocations
from tests.support.softtpm import SoftTpm

ROOT = authority("Root")
MIDDLE = authority("Middle", by=ROOT)
EK = ek(MIDDLE, serial=0x1F)


def pem(data: bytes, label: str = "CERTIFICATE") -> bytes:
    return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(data) + f"-----END {label}-----\n".encode()


def inspect(data: bytes, **rest: object) -> EkReport:
    given_: dict[str, object] = {"roots": [ROOT.pem], "intermediates": [MIDDLE.pem], "crls": [], "at": NOW, **rest}
    return inspect_ek(data, **given_)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [EK, EK + b"\xff" * 300, pem(EK), b"text\n" + pem(EK, "TRUSTED CERTIFICATE")])
def test_der_pem_and_the_content_of_an_nv_index_are_taken(data: bytes) -> None:
    found = inspect(data)
    assert found.reasons == ()
    assert found.ek is not None
    assert found.ek.pin == SoftTpm("n1").endorsement
    assert found.ek.padding == (300 if data.endswith(b"\xff") else 0)
    assert found.ek.templates == ("L-2", "H-2")
    assert [one.subject for one in found.chain] == ["CN=Middle", "CN=Root"]
    assert "no revocation list was given for its issuers" in found.remarks


def test_a_report_is_json_with_stable_names() -> None:
    found = json.loads(json.dumps(inspect(EK, crls=[revocations(MIDDLE)]).to_json()))
    assert list(found) == ["ek", "chain", "revocation_lists", "reasons", "remarks", "problems", "judged_at"]
    assert found["ek"]["serial"] == "0x1f"
    assert found["ek"]["signature_algorithm"] == "ecdsa-with-SHA256"
    assert found["ek"]["extensions"][0] == {"oid": "2.5.29.19", "name": "basicConstraints", "critical": True, "size": 2}
    assert found["ek"]["tpm"]["manufacturer"] is None
    assert found["revocation_lists"][0]["issuer"] == "CN=Middle"
    assert found["judged_at"] == NOW.isoformat()


def test_without_a_time_no_dates_are_judged_and_that_is_said() -> None:
    found = inspect(ek(MIDDLE, end=pki.PAST), at=None, crls=[revocations(MIDDLE, issued=pki.LONG_PAST, due=pki.PAST)])
    assert found.reasons == ()
    assert "no time was given, so no dates were judged" in found.remarks
    assert found.to_json()["judged_at"] is None


def test_a_list_without_a_next_update_is_shown_as_such() -> None:
    crl = pki.sign_list(MIDDLE, MIDDLE.subject.public_bytes(), pki.element(0x17, b"260501000000Z"))
    found = inspect(EK, crls=[crl]).to_json()
    assert json.loads(json.dumps(found))["revocation_lists"][0]["next_update"] is None


def test_every_reason_is_told_and_problems_of_the_roots_too() -> None:
    found = inspect(ek(authority("Nobody"), end=pki.PAST), roots=[b"nothing", ROOT.pem])
    assert [one.code for one in found.reasons] == ["EkIssuerUnknown", "EkCertificateExpired"]
    assert found.chain == ()
    assert json.loads(json.dumps(found.to_json()))["problems"] == [
        {"source": "root 1", "message": "holds no certificate"}
    ]


def test_a_key_of_another_kind_is_shown_and_not_supported() -> None:
    found = inspect(ek(MIDDLE, key=ed25519.Ed25519PrivateKey.generate().public_key()))
    assert found.ek is not None
    assert (found.ek.certificate.key, found.ek.templates) == ("unknown", ())
    assert [one.code for one in found.reasons] == ["EkKeyUnsupported"]


def test_of_several_certificates_the_first_is_shown() -> None:
    found = inspect(pem(EK) + ROOT.pem)
    assert "the file holds 2 certificates; the first is shown" in found.remarks


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "header"),
        (b"\xff" * 2000, "tag number"),
        (bytes(70000), "at most 65536 are read"),
        (b"-----BEGIN CERTIFICATE-----\n", "no whole PEM block"),
        (pem(b"\x30\x00"), "0x30 is missing"),
        (b"-----BEGIN CERTIFICATE-----\nM\n-----END CERTIFICATE-----\n", "not base64"),
    ],
)
def test_what_is_no_certificate_gives_a_report_that_says_so(data: bytes, message: str) -> None:
    found = inspect(data)
    assert found.ek is None
    assert [one.code for one in found.reasons] == ["EkCertificateMalformed"]
    assert message in found.reasons[0].message
    json.dumps(found.to_json())


def test_an_algorithm_that_cannot_be_read_is_shown_as_unknown() -> None:
    algorithm = pki.sequence()
    signed = pki.sequence(
        pki.element(0xA0, b"\x02\x01\x02"),
        pki.element(0x02, b"\1"),
        algorithm,
        pki.sequence(),
        pki.sequence(pki.element(0x17, b"260501000000Z"), pki.element(0x17, b"270501000000Z")),
        pki.sequence(),
        pki.sequence(),
    )
    found = inspect(pki.sequence(signed, algorithm, pki.element(0x03, b"\0x")))
    assert found.ek is not None
    assert found.ek.certificate.signature_algorithm == "unknown"
    assert [one.code for one in found.reasons] == ["EkSignatureAlgorithm", "EkKeyUnsupported"]


def test_a_store_is_loaded_as_far_as_it_can_be_and_the_rest_is_told() -> None:
    der = serialization.Encoding.DER
    store = {
        "b/root.der": ROOT.certificate.public_bytes(der),
        "a.pem": b"# two\n" + ROOT.pem + MIDDLE.pem,
        "broken.pem": pem(b"\x30\x00") + ROOT.pem,
        "cut.pem": ROOT.pem + MIDDLE.pem[:-10],
        "mixed.pem": pem(b"\x30\x00", "X509 CRL") + ROOT.pem,
        "text.pem": b"0 certificates are here",
        "short.der": ROOT.der[:-1],
    }
    found, problems = load_store(store)
    assert len(found) == 6
    assert [(one.source, one.message.split(": ")[-1]) for one in problems] == [
        ("broken.pem, block 1", "an element with tag 0x30 is missing"),
        ("cut.pem", "1 blocks are not whole, or no certificates"),
        ("mixed.pem", "1 blocks are not whole, or no certificates"),
        ("short.der", "an element is longer than what holds it"),
        ("text.pem", "an element is longer than what holds it"),
    ]


@given(st.binary(max_size=400), st.binary(max_size=100), st.binary(max_size=100))
def test_no_bytes_make_the_inspector_raise(data: bytes, root: bytes, crl: bytes) -> None:
    report = inspect_ek(data, roots=[root, pem(data)], intermediates=[data], crls=[crl, pem(crl, "X509 CRL")], at=NOW)
    assert report.reasons
    json.dumps(report.to_json())
