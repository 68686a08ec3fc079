from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

import pytest

from reconciler.attest.endorsement.ek import ek_name, ek_public_key
from reconciler.attest.tpm.attestation import parse_quote
from reconciler.attest.tpm.inspection import inspect_quote
from reconciler.attest.tpm.pcr_files import parse_pcr_values, parse_serialized_pcrs
from reconciler.attest.tpm.public import PublicArea, parse_public, qualified_name
from reconciler.attest.tpm.quote import check_quote
from tests.conformance.vectors import FOLDER, data, document, key_area, needs_vectors
from tests.support.lies import flip

pytestmark = needs_vectors


def codes(
    message: bytes,
    signature: bytes,
    *,
    ak: PublicArea,
    nonce: bytes,
    values: Mapping[int, bytes],
    qualified_signer: bytes | None = None,
) -> list[str]:
    """Return the codes against a quote over exactly the PCRs of ``values``."""
    reasons, _ = check_quote(
        message,
        signature=signature,
        ak=ak,
        extra_data=nonce,
        bank="sha256",
        pcrs=sorted(values),
        values=values,
        qualified_signer=qualified_signer,
    )
    return [reason.code for reason in reasons]


@pytest.mark.parametrize("kind", ["rsa", "ecc"])
def test_quotes_of_a_real_swtpm_verify(kind: str) -> None:
    message = data(f"own-swtpm/quote-{kind}.msg")
    ak = parse_public(data(f"own-swtpm/ak-{kind}.tpm2b_public")[2:])
    values = {int(pcr): bytes.fromhex(value) for pcr, value in document(f"own-swtpm/pcrs-{kind}.json").items()}
    signer = qualified_name(ak, ek_name=ek_name(ek_public_key(data("own-swtpm/ek-rsa.der"))))
    found = codes(
        message,
        data(f"own-swtpm/quote-{kind}.sig"),
        ak=ak,
        nonce=parse_quote(message).extra_data,
        values=values,
        qualified_signer=signer if kind == "rsa" else None,  # The elliptic-curve AK's EK was not kept.
    )
    assert found == []


def pcrs_of(raw: bytes) -> Mapping[int, bytes]:
    """Return the values of the one bank in a file of tpm2-tools."""
    ((bank, values),) = parse_serialized_pcrs(raw).items()
    assert bank == "sha256"
    return values


def keylime_quote() -> tuple[bytes, bytes, PublicArea, bytes, Mapping[int, bytes]]:
    folder = "keylime/quote-rsa"
    return (
        data(f"{folder}/quote.tpms_attest"),
        data(f"{folder}/quote.tpmt_signature"),
        key_area(data(f"{folder}/ak.pem")),
        data(f"{folder}/nonce.txt").strip(),
        pcrs_of(data(f"{folder}/pcrs.tpm2tools-serialized")),
    )


def test_keylimes_quote_verifies() -> None:
    message, signature, ak, nonce, values = keylime_quote()
    assert list(values) == [16]
    assert codes(message, signature, ak=ak, nonce=nonce, values=values) == []


def test_keylimes_quote_is_refused_with_any_byte_flipped_or_another_nonce() -> None:
    message, signature, ak, nonce, values = keylime_quote()
    for index in range(len(message)):
        assert codes(flip(message, index), signature, ak=ak, nonce=nonce, values=values), f"byte {index}"
    for index in range(len(signature)):
        assert codes(message, flip(signature, index), ak=ak, nonce=nonce, values=values), f"byte {index}"
    assert codes(message, signature, ak=ak, nonce=b"another", values=values) == ["QualifyingDataMismatch"]
    assert codes(message, signature, ak=ak, nonce=nonce, values={16: flip(values[16], 0)}) == ["PcrDigestMismatch"]


FILES = {
    "relabelled PCRs": ("q", "s", "ak.pem", "pcrs_lie", {"PcrSelectionMismatch", "PcrDigestMismatch"}),
    "a wrong magic": ("q_bad", "s_bad", "fake.pem", "pcrs_true", {"QuoteNotByTpm"}),
    "an attestation of the time": ("t", "ts", "ak.pem", None, {"NotAQuote"}),
}


@pytest.mark.skipif(shutil.which("tpm2_checkquote") is None, reason="tpm2_checkquote, the witness, is not installed")
@pytest.mark.parametrize("name", FILES)
def test_each_file_that_tpm2_checkquote_accepts_beside_ours_is_refused(name: str) -> None:
    message, signature, key, pcrs, expected = FILES[name]
    folder = FOLDER / "negative-relabel"
    nonce = data("negative-relabel/nonce")
    command = ["tpm2_checkquote", "-u", folder / key, "-m", folder / message, "-s", folder / signature, "-g", "sha256"]
    values = ["-f", folder / pcrs] if pcrs else []
    witness = subprocess.run([*command, *values, "-q", nonce.hex()], capture_output=True, timeout=60, check=False)
    version = subprocess.run(["tpm2_checkquote", "--version"], capture_output=True, timeout=60, check=False).stdout
    if b'version="5.4"' not in version:
        pytest.skip(f"another release than the one that accepts them: {version!r}")
    assert witness.returncode == 0, f"the witness refuses it: {witness.stderr!r}"
    report = inspect_quote(
        data(f"negative-relabel/{message}"),
        signature=data(f"negative-relabel/{signature}"),
        key=data(f"negative-relabel/{key}"),
        nonce=nonce,
        values=parse_pcr_values((folder / pcrs).read_bytes()) if pcrs else None,
    )
    assert report.holds
    assert {reason.code for reason in report.reasons} == expected


def test_the_files_that_tpm2_checkquote_accepts_are_refused() -> None:
    folder = "negative-relabel"
    nonce, ak = data(f"{folder}/nonce"), key_area(data(f"{folder}/ak.pem"))
    true, lie = (pcrs_of(data(f"{folder}/{name}")) for name in ("pcrs_true", "pcrs_lie"))
    quote, signature = data(f"{folder}/q"), data(f"{folder}/s")
    assert (list(true), list(lie)) == ([16, 23], [0, 7])
    assert codes(quote, signature, ak=ak, nonce=nonce, values=true) == []
    assert codes(quote, signature, ak=ak, nonce=nonce, values=lie) == ["PcrSelectionMismatch", "PcrDigestMismatch"]

    forged, forger = data(f"{folder}/q_bad"), key_area(data(f"{folder}/fake.pem"))
    assert "QuoteNotByTpm" in codes(forged, data(f"{folder}/s_bad"), ak=forger, nonce=nonce, values=true)

    time, by_ak = data(f"{folder}/t"), data(f"{folder}/ts")
    assert codes(time, by_ak, ak=ak, nonce=nonce, values=true) == ["NotAQuote"]
