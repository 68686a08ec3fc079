import struct
from collections.abc import Mapping, Sequence

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.public import PublicArea, parse_public
from reconciler.attest.tpm.quote import check_quote, parse_quote, parse_signature
from reconciler.attest.verdict import Reason
from tests.support import softkeys
from tests.support.lies import flip
from tests.support.softtpm import AK_ATTRIBUTES, SoftTpm, ak_public_area, tpm2b

PCRS = (0, 4, 9)
EXTRA = b"challenge"
TPM = SoftTpm("quoting")
AK = parse_public(TPM.ak_public)
MESSAGE, SIGNATURE = TPM.quote(EXTRA, PCRS)
VALUES = {pcr: TPM.pcrs[pcr] for pcr in PCRS}
RSA_KEY = softkeys.rsa_key("ak")


def rsa_ak(*, scheme: int, scheme_hash: int = 0x000B) -> PublicArea:
    head = struct.pack(">HHIHHHHHI", 0x0001, 0x000B, AK_ATTRIBUTES, 0, 0x0010, scheme, scheme_hash, 2048, 0)
    return parse_public(head + tpm2b(RSA_KEY.public_key().public_numbers().n.to_bytes(256)))


def judge(
    message: bytes = MESSAGE,
    *,
    signature: bytes | None = None,
    ak: PublicArea | None = AK,
    extra_data: bytes = EXTRA,
    pcrs: Sequence[int] = PCRS,
    values: Mapping[int, bytes] = VALUES,
    qualified_signer: bytes | None = None,
) -> list[Reason]:
    """Judge a quote that the enrolled key signed, unless a signature is given."""
    return check_quote(
        message,
        signature=TPM.sign(message, TPM.ak) if signature is None else signature,
        ak=ak,
        extra_data=extra_data,
        bank="sha256",
        pcrs=pcrs,
        values=values,
        qualified_signer=qualified_signer,
    )[0]


def codes(reasons: list[Reason]) -> list[str]:
    return [reason.code for reason in reasons]


def test_a_good_quote_has_nothing_against_it() -> None:
    assert judge(signature=SIGNATURE, qualified_signer=TPM.qualified_name(TPM.ak_public)) == []


def test_the_quotes_fields_are_read_as_the_tpm_wrote_them() -> None:
    quote = parse_quote(MESSAGE)
    assert (quote.extra_data, quote.selection, quote.is_safe) == (EXTRA, ((0x000B, PCRS),), True)
    assert quote.clock.firmware_version == TPM.firmware_version


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (b"EVIL" + MESSAGE[4:], ["QuoteNotByTpm"]),
        (MESSAGE[:4] + b"\x80\x19" + MESSAGE[6:], ["NotAQuote"]),
        (MESSAGE[:4] + b"\x80\x17" + MESSAGE[6:70], ["QuoteMalformed"]),
        (MESSAGE + b"\0", ["QuoteMalformed"]),
        (MESSAGE[:-1], ["QuoteMalformed"]),
        (b"", ["QuoteMalformed"]),
    ],
)
def test_what_is_no_quote_by_a_tpm_is_refused_even_if_the_key_signed_it(message: bytes, found: list[str]) -> None:
    assert codes(judge(message)) == found


def test_a_signature_over_other_bytes_is_refused() -> None:
    assert codes(judge(signature=TPM.sign(MESSAGE + b"x", TPM.ak))) == ["QuoteSignatureInvalid"]


def test_the_signatures_own_word_for_its_scheme_does_not_count() -> None:
    pss = RSA_KEY.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    (reason,) = judge(signature=struct.pack(">HH", 0x0016, 0x000B) + tpm2b(pss))
    assert (reason.code, reason.expected, reason.found) == ("QuoteSignatureScheme", "0018/000b", "0016/000b")
    assert codes(judge(signature=SIGNATURE[:2] + b"\0\x04" + SIGNATURE[4:])) == ["QuoteSignatureScheme"]


def test_rsa_keys_sign_by_their_own_scheme() -> None:
    by_pkcs = tpm2b(RSA_KEY.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256()))
    by_pss = tpm2b(RSA_KEY.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()))
    rsassa, rsapss = struct.pack(">HH", 0x0014, 0x000B), struct.pack(">HH", 0x0016, 0x000B)
    assert judge(signature=rsassa + by_pkcs, ak=rsa_ak(scheme=0x0014)) == []
    assert judge(signature=rsapss + by_pss, ak=rsa_ak(scheme=0x0016)) == []
    assert codes(judge(signature=rsapss + by_pkcs, ak=rsa_ak(scheme=0x0016))) == ["QuoteSignatureInvalid"]


def test_a_signature_by_a_hash_that_does_not_count_is_refused_whether_it_holds_or_not() -> None:
    sha1 = rsa_ak(scheme=0x0014, scheme_hash=0x0004)
    signature = tpm2b(RSA_KEY.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA1()))  # noqa: S303 - refused is the point
    found = codes(judge(signature=struct.pack(">HH", 0x0014, 0x0004) + signature, ak=sha1))
    assert found == ["QuoteSignatureScheme", "PcrDigestMismatch"]  # The digest was made with SHA-256.
    found = codes(judge(signature=struct.pack(">HH", 0x0014, 0x0004) + flip(signature, -1), ak=sha1))
    assert found == ["QuoteSignatureScheme", "QuoteSignatureInvalid", "PcrDigestMismatch"]


def test_the_digest_is_made_with_the_signing_schemes_hash() -> None:
    key = softkeys.ec_key("ak with sha-384").public_key()
    area = ak_public_area(key).replace(bytes.fromhex("0018000b"), bytes.fromhex("0018000c"))
    reasons = judge(signature=SIGNATURE, ak=parse_public(area))
    assert codes(reasons) == ["QuoteSignatureScheme", "PcrDigestMismatch"]
    assert len(bytes.fromhex(reasons[1].found or "")) == 48


@pytest.mark.parametrize("extra_data", [b"another", b""])
def test_another_challenge_or_none_is_refused(extra_data: bytes) -> None:
    assert codes(judge(extra_data=extra_data)) == ["QualifyingDataMismatch"]
    empty, _ = TPM.quote(b"", PCRS)
    assert codes(judge(empty, extra_data=b"")) == ["QualifyingDataMismatch"]


def test_the_signed_selection_is_the_required_one_exactly() -> None:
    more = {**VALUES, 11: TPM.pcrs[11]}
    (reason,) = judge(pcrs=(*PCRS, 11), values=more)
    assert (reason.code, reason.expected, reason.found) == (
        "PcrSelectionMismatch",
        "sha256:0,4,9,11",
        "sha256:0,4,9",
    )
    assert codes(judge(pcrs=(0, 4), values={0: VALUES[0], 4: VALUES[4]})) == [
        "PcrSelectionMismatch",
        "PcrDigestMismatch",
    ]


def selecting(selection: bytes) -> bytes:
    return MESSAGE[: -(4 + 2 + 1 + 3 + 34)] + selection + MESSAGE[-34:]


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (struct.pack(">IHB", 1, 0x0004, 3) + b"\x11\x02\0", "sha1:0,4,9"),
        (struct.pack(">IHB", 1, 0x000B, 4) + b"\x11\x02\0\1", "sha256:0,4,9,24"),
        (struct.pack(">IHB", 2, 0x000B, 3) + b"\x11\x02\0" + struct.pack(">HB", 0x0004, 0), "sha256:0,4,9+sha1:"),
        (struct.pack(">I", 0), "nothing"),
    ],
)
def test_another_bank_another_pcr_or_another_list_is_another_selection(selection: bytes, found: str) -> None:
    reason = judge(selecting(selection))[0]
    assert (reason.code, reason.found) == ("PcrSelectionMismatch", found)


@pytest.mark.parametrize(
    "selection",
    [struct.pack(">I", 17), struct.pack(">I", 0xFFFFFFFF), struct.pack(">IHB", 1, 0x000B, 5) + bytes(5)],
)
def test_counts_and_sizes_are_bounded_before_they_are_used(selection: bytes) -> None:
    (reason,) = judge(selecting(selection))
    assert reason.code == "QuoteMalformed"
    assert "allowed" in reason.message


@pytest.mark.parametrize(
    ("values", "pcr", "expected", "found"),
    [
        ({0: bytes(32), 4: bytes(32)}, 9, "32 bytes", "no value"),
        ({**VALUES, 4: bytes(20)}, 4, "32 bytes", "20 bytes"),
        ({**VALUES, 7: bytes(32)}, 7, "no value", "32 bytes"),
    ],
)
def test_each_required_pcr_has_one_value_and_no_other_has_any(
    values: dict[int, bytes], pcr: int, expected: str, found: str
) -> None:
    reasons = [reason for reason in judge(values=values) if reason.code == "PcrValueMalformed"]
    assert [(reason.pcr, reason.expected, reason.found) for reason in reasons] == [(pcr, expected, found)]


def test_a_signer_under_another_ek_is_refused() -> None:
    other = SoftTpm("another").qualified_name(TPM.ak_public)
    assert codes(judge(qualified_signer=other)) == ["QualifiedSignerMismatch"]


def test_without_a_key_what_needs_none_is_judged_all_the_same() -> None:
    assert codes(judge(signature=SIGNATURE, ak=None, extra_data=b"another", pcrs=(0, 4))) == [
        "QualifyingDataMismatch",
        "PcrSelectionMismatch",
        "PcrValueMalformed",
    ]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "ends within"),
        (SIGNATURE + b"\0", "too many"),
        (b"\0\x05" + SIGNATURE[2:], "scheme 0x0005"),
        (SIGNATURE[:4] + b"\0\x43" + bytes(67), "at most 66"),
        (b"\0\x14\0\x0b\x02\x01" + bytes(513), "at most 512"),
        (b"\0\x14\0\x0b\0\x01ab", "2 bytes where it says 1"),
    ],
)
def test_a_malformed_signature_is_refused_and_says_why(raw: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        parse_signature(raw)
