from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.attest.endorsement.certificate import parse_certificate, parse_pem
from reconciler.attest.endorsement.ek import check_endorsement
from tests.conformance.vectors import data, names, needs_vectors

pytestmark = needs_vectors

THEN = datetime(2024, 1, 1, tzinfo=UTC)


def roots() -> tuple[bytes, ...]:
    return tuple(
        data(name) for pattern in ("keylime/tpm_cert_store/*.pem", "tpm-ca-*/*.pem") for name in names(pattern)
    )


@pytest.mark.parametrize("name", names("keylime/ek-certs/*"))
def test_vendors_certificates_parse(name: str) -> None:
    parsed = parse_certificate(data(name))
    assert parsed.not_before < parsed.not_after


def test_vendors_roots_load() -> None:
    for pem in roots():
        assert len(parse_pem(pem)) == pem.count(b"-----BEGIN")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("st_sha256_with_rsa_der", ["EndorsementMismatch"]),
        ("st_ecdsa_sha256_der", ["EndorsementMismatch"]),
        # Its certificate is marked as an authority's, and its key may agree on keys and sign certificates.
        ("nuvoton_ecdsa_sha256_der", ["EkCertificateUsage", "EkCertificateUsage", "EndorsementMismatch"]),
        ("iak_der", ["EkIssuerUnknown", "EkCertificateUsage", "EndorsementMismatch"]),
        ("idevid_der", ["EkIssuerUnknown", "EkCertificateUsage", "EndorsementMismatch"]),
    ],
)
def test_vendors_certificates_chain_where_the_roots_have_their_issuer(name: str, found: list[str]) -> None:
    certificate = data(f"keylime/ek-certs/{name}.der")
    reasons, _ = check_endorsement(certificate, roots=roots(), endorsement="sha256:" + "0" * 64, at=THEN)
    assert [reason.code for reason in reasons] == found
