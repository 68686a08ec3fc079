from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reconciler.attest.endorsement.anchors import load_store, read_anchors
from reconciler.attest.endorsement.certificate import load_spki, parse_certificate
from reconciler.attest.endorsement.ek import EndorsementCheck, check_endorsement, ek_name, ek_public_key
from reconciler.attest.reader import MalformedError
from tests.support import softkeys
from tests.support.appraisals import booted, codes_of, expected_of
from tests.support.pki import Authority, authority, ek, name, raw_extension, revocations, rsa_key
from tests.support.softtpm import NOW, SoftTpm, ek_public_area, name_of

MAKER = "Ringfence Test TPMs"
PAST, BEFORE_NOW, AFTER_NOW = (datetime(year, 1, 1, tzinfo=UTC) for year in (2001, 2021, 2027))


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def builder(*, key: object = None, issuer: str = MAKER) -> x509.CertificateBuilder:
    """Return a builder of an EK certificate without any extension."""
    return x509.CertificateBuilder(
        subject_name=x509.Name([]),
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
        public_key=key or softkeys.ec_key("ek n1").public_key(),
        serial_number=7,
        not_valid_before=softkeys.BEGIN,
        not_valid_after=softkeys.END,
    )


def signed(made: x509.CertificateBuilder, *, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    return der(made.sign(softkeys.ec_key(f"manufacturer {MAKER}"), algorithm or hashes.SHA256()))


def check(certificate: bytes, *roots: bytes, crls: tuple[bytes, ...] = ()) -> EndorsementCheck:
    anchors = read_anchors(roots or (softkeys.root_pem(MAKER),), (), crls)
    return check_endorsement(certificate, anchors=anchors, endorsement=SoftTpm("n1").endorsement, at=NOW)


def codes(certificate: bytes, *roots: bytes) -> list[str]:
    return [reason.code for reason in check(certificate, *roots).reasons]


EK = partial(softkeys.ek_certificate, "n1")


def test_padding_after_the_certificate_is_cut() -> None:
    tpm = booted()
    for padding in (b"\0" * 400, b"\xff" * 400):
        padded = replace(tpm.evidence(), ek_certificate=tpm.ek_certificate + padding)
        assert codes_of(padded, expected_of(tpm)) == set()


def test_a_certificate_without_extensions_is_no_worse() -> None:
    assert codes(signed(builder())) == []


@pytest.mark.parametrize("algorithm", [hashes.SHA384(), hashes.SHA512()])
def test_stronger_hashes_are_accepted(algorithm: hashes.HashAlgorithm) -> None:
    assert codes(signed(builder(), algorithm=algorithm)) == []


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_an_rsa_manufacturer_is_accepted(algorithm: hashes.HashAlgorithm) -> None:
    key = softkeys.rsa_key("rsa manufacturer")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "RSA")])
    authority = x509.BasicConstraints(ca=True, path_length=0)
    root = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, softkeys.BEGIN, softkeys.END)
        .add_extension(authority, critical=True)
        .sign(key, hashes.SHA256())
    )
    assert codes(der(builder(issuer="RSA").sign(key, algorithm)), pem(root)) == []


def test_a_weak_signature_hash_does_not_count() -> None:
    assert codes(signed(builder(), algorithm=hashes.SHA224())) == ["EkSignatureAlgorithm"]


def test_every_certificate_of_a_bundle_is_a_root_and_broken_ones_vouch_for_nobody() -> None:
    broken = b"-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"
    no_base64 = b"-----BEGIN CERTIFICATE-----\nM\n-----END CERTIFICATE-----\n"
    bundle = b"comment\n" + broken + no_base64 + softkeys.root_pem("Somebody") + softkeys.root_pem(MAKER)
    found, problems = load_store({"bundle.pem": bundle})
    assert len(found) == 2
    assert [problem.source for problem in problems] == ["bundle.pem, block 1", "bundle.pem, block 2"]
    assert codes(EK(), bundle) == []
    assert codes(EK(), broken) == ["EkIssuerUnknown"]
    assert codes(EK(), b"") == ["EkIssuerUnknown"]


def test_another_key_under_the_roots_name_is_refused() -> None:
    impostor = ec.generate_private_key(ec.SECP256R1())
    assert codes(der(builder().sign(impostor, hashes.SHA256()))) == ["EkSignatureInvalid"]


def root_with(*extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    key = softkeys.ec_key(f"manufacturer {MAKER}")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, MAKER)])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, softkeys.BEGIN, softkeys.END)
    for extension, critical in extensions:
        made = made.add_extension(extension, critical=critical)
    return pem(made.sign(key, hashes.SHA256()))


AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
BAD_USAGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.15"), b"\x05\x00")


@pytest.mark.parametrize(
    ("root", "found"),
    [
        (root_with((AUTHORITY, True)), []),
        (root_with((AUTHORITY, True), (UNKNOWN, False)), []),
        (root_with(), ["EkIssuerUnfit"]),
        (pem(softkeys.root(MAKER, is_ca=False)), ["EkIssuerUnfit", "EkIssuerUnfit"]),
        (root_with((AUTHORITY, True), (UNKNOWN, True)), ["EkIssuerUnfit"]),
        (root_with((AUTHORITY, True), (BAD_USAGE, True)), ["EkIssuerUnfit"]),
        (root_with((AUTHORITY, True), (softkeys._usage(signs_certificates=False), True)), ["EkIssuerUnfit"]),
    ],
)
def test_an_issuer_must_be_allowed_to_issue(root: bytes, found: list[str]) -> None:
    assert codes(EK(), root) == found


@pytest.mark.parametrize(
    ("certificate", "found"),
    [
        (EK(end=BEFORE_NOW), ["EkCertificateExpired"]),
        (EK(begin=AFTER_NOW), ["EkCertificateExpired"]),
        (EK(is_ca=True), ["EkCertificateUsage", "EkCertificateUsage"]),
        (EK(usage=ExtendedKeyUsageOID.SERVER_AUTH), ["EkCertificateUsage"]),
        (EK(usage=None), []),
        (signed(builder().add_extension(UNKNOWN, critical=False)), []),
        (signed(builder().add_extension(UNKNOWN, critical=True)), ["EkCertificateExtension"]),
        (signed(builder().add_extension(BAD_USAGE, critical=True)), ["EkCertificateMalformed"]),
        (softkeys.ek_certificate("n2"), ["EndorsementMismatch"]),
    ],
)
def test_an_unfit_ek_certificate_is_refused_by_the_rule_it_breaks(certificate: bytes, found: list[str]) -> None:
    assert codes(certificate) == found


def test_an_expired_root_is_refused() -> None:
    assert codes(EK(), pem(softkeys.root(MAKER, begin=PAST, end=BEFORE_NOW))) == ["EkCertificateExpired"]


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        rsa_key(1024).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
    ],
)
def test_a_key_without_a_known_template_is_refused(key: object) -> None:
    assert codes(signed(builder(key=key))) == ["EndorsementMismatch", "EkKeyUnsupported"]


def test_no_root_with_another_kind_of_key_signs_anything() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, MAKER)])
    root = x509.CertificateBuilder(name, name, key.public_key(), 1, softkeys.BEGIN, softkeys.END).sign(key, None)
    assert codes(EK(), pem(root)) == ["EkSignatureInvalid"]


@pytest.mark.parametrize("ek", ["ecc", "rsa"])
def test_the_eks_name_follows_from_its_certificate_alone(ek: str) -> None:
    tpm = SoftTpm("n1", ek=ek)
    key = ek_public_key(tpm.ek_certificate + b"\xff" * 9)
    assert ek_name(key) == name_of(ek_public_area(tpm.ek.public_key()))


def test_only_a_key_can_be_loaded_as_one() -> None:
    with pytest.raises(MalformedError, match="valid public key"):
        load_spki(b"\x30\x00")


def test_an_accepted_endorsement_says_what_it_relied_upon() -> None:
    root = authority("Maker", end=datetime(2050, 1, 1, tzinfo=UTC))
    certificate = ek(root, begin=datetime(2022, 1, 1, tzinfo=UTC))
    found = check(certificate, root.pem, crls=(revocations(root),))
    assert found.reasons == ()
    relied = found.endorsement
    assert relied is not None
    assert relied.path == (parse_certificate(certificate).fingerprint, parse_certificate(root.der).fingerprint)
    assert relied.certificate == relied.path[0]
    assert (relied.not_before.year, relied.not_after.year) == (2022, 2050)
    assert relied.pin == SoftTpm("n1").endorsement
    assert relied.judged_at == NOW
    assert [one.issuer for one in relied.lists] == ["CN=Maker"]
    assert check(ek(root, end=BEFORE_NOW), root.pem).endorsement is None


def test_a_revoked_ek_is_refused_and_its_key_still_known() -> None:
    root = authority("Maker")
    found = check(ek(root, serial=5), root.pem, crls=(revocations(root, 5),))
    assert [reason.code for reason in found.reasons] == ["EkRevoked"]
    assert found.endorsement is None
    assert found.key is not None


@pytest.mark.parametrize(
    ("value", "critical", "found"),
    [
        (b"\x30\x02\xa4\x00", True, ["EkCertificateExtension"]),
        (b"\x30\x02\xa4\x00", False, []),
        (b"\x30\x00", True, []),
    ],
)
def test_an_alternative_name_that_cannot_be_read_is_refused_where_it_is_critical(
    value: bytes,
    critical: bool,  # noqa: FBT001 - a column of the table
    found: list[str],
) -> None:
    root = authority("Maker")
    certificate = ek(root, extensions=[(raw_extension("2.5.29.17", value), critical)])
    assert [reason.code for reason in check(certificate, root.pem).reasons] == found


def test_every_refusal_names_its_certificate_and_its_rule() -> None:
    root = authority("Maker")
    for certificate in (ek(root, serial=0x1F, end=BEFORE_NOW), ek(root, serial=0x1F, extensions=[(UNKNOWN, True)])):
        (reason,) = check(certificate, root.pem).reasons
        assert f"certificate sha256:{parse_certificate(certificate).fingerprint} (serial 0x1f)" in reason.message
        assert "RFC 5280, 6.1" in reason.message


def test_a_verdict_heeds_the_intermediates_and_the_revocation_lists_of_the_state_repository() -> None:
    tpm = booted()
    maker = Authority(
        subject=name(MAKER), key=softkeys.ec_key(f"manufacturer {MAKER}"), certificate=softkeys.root(MAKER)
    )
    serial = x509.load_der_x509_certificate(tpm.ek_certificate).serial_number
    good = expected_of(tpm)
    assert codes_of(tpm.evidence(), replace(good, ek_crls=(revocations(maker),))) == set()
    assert codes_of(tpm.evidence(), replace(good, ek_crls=(revocations(maker, serial),))) == {"EkRevoked"}
    pool = replace(good, ek_roots=(), ek_intermediates=good.ek_roots)
    assert codes_of(tpm.evidence(), pool) == {"EkIssuerUnknown"}
