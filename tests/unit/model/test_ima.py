import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from reconciler.model.ima import MAX_EXCLUDES, MAX_KEYS, BootAggregate, ImaPolicy, load_key
from reconciler.model.path_pattern import MAX_PATTERN, MAX_SIZE, parse_pattern

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pem(key: object) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()  # type: ignore[attr-defined, no-any-return]


def certificate(identifier: bytes | None) -> str:
    builder = x509.CertificateBuilder(NAME, NAME, KEY.public_key(), 1, NOW, NOW + timedelta(days=1))
    if identifier is not None:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(identifier), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def policy_of(**section: object) -> ImaPolicy:
    return ImaPolicy.model_validate_json(json.dumps(section))


def test_a_section_is_read_as_yaml_has_it() -> None:
    policy = policy_of(
        digests={"/usr/bin/true": ["sha256:" + "0" * 64, "sha1:" + "0" * 40, "verity:sha512:" + "0" * 128]},
        excludes=["/srv/.*"],
        keys=[pem(KEY.public_key())],
        buffers={".ima": ["sha3-256:" + "0" * 64]},
        ignoredKeyrings=[".evm"],
        bootAggregate="unsafeIgnored",
        unsafeAllowViolations=True,
        unsafeAllowSha1=True,
    )
    assert policy.boot_aggregate is BootAggregate.UNSAFE_IGNORED
    assert policy.weakenings == ("unsafeAllowViolations", "unsafeAllowSha1", "bootAggregate: unsafeIgnored")
    assert not policy.is_empty


def test_by_default_nothing_is_allowed_or_weakened() -> None:
    assert ImaPolicy().is_empty
    assert ImaPolicy().weakenings == ()
    assert ImaPolicy().boot_aggregate is BootAggregate.REQUIRED
    assert not policy_of(keys=[pem(KEY.public_key())]).is_empty


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"digests": {"/x": ["0" * 64]}}, "a digest is its algorithm"),
        ({"digests": {"/x": ["sha256:" + "0" * 63]}}, "a digest is its algorithm"),
        ({"digests": {"/x": ["sha256:" + "A" * 64]}}, "a digest is its algorithm"),
        ({"digests": {"/x": ["md5:" + "0" * 32]}}, "a digest is its algorithm"),
        ({"digests": {"/x": []}}, "at least 1"),
        ({"digests": {"": ["sha1:" + "0" * 40]}}, "a name has 1 to 4095 bytes"),
        ({"digests": {"/\0": ["sha1:" + "0" * 40]}}, "none of them zero"),
        ({"buffers": {"é" * 2048: ["sha1:" + "0" * 40]}}, "a name has 1 to 4095 bytes"),
        ({"excludes": ["(a"]}, "a group is not closed"),
        ({"excludes": ["a"] * (MAX_EXCLUDES + 1)}, f"at most {MAX_EXCLUDES}"),
        ({"keys": ["x"]}, "a key is a certificate or a public key in PEM"),
        ({"keys": [pem(KEY.public_key())] * (MAX_KEYS + 1)}, f"at most {MAX_KEYS}"),
        ({"bootAggregate": "ignored"}, "'required' or 'unsafeIgnored'"),
        ({"allowViolations": True}, "Extra inputs"),
        ({"unsafeAllowSha1": "yes"}, "boolean"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_says_why(section: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        policy_of(**section)


def test_a_key_is_known_by_its_certificates_identifier_or_by_its_own_hash() -> None:
    own = x509.SubjectKeyIdentifier.from_public_key(KEY.public_key()).digest[-4:]
    assert load_key(pem(KEY.public_key()))[0] == own
    assert load_key(certificate(None))[0] == own
    assert load_key(certificate(b"0123456789"))[0] == b"6789"


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505 - it is to be refused
        ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["short", "other-curve", "other-kind"],
)
def test_a_key_that_files_are_not_signed_by_is_refused(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(ValueError, match="RSA of at least 2048 bits"):
        load_key(pem(key.public_key()))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "1 to"),
        ("x" * (MAX_PATTERN + 1), "1 to"),
        ("a{256}" * 20, f"more than {MAX_SIZE}"),
        ("(a", "not closed"),
        ("a)", "not opened"),
        ("*a", "means nothing"),
        ("a]", "means nothing"),
        ("(?=a)", "only (?: is understood"),
        ("a^", "^ may only begin"),
        ("(^a)", "^ may only begin"),
        ("$a", "$ may only end"),
        ("(a$)", "$ may only end"),
        ("a**", "follows a quantifier"),
        ("a{2}{3}", "follows a quantifier"),
        ("a*+", "follows a quantifier"),
        ("(ab){2}", "single ASCII character"),
        ("é{2}", "single ASCII character"),
        ("a{x}", "a count is"),
        ("a{1,y}", "a count is"),
        ("a{1", "a count is"),
        ("a{257}", "at most 256"),
        ("a{3,2}", "in order"),
        ("\\", "is not understood"),
        ("\\1", "is not understood"),
        ("\\W", "is not understood"),
        ("[a", "not closed"),
        ("[[:alpha:]]", "holds ASCII"),
        ("[é]", "holds ASCII"),
        ("[b-a]", "to a later one"),
        ("[\\d-x]", "to a later one"),
        ("[^\\w]", "single characters and ranges"),
    ],
)
def test_a_pattern_that_is_not_understood_says_where(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_pattern(pattern)


@pytest.mark.parametrize(
    "pattern", ["[]a-]", "[\\]\\-]", "\\n\\t\\s\\d", "é*é", "(|a)", "()", "a||b", "^a$|^b$", "(?:)+?", "a{2,}b{0,3}"]
)
def test_a_pattern_in_the_usual_notation_is_understood(pattern: str) -> None:
    assert parse_pattern(pattern)
