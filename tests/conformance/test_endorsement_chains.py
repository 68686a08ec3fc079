"""Chains of real vendors, from the mirror's intermediates to its roots, and of EK certificates over both."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from reconciler.attest.endorsement.anchors import load_store, read_anchors
from reconciler.attest.endorsement.certificate import Certificate, parse_certificate
from reconciler.attest.endorsement.ek import check_endorsement, pin_of
from reconciler.attest.endorsement.inspection import inspect_ek
from reconciler.attest.endorsement.path import find_path
from tests.conformance.vectors import data, names, needs_vectors

pytestmark = needs_vectors

AT = datetime(2026, 1, 1, tzinfo=UTC)
MIRROR = "tpm-ca-certificates/MIRROR."
EKS = ("st_sha256_with_rsa_der", "st_ecdsa_sha256_der")
CLAIMS = ("id:53544D20", "STM", "ST33HTPHAHB4", "id:00490004", "2.0 level 0 revision 116")


def mirror() -> tuple[bytes, bytes]:
    return data(f"{MIRROR}tpm-ca-certificates.pem"), data(f"{MIRROR}tpm-intermediate-ca-certificates.pem")


def certificates(bundle: bytes) -> tuple[Certificate, ...]:
    found, problems = load_store({"bundle": bundle})
    assert problems == ()
    return found


def test_every_intermediate_of_the_mirror_chains_to_one_of_its_roots() -> None:
    roots, intermediates = mirror()
    anchors = read_anchors((roots,), (intermediates,), ())
    found = Counter(
        (len(path or ()), tuple(reason.code for reason in reasons))
        for path, reasons in (find_path(one, anchors=anchors, at=None) for one in certificates(intermediates))
    )
    assert found == {(2, ()): 137, (3, ()): 6}


@pytest.mark.parametrize("name", EKS)
def test_an_ek_chains_through_the_pool_of_intermediates(name: str) -> None:
    roots, intermediates = mirror()
    certificate = data(f"keylime/ek-certs/{name}.der")
    pin = pin_of(parse_certificate(certificate))
    checked = check_endorsement(
        certificate, anchors=read_anchors((roots,), (intermediates,), ()), endorsement=pin, at=AT
    )
    assert checked.reasons == ()
    relied = checked.endorsement
    assert relied is not None
    assert len(relied.path) == 3
    tpm = relied.tpm
    assert (tpm.manufacturer, tpm.vendor, tpm.model, tpm.version, tpm.specification) == CLAIMS
    assert relied.not_before.year == 2018
    assert relied.not_after.year == 2028
    alone = check_endorsement(certificate, anchors=read_anchors((roots,), (), ()), endorsement=pin, at=AT)
    assert [reason.code for reason in alone.reasons] == ["EkIssuerUnknown"]


@pytest.mark.parametrize("name", EKS)
def test_every_flipped_byte_of_a_real_ek_certificate_refuses(name: str) -> None:
    whole = data(f"keylime/ek-certs/{name}.der")
    size = len(parse_certificate(whole).raw)
    pin = pin_of(parse_certificate(whole))
    roots, intermediates = mirror()
    anchors = read_anchors((roots,), (intermediates,), ())
    for index in range(size):
        flipped = whole[:index] + bytes([whole[index] ^ 1 << index % 8]) + whole[index + 1 :]
        assert check_endorsement(flipped, anchors=anchors, endorsement=pin, at=AT).reasons, f"byte {index}"


@pytest.mark.parametrize("name", names("keylime/ek-certs/*.der"))
def test_every_certificate_can_be_inspected_alone(name: str) -> None:
    found = inspect_ek(data(name), roots=(), intermediates=(), crls=(), at=None)
    assert found.ek is not None
    assert found.ek.certificate.key in {"RSA-2048", "secp256r1"}
    assert found.reasons[0].code == "EkIssuerUnknown"


def test_old_roots_signed_with_sha1_are_anchors_and_no_intermediates() -> None:
    sha1 = bytes.fromhex("06092a864886f70d010105")
    store = {name: data(name) for name in names("keylime/tpm_cert_store/*.pem")}
    old = [one for one in load_store(store)[0] if sha1 in one.algorithm]
    assert old
    for certificate in old:
        anchors = read_anchors((), (certificate.raw,), ())
        path, reasons = find_path(certificate, anchors=anchors, at=None)
        assert path is None
        assert [reason.code for reason in reasons] == ["EkSignatureAlgorithm"]


def test_the_idevid_and_the_iak_share_an_issuer_and_are_no_eks() -> None:
    pair = [parse_certificate(data(f"keylime/ek-certs/{name}_der.der")) for name in ("idevid", "iak")]
    assert pair[0].issuer == pair[1].issuer
    assert pair[0].spki != pair[1].spki
