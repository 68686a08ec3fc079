import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from reconciler.attest.ima import keylime
from reconciler.attest.ima.keylime import PAYLOAD_TYPE, import_runtime_policy
from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.model.ima import MAX_EXCLUDES, MAX_KEYS, ImaPolicy
from tests.support.imalogs import EC, RSA, STRANGER, Signer, pem_of

DIGEST = "ab" * 32
WHOLE = {
    "meta": {"version": 1, "generator": 3},
    "release": 0,
    "digests": {"/usr/bin/true": [DIGEST, f"sha256:{DIGEST}", "cd" * 20]},
    "excludes": ["/srv/.*"],
    "keyrings": {".ima": [DIGEST]},
    "ima": {"ignored_keyrings": [".evm"], "log_hash_alg": "sha1", "dm_policy": None},
    "ima-buf": {"kexec-cmdline": [DIGEST]},
    "verification-keys": "",
}
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])


def imported(document: object) -> tuple[dict[str, object], str]:
    section, notes = import_runtime_policy(json.dumps(document).encode())
    assert ImaPolicy.model_validate_json(json.dumps(section))
    return section, "\n".join(notes)


def der_of(key: Signer) -> str:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode()


def test_a_whole_policy_becomes_a_section() -> None:
    section, notes = imported(WHOLE)
    assert section == {
        "digests": {"/usr/bin/true": [f"sha256:{DIGEST}", "sha1:" + "cd" * 20]},
        "buffers": {".ima": [f"sha256:{DIGEST}"], "kexec-cmdline": [f"sha256:{DIGEST}"]},
        "excludes": ["/srv/.*"],
        "ignoredKeyrings": [".evm"],
    }
    assert "2 digests name no algorithm" in notes
    assert "1 digests are by SHA-1, and count only with unsafeAllowSha1" in notes
    assert "do not sign files here" in notes


def test_nothing_unsafe_is_ever_imported() -> None:
    section, _ = imported({**WHOLE, "unsafeAllowSha1": True, "unsafeAllowViolations": True})
    assert ImaPolicy.model_validate_json(json.dumps(section)).weakenings == ()


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"x": 1}, "'x' is not known here"),
        ({"digests": {"boot_aggregate": [DIGEST]}}, "made anew of the quoted PCRs"),
        ({"digests": {"/x": ["0" * 32]}}, "is no digest that counts"),
        ({"digests": {"/x": ["md5:" + "0" * 32]}}, "is no digest that counts"),
        ({"digests": {"/x": ["zz" * 32]}}, "is no digest that counts"),
        ({"digests": {"": [DIGEST]}}, "cannot be a path"),
        ({"digests": {"/\0": [DIGEST]}}, "cannot be a path"),
        ({"digests": {"/\ud800": [DIGEST]}}, "cannot be a path"),
        ({"digests": {"/" + "x" * 4096: [DIGEST]}}, "cannot be a path"),
        ({"digests": {}, "keyrings": {}}, "nothing is allowed"),
        ({"digests": None, "keyrings": None}, "nothing is allowed"),
        ({"excludes": ["(?i)x"]}, "was left out: of the groups"),
        ({"excludes": ["\ud800"]}, "was left out"),
        ({"excludes": ["/srv/"]}, "excluded all that begins so"),
        ({"excludes": ["a"] * (MAX_EXCLUDES + 1)}, f"more than {MAX_EXCLUDES}"),
        ({"ima": {"ignored_keyrings": ["*"]}}, "name each keyring"),
        ({"ima": {"ignored_keyrings": [""]}}, "name each keyring"),
        ({"ima": {"log_hash_alg": "sha256"}}, "log_hash_alg was left out"),
        ({"ima": {"dm_policy": {}}}, "dm_policy cannot be said here"),
        ({"ima": {"y": 1}}, "'y' is not known here"),
        ({"verification-keys": {"pubkeys": ["!"]}}, "key 0 was left out"),
        ({"verification-keys": {"pubkeys": [der_of(EC)] * (MAX_KEYS + 1)}}, f"more than {MAX_KEYS}"),
        ({"verification-keys": {"pubkeys": [der_of(EC)], "keyids": [1]}}, "a key id of its own"),
    ],
)
def test_what_cannot_be_said_is_noted(change: dict[str, object], note: str) -> None:
    _, notes = imported({**WHOLE, **change})
    assert note in notes


def test_verification_keys_are_taken_over() -> None:
    listed = {"meta": {"version": 1}, "pubkeys": [der_of(EC), der_of(RSA)], "keyids": []}
    for value in (listed, json.dumps(listed), json.dumps({**listed, "keyids": None})):
        section, _ = imported({**WHOLE, "verification-keys": value})
        assert section["keys"] == [pem_of(EC), pem_of(RSA)]
    key_id = int.from_bytes(x509.SubjectKeyIdentifier.from_public_key(EC.public_key()).digest[-4:], "big")
    _, notes = imported({**WHOLE, "verification-keys": {"pubkeys": [der_of(EC)], "keyids": [key_id]}})
    assert "key id" not in notes
    for empty in ("", None, [], {}):
        assert "keys" not in imported({**WHOLE, "verification-keys": empty})[0]


def test_the_allow_lists_before_are_read() -> None:
    section, _ = imported({"meta": {"version": 1}, "hashes": {"/x": [DIGEST]}})
    assert section == {"digests": {"/x": [f"sha256:{DIGEST}"]}}
    flat = f"# made by sha256sum\n\n{DIGEST}  /x y\n{'cd' * 32} */x y\n".encode()
    section, _ = import_runtime_policy(flat)
    assert section == {"digests": {"/x y": [f"sha256:{DIGEST}", "sha256:" + "cd" * 32]}}


@pytest.mark.parametrize(
    "data",
    [
        b"hello\n",
        b"\xff",
        b"{",
        b"[" * 100_000,
        b'{"digests": {}, "digests": {}}',
        b'{"digests": []}',
        b'{"digests": {"/x": "y"}}',
        b'{"digests": {"/x": [1]}}',
        b'{"meta": {"version": 2}}',
        b'{"verification-keys": "x"}',
        b'{"verification-keys": 7}',
        b"[]",
        b'"x"',
    ],
)
def test_what_is_no_policy_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        import_runtime_policy(data)


def test_a_file_that_is_too_long_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keylime, "MAX_POLICY", 10)
    with pytest.raises(InputError, match="at most 10"):
        import_runtime_policy(bytes(11))


def sealed(key: Signer, *, pss: bool = False, kind: str = PAYLOAD_TYPE) -> dict[str, object]:
    payload = json.dumps(WHOLE).encode()
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH) if pss else padding.PKCS1v15()
        signature = key.sign(message, scheme, hashes.SHA256())
    else:
        signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [
            {"keyid": "other", "sig": base64.b64encode(bytes(64)).decode()},
            {"keyid": "x", "sig": base64.b64encode(signature).decode()},
        ],
    }


def opened(envelope: object, key: bytes | None) -> dict[str, object]:
    return import_runtime_policy(json.dumps(envelope).encode(), key=key)[0]


def certificate_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, begin, begin + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_signed_policy_is_read_if_the_given_key_signed_it() -> None:
    plain = imported(WHOLE)[0]
    assert opened(sealed(EC), pem_of(EC).encode()) == plain
    assert opened(sealed(EC), certificate_of(EC)) == plain
    assert opened(sealed(RSA), pem_of(RSA).encode()) == plain
    assert opened(sealed(RSA, pss=True), pem_of(RSA).encode()) == plain


def test_a_signed_policy_without_a_key_is_read_and_says_so() -> None:
    section, notes = import_runtime_policy(json.dumps(sealed(EC)).encode())
    assert section == imported(WHOLE)[0]
    assert "its signature was not checked" in notes[0]


@pytest.mark.parametrize("key", [STRANGER, RSA], ids=["ec", "rsa"])
def test_a_policy_that_somebody_else_signed_is_refused(key: Signer) -> None:
    with pytest.raises(TrustError, match="did not sign it"):
        opened(sealed(EC), pem_of(key).encode())


def test_an_unsigned_policy_is_refused_where_a_key_is_given() -> None:
    for data in (json.dumps(WHOLE).encode(), f"{DIGEST}  /x\n".encode()):
        with pytest.raises(TrustError, match="it is not signed"):
            import_runtime_policy(data, key=pem_of(EC).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"payload": "!"},
        {"payload": base64.b64encode(b"{}").decode()},
        {"payload": 7},
        {"payloadType": "text/plain"},
        {"payloadType": 7},
        {"signatures": []},
        {"signatures": None},
        {"signatures": [{"keyid": "x"}]},
    ],
)
def test_a_changed_envelope_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(TrustError):
        opened({**sealed(EC), **change}, pem_of(EC).encode())


def test_a_key_that_cannot_be_used_is_refused() -> None:
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    for key in (b"x", other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
        with pytest.raises(InputError, match="not an RSA or ECDSA"):
            opened(sealed(EC), key)
