from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.attest.endorsement.anchors import Anchors, load_store, read_anchors
from reconciler.attest.endorsement.certificate import parse_certificate
from reconciler.attest.endorsement.ek import check_endorsement
from tests.conformance.vectors import data, names, needs_vectors

pytestmark = needs_vectors

THEN = datetime(2024, 1, 1, tzinfo=UTC)


def store() -> dict[str, bytes]:
    patterns = ("keylime/tpm_cert_store/*.pem", "tpm-ca-*/*.pem")
    return {name: data(name) for pattern in patterns for name in names(pattern)}


def anchors() -> Anchors:
    return read_anchors(tuple(store().values()), (), ())


@pytest.mark.parametrize("name", names("keylime/ek-certs/*"))
def test_vendors_certificates_parse(name: str) -> None:
    parsed = parse_certificate(data(name))
    assert parsed.not_before < parsed.not_after


def test_padding_in_an_nv_area_is_cut() -> None:
    padded = data("keylime/ek-certs/st_sha256_with_rsa_der.der")
    assert len(padded) - len(parse_certificate(padded).raw) == 431


def test_vendors_roots_load() -> None:
    found, problems = load_store(store())
    assert len(found) == sum(content.count(b"-----BEGIN") for content in store().values())
    assert problems == ()
    assert anchors().problems == ()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("st_sha256_with_rsa_der", ["EndorsementMismatch"]),
        ("st_ecdsa_sha256_der", ["EndorsementMismatch"]),
        # It is the certificate of Nuvoton's root itself: an authority's, whose key may sign certificates only.
        ("nuvoton_ecdsa_sha256_der", ["EkCertificateUsage", "EkCertificateUsage", "EndorsementMismatch"]),
        ("iak_der", ["EkIssuerUnknown", "EkCertificateUsage", "EndorsementMismatch"]),
        ("idevid_der", ["EkIssuerUnknown", "EkCertificateUsage", "EndorsementMismatch"]),
    ],
)
def test_vendors_certificates_chain_where_the_roots_have_their_issuer(name: str, found: list[str]) -> None:
    certificate = data(f"keylime/ek-certs/{name}.der")
    checked = check_endorsement(certificate, anchors=anchors(), endorsement="sha256:" + "0" * 64, at=THEN)
    assert [reason.code for reason in checked.reasons] == found
