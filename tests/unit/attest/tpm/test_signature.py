import hashlib
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from reconciler.attest.algorithms import ECDSA, RSAPSS, RSASSA, SHA1, SHA256, SHA384, SHA512
from reconciler.attest.tpm.signature import make_verifier
from tests.support import softkeys

KEY = softkeys.rsa_key("ak")
NUMBERS = KEY.private_numbers()
MODULUS = NUMBERS.public_numbers.n
MESSAGE = b"what was signed"
DIGEST = hashlib.sha256(MESSAGE).digest()
WITH_NULL = bytes.fromhex("3031300d060960864801650304020105000420")
WITHOUT_NULL = bytes.fromhex("302f300b0609608648016503040201" + "0420")
VERIFIER = make_verifier(KEY.public_key(), scheme=RSASSA, hash_algorithm=SHA256)


def sign_raw(encoded: bytes) -> bytes:
    """Return the signature that recovers to exactly ``encoded``, as a signer who ignores every rule would make it."""
    return pow(int.from_bytes(encoded), NUMBERS.d, MODULUS).to_bytes(256)


def encode(info: bytes, *, first: bytes = b"\0\1", filling: bytes = b"\xff", separator: bytes = b"\0") -> bytes:
    room = 256 - len(first) - len(separator) - len(info)
    return first + filling * room + separator + info


def test_the_one_encoding_of_pkcs1_holds() -> None:
    assert VERIFIER.holds(MESSAGE, (sign_raw(encode(WITH_NULL + DIGEST)),))


FORGERIES: dict[str, bytes] = {
    "without the NULL": encode(WITHOUT_NULL + DIGEST),
    "bytes after the digest": encode(WITH_NULL + DIGEST + b"\0"),
    "short padding before much garbage": b"\0\1" + b"\xff" * 8 + b"\0" + (WITH_NULL + DIGEST).ljust(245, b"\0"),
    "no padding": (b"\0\1\0" + WITH_NULL + DIGEST).ljust(256, b"\0"),
    "padding with a zero in it": encode(b"\0" + WITH_NULL + DIGEST),
    "padding of other bytes": encode(WITH_NULL + DIGEST, filling=b"\xfe"),
    "block type 2": encode(WITH_NULL + DIGEST, first=b"\0\2"),
    "block type 0": encode(WITH_NULL + DIGEST, first=b"\0\0", filling=b"\0"),
    "no separator": encode(WITH_NULL + DIGEST, separator=b""),
    "another hash's name": encode(WITH_NULL.replace(b"\4\2\1", b"\4\2\3") + DIGEST),
    "the digest alone": encode(DIGEST),
    "nothing": encode(b""),
    "another digest": encode(WITH_NULL + hashlib.sha256(b"something else").digest()),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_any_other_encoding_is_refused_here_as_by_the_library(name: str) -> None:
    signature = sign_raw(FORGERIES[name])
    assert not VERIFIER.holds(MESSAGE, (signature,))
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda signature: signature[:-1],
        lambda signature: b"\0" + signature,
        lambda signature: signature + b"\0",
        lambda signature: (int.from_bytes(signature) + MODULUS).to_bytes(257),
        lambda _: bytes(256),
        lambda _: MODULUS.to_bytes(256),
        lambda _: b"\xff" * 256,
    ],
)
def test_a_signature_of_another_length_or_out_of_range_is_refused(change: Callable[[bytes], bytes]) -> None:
    good = sign_raw(encode(WITH_NULL + DIGEST))
    assert not VERIFIER.holds(MESSAGE, (change(good),))


@pytest.mark.parametrize(
    ("number", "algorithm"),
    [(SHA1, hashes.SHA1()), (SHA384, hashes.SHA384()), (SHA512, hashes.SHA512())],  # noqa: S303 - refused elsewhere
)
def test_the_librarys_own_signatures_hold_for_every_hash(number: int, algorithm: hashes.HashAlgorithm) -> None:
    signature = KEY.sign(MESSAGE, padding.PKCS1v15(), algorithm)
    verifier = make_verifier(KEY.public_key(), scheme=RSASSA, hash_algorithm=number)
    assert verifier.holds(MESSAGE, (signature,))
    assert verifier.counts is (number != SHA1)
    assert not VERIFIER.holds(MESSAGE, (signature,))


@pytest.mark.parametrize("scheme", [ECDSA, 0x0010, 0x0005])
def test_a_scheme_that_is_not_the_keys_never_holds(scheme: int) -> None:
    assert not make_verifier(KEY.public_key(), scheme=scheme, hash_algorithm=SHA256).holds(MESSAGE, (b"", b""))
    key = softkeys.ec_key("ak").public_key()
    for other in (RSASSA, RSAPSS):
        assert not make_verifier(key, scheme=other, hash_algorithm=SHA256).holds(MESSAGE, (b"",))
