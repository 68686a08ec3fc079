"""Targets of what a TPM signs: quotes, signatures, public areas, creation data, and files of PCR values."""

from __future__ import annotations

import json
import struct
from functools import partial
from random import Random

from reconciler.attest.tpm.attestation import parse_creation_attestation, parse_quote
from reconciler.attest.tpm.attestation_key import check_attestation_key
from reconciler.attest.tpm.creation import check_creation, parse_creation_data
from reconciler.attest.tpm.inspection import inspect_quote
from reconciler.attest.tpm.pcr_files import parse_pcr_values
from reconciler.attest.tpm.public import parse_public
from reconciler.attest.tpm.quote import enrol, judge_quote
from reconciler.attest.tpm.selection import require
from reconciler.attest.tpm.signature import parse_signature
from tests.fuzz.checks import codes, judged, told
from tests.fuzz.harness import Target
from tests.fuzz.mutate import Mutation, bounded, tokens
from tests.support import softkeys
from tests.support.imalogs import pem_of
from tests.support.quotes import (
    Case,
    bank_values,
    ecc_key_and_sign,
    places,
    quote_over,
    rsa_key_and_sign,
    software_quotes,
)
from tests.support.softtpm import ak_public_area, ek_public_area, name_of, tpm2b

QUOTES = list(software_quotes().values())
CASE = quote_over(
    {"sha256": bank_values("sha256", (0, 4, 9))},
    key=ecc_key_and_sign(curve="p256", hash_name="sha256"),
    hash_name="sha256",
)
AK = ecc_key_and_sign(curve="p256", hash_name="sha256")[0]
PARENT = name_of(b"some parent")
CREATION = b"".join(
    (
        struct.pack(">IHB3s", 1, 0xB, 3, b"\x01\0\0"),
        tpm2b(bytes(32)),
        struct.pack(">BH", 1, 0xB),
        tpm2b(PARENT),
        tpm2b(name_of(PARENT)),
        tpm2b(b"info"),
    )
)
CREATED = b"".join(
    (
        struct.pack(">IH", 0xFF544347, 0x801A),
        tpm2b(name_of(b"signer")),
        tpm2b(b"nonce"),
        struct.pack(">QIIBQ", 1, 2, 3, 1, 4),
        tpm2b(name_of(AK)),
        tpm2b(bytes(32)),
    )
)
KEYS = (
    *(ecc_key_and_sign(curve=curve, hash_name="sha256")[0] for curve in ("p256", "p384", "p521")),
    rsa_key_and_sign(hash_name="sha256")[0],
    rsa_key_and_sign(hash_name="sha384", salt=48)[0],
    tpm2b(AK),
    ak_public_area(softkeys.ec_key("ak").public_key()),
    ek_public_area(softkeys.ec_key("ek").public_key()),
    ek_public_area(softkeys.rsa_key("ak").public_key()),
    pem_of(softkeys.ec_key("ak")).encode(),
    pem_of(softkeys.rsa_key("ak")).encode(),
)
_HEX = {pcr: value.hex() for pcr, value in bank_values("sha256", range(24)).items()}
_SLOTS = b"".join(struct.pack("<H64s", 32, bytes.fromhex(_HEX[pcr])) for pcr in range(8))
PCR_FILES = (
    json.dumps(_HEX).encode(),
    json.dumps({"sha256": _HEX, "sha1": {"0": "00" * 20}}).encode(),
    "".join(f"  {pcr:<2}: 0x{value.upper()}\n" for pcr, value in _HEX.items()).encode(),
    b"sha256:\n" + "".join(f"  {pcr} : 0x{value}\n" for pcr, value in _HEX.items()).encode() + b"sha1:\n",
    struct.pack("<I", 1)
    + struct.pack("<HB4sx", 0xB, 3, b"\xff\0\0\0")
    + bytes(8 * 15)
    + struct.pack("<II", 1, 8)
    + _SLOTS,
)
_WORDS = tokens(
    [b"sha256", b"sha1", b":", b"0x", b"{", b"}", b'"', b"\0", b"24", b"NaN", b"1e999", b"null", b"\\ud800"]
)


def change_field(random: Random, data: bytes) -> bytes:
    """Give a field of a quote another content, and the size that fits it, or another number."""
    try:
        found = places(data)
    except (IndexError, MemoryError):
        return data
    place = found[random.choice(sorted(found))]
    content = random.randbytes(random.choice((0, 1, 2, 20, 32, 34, 64, 66, 67, 600)))
    size = struct.pack(">H", len(content)) if random.random() < 0.5 else data[place.start - 2 : place.start]
    return bounded(data[: max(0, place.start - 2)] + size + content + data[place.stop :])


def change_sized(random: Random, data: bytes) -> bytes:
    """Give something that looks like a sized field another content, and the size that fits it."""
    starts = [at for at in range(len(data) - 2) if 0 < int.from_bytes(data[at : at + 2]) <= len(data) - at - 2]
    if not starts:
        return data
    at = random.choice(starts)
    end = at + 2 + int.from_bytes(data[at : at + 2])
    content = random.choice((data[at + 2 : end][:-1], data[at + 2 : end] + b"\0", b"", random.randbytes(end - at - 2)))
    return data[:at] + tpm2b(content) + data[end:]


def _judge(case: Case, message: bytes, signature: bytes) -> str:
    return codes(
        judge_quote(
            message,
            signature=signature,
            key=enrol(case.ak, qualified_signer=case.signer),
            extra_data=case.nonce,
            requirement=require(case.selection),
            values=case.values,
            after=case.before,
        )
    )


def run_quote(data: bytes) -> str:
    """Judge, parse and inspect ``data`` as a quote."""
    outcome = judged(lambda: _judge(CASE, data, CASE.signature))
    created = judged(
        lambda: check_creation(data, signature=CASE.signature, ak=CASE.ak, creation_data=CREATION, parent_name=PARENT)
    )
    if data[4:6] == b"\x80\x1a":
        parse_creation_attestation(data)
        return codes(created)
    parse_quote(data)
    report = inspect_quote(data, signature=CASE.signature, key=AK, nonce=CASE.nonce, values=CASE.values)
    told(report.to_json())
    return outcome + codes(report.reasons)


def run_signature(data: bytes) -> str:
    """Judge and parse ``data`` as a signature, by keys of either kind."""
    outcome = ""
    for case in (CASE, QUOTES[0], QUOTES[3]):
        outcome += judged(partial(_judge, case, case.message, data))
    parse_signature(data)
    told(inspect_quote(CASE.message, signature=data, key=AK, nonce=None, values=None).to_json())
    return outcome


def run_public(data: bytes) -> str:
    """Inspect a quote by ``data`` as its key, in PEM or as the TPM has it."""
    report = inspect_quote(CASE.message, signature=CASE.signature, key=data, nonce=None, values=None)
    told(report.to_json())
    if data.startswith(b"-"):
        return codes(report.reasons)
    area = parse_public(data)
    return codes([*report.reasons, *check_attestation_key(area)])


def run_creation(data: bytes) -> str:
    """Parse and judge ``data`` as creation data."""
    found = judged(
        lambda: check_creation(CREATED, signature=CASE.signature, ak=CASE.ak, creation_data=data, parent_name=PARENT)
    )
    parse_creation_data(data)
    return codes(found)


def run_pcrs(data: bytes) -> str:
    """Parse ``data`` as a file of PCR values, and hold a quote against them."""
    values = parse_pcr_values(data)
    report = inspect_quote(CASE.message, signature=CASE.signature, key=AK, nonce=None, values=values)
    told(report.to_json())
    return codes(report.reasons)


_SIZED: tuple[Mutation, ...] = (change_sized,)
_SIGNATURES = [quote.signature for quote in QUOTES]
TARGETS = (
    Target(
        name="quote",
        run=run_quote,
        seeds=[CASE.message, CREATED, *(quote.message for quote in QUOTES)],
        mutations=(change_field, change_field, change_sized),
        factor=16,
        brief=8000,
    ),
    Target(name="signature", run=run_signature, seeds=_SIGNATURES, mutations=_SIZED, factor=16, brief=10000),
    Target(name="public", run=run_public, seeds=KEYS, mutations=_SIZED, factor=16, brief=12000),
    Target(name="creation", run=run_creation, seeds=[CREATION], mutations=_SIZED, factor=16, brief=30000),
    Target(name="pcrs", run=run_pcrs, seeds=PCR_FILES, mutations=(_WORDS,), factor=16, brief=50000),
)
