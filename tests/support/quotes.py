"""Good quotes of every kind, made with software keys, and every way to change one field of a quote.

Written from the TPM 2.0 specification on its own, without the verifier's parsers, so that
the two check each other.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from reconciler.attest.tpm.public import PublicArea, parse_public
from reconciler.attest.tpm.quote import enrol, judge_quote
from reconciler.attest.tpm.selection import require
from reconciler.model.submission import BootClock
from tests.support import softkeys
from tests.support.lies import flip
from tests.support.softtpm import AK_ATTRIBUTES, name_of, tpm2b

Sign = Callable[[bytes], bytes]
Banks = Mapping[str, Mapping[int, bytes]]

_NUMBERS = {"sha1": 0x0004, "sha256": 0x000B, "sha384": 0x000C, "sha512": 0x000D}
_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
_CURVES: dict[str, tuple[int, ec.EllipticCurve]] = {
    "p256": (3, ec.SECP256R1()),
    "p384": (4, ec.SECP384R1()),
    "p521": (5, ec.SECP521R1()),
}
_CHANGED_SCHEMES = {0x0014: b"\0\x16", 0x0016: b"\0\x14", 0x0018: b"\0\x14"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A good quote and all that it is held against; ``resign`` signs a changed one as the same key would.

    ``known`` are the codes that stand against it as it is: none but for a quote by SHA-1.
    """

    message: bytes
    signature: bytes
    ak: PublicArea
    nonce: bytes
    selection: Sequence[tuple[str, Sequence[int]]]
    values: Banks
    signer: bytes | None
    resign: Sign | None = None
    known: frozenset[str] = frozenset()

    @property
    def before(self) -> BootClock:
        """Return the clock of an earlier quote of the same boot."""
        at = places(self.message)["clock"].start
        clock, resets, restarts, _, firmware = struct.unpack_from(">QIIBQ", self.message, at)
        return BootClock(reset_count=resets, restart_count=restarts, clock=clock - 1, firmware_version=firmware)

    def codes(self) -> set[str]:
        """Return the codes that stand against the quote."""
        reasons = judge_quote(
            self.message,
            signature=self.signature,
            key=enrol(self.ak, qualified_signer=self.signer),
            extra_data=self.nonce,
            requirement=require(self.selection),
            values=self.values,
            after=self.before if self.message[4:6] == b"\x80\x18" and len(self.message) > 8 else None,
        )
        return {reason.code for reason in reasons}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One field changed: what the case is then, and exactly the codes that must be new."""

    name: str
    case: Case
    codes: frozenset[str]


def places(message: bytes) -> dict[str, slice]:
    """Return where each field of a quote lies."""
    at, found = 6, {"magic": slice(0, 4), "type": slice(4, 6)}
    for name in ("qualifiedSigner", "extraData"):
        size = int.from_bytes(message[at : at + 2])
        found[name] = slice(at + 2, at + 2 + size)
        at += 2 + size
    for name, size in (("clock", 8), ("resetCount", 4), ("restartCount", 4), ("safe", 1), ("firmwareVersion", 8)):
        found[name] = slice(at, at + size)
        at += size
    count = int.from_bytes(message[at : at + 4])
    at += 4
    for index in range(count):
        size = message[at + 2]
        found[f"bank {index}"], found[f"bitmap {index}"] = slice(at, at + 2), slice(at + 3, at + 3 + size)
        at += 3 + size
    found["pcrDigest"] = slice(at + 2, len(message))
    return found


def changes(case: Case) -> Iterator[Change]:
    """Yield every single-field change of ``case``, each with the codes that fit it."""
    yield from _message_changes(case)
    yield from _signature_changes(case)
    yield from _claim_changes(case)


def _message_changes(case: Case) -> Iterator[Change]:
    where = places(case.message)
    later = struct.unpack_from(">QII", case.message, where["clock"].start)

    def put(name: str, value: bytes, *codes: str, label: str = "") -> Change:
        place = where[name]
        message = case.message[: place.start] + value + case.message[place.stop :]
        return _resigned(case, message, codes, name=label or name)

    yield put("magic", b"EVIL", "QuoteNotByTpm")
    for kind in (0x8014, 0x8019, 0x801A):
        yield put("type", struct.pack(">H", kind), "NotAQuote", label=f"type {kind:04x}")
    if case.signer is not None:
        other = flip(case.message[where["qualifiedSigner"]], -1)
        yield put("qualifiedSigner", other, "QualifiedSignerMismatch")
    if case.nonce:
        yield put("extraData", flip(case.message[where["extraData"]], 0), "QualifyingDataMismatch")
    yield put("clock", struct.pack(">Q", later[0] - 1), "ClockFellBack")
    yield put("resetCount", struct.pack(">I", later[1] - 1), "ClockFellBack", label="resetCount falls")
    yield put("resetCount", struct.pack(">I", later[1] + 1), "BootLost", label="resetCount rises")
    if later[2]:
        yield put("restartCount", struct.pack(">I", later[2] - 1), "ClockFellBack", label="restartCount falls")
    yield put("restartCount", struct.pack(">I", later[2] + 1), "Resumed", label="restartCount rises")
    yield put("safe", b"\0", "ClockNotSafe", label="safe no")
    yield put("firmwareVersion", flip(case.message[where["firmwareVersion"]], -1), "TpmFirmwareChanged")
    digest = case.message[where["pcrDigest"]]
    for index, (bank, pcrs) in enumerate(case.selection):
        moved = {"PcrSelectionMismatch", "PcrDigestMismatch"}
        unknown = b"\0\x12"
        yield put(f"bank {index}", unknown, *moved)
        bitmap = int.from_bytes(case.message[where[f"bitmap {index}"]], "little")
        size = where[f"bitmap {index}"].stop - where[f"bitmap {index}"].start
        for pcr in range(8 * size):
            codes = moved if pcr in pcrs else {"PcrSelectionMismatch"}
            label = f"bitmap {index}, PCR {pcr} of {bank}"
            yield put(f"bitmap {index}", (bitmap ^ 1 << pcr).to_bytes(size, "little"), *codes, label=label)
    yield put("pcrDigest", flip(digest, 0), "PcrDigestMismatch")
    for name, message in (("truncated", case.message[:-1]), ("trailing byte", case.message + b"\0")):
        yield Change(name=name, case=replace(case, message=message), codes=frozenset({"QuoteMalformed"}))
    unclear = case.message[: where["safe"].start] + b"\2" + case.message[where["safe"].stop :]
    yield Change(name="safe 2", case=replace(case, message=unclear), codes=frozenset({"QuoteMalformed"}))


def _resigned(case: Case, message: bytes, codes: Sequence[str], *, name: str) -> Change:
    if case.resign is not None:
        return Change(
            name=name,
            case=_Fixed.of(case, message=message, signature=case.resign(message)),
            codes=frozenset(codes),
        )
    return Change(name=name, case=_Fixed.of(case, message=message), codes=frozenset({*codes, "QuoteSignatureInvalid"}))


@dataclass(frozen=True, kw_only=True)
class _Fixed(Case):
    """A changed case, which is held against the earlier clock of the good one."""

    good: bytes

    @classmethod
    def of(cls, case: Case, **changed: bytes) -> _Fixed:
        fields = {name: getattr(case, name) for name in Case.__dataclass_fields__}
        return cls(**{**fields, **changed}, good=case.message)

    @property
    def before(self) -> BootClock:
        return replace(self, message=self.good)._earlier()

    def _earlier(self) -> BootClock:
        return super().before


def _signature_changes(case: Case) -> Iterator[Change]:
    raw = case.signature
    scheme = int.from_bytes(raw[:2])

    def signed(name: str, signature: bytes, code: str) -> Change:
        return Change(name=name, case=replace(case, signature=signature), codes=frozenset({code}))

    other = _CHANGED_SCHEMES[scheme] + raw[2:]
    yield signed("scheme", other, "QuoteMalformed" if scheme == 0x0018 else "QuoteSignatureScheme")
    for number in sorted({0x000C, 0x000D} - {int.from_bytes(raw[2:4])}):
        yield signed(f"hash {number:04x}", raw[:2] + struct.pack(">H", number) + raw[4:], "QuoteSignatureScheme")
    yield signed("signature truncated", raw[:-1], "QuoteMalformed")
    yield signed("signature's trailing byte", raw + b"\0", "QuoteMalformed")
    if scheme == 0x0018:
        size = int.from_bytes(raw[4:6])
        yield signed("r", flip(raw, 6 + size - 1), "QuoteSignatureInvalid")
        yield signed("s", flip(raw, -1), "QuoteSignatureInvalid")
        zero = raw[:4] + tpm2b(bytes(size)) + raw[6 + size :]
        yield signed("r is zero", zero, "QuoteSignatureInvalid")
        yield signed("s is zero", raw[: 6 + size] + tpm2b(b""), "QuoteSignatureInvalid")
    else:
        yield signed("sig", flip(raw, -1), "QuoteSignatureInvalid")
        yield signed("sig shorter", raw[:4] + tpm2b(raw[6:-1]), "QuoteSignatureInvalid")
        yield signed("sig longer", raw[:4] + tpm2b(b"\0" + raw[6:]), "QuoteSignatureInvalid")


def _claim_changes(case: Case) -> Iterator[Change]:
    for bank, claimed in case.values.items():

        def claim(name: str, values: Mapping[int, bytes], *codes: str, bank: str = bank) -> Change:
            label = f"{name} of {bank}"
            return Change(name=label, case=replace(case, values={**case.values, bank: values}), codes=frozenset(codes))

        for pcr, value in claimed.items():
            rest = {number: content for number, content in claimed.items() if number != pcr}
            both = "PcrValueMalformed", "PcrDigestMismatch"
            yield claim(f"value {pcr}", {**claimed, pcr: flip(value, 0)}, "PcrDigestMismatch")
            yield claim(f"value {pcr} missing", rest, *both)
            yield claim(f"value {pcr} short", {**claimed, pcr: value[:-1]}, *both)
        spare = min(set(range(24)) - set(claimed), default=None)
        if spare is not None:
            yield claim(f"value {spare} more", {**claimed, spare: next(iter(claimed.values()))}, "PcrValueMalformed")
    if case.nonce:
        for name, nonce in (("another nonce", flip(case.nonce, -1)), ("no nonce", b"")):
            yield Change(name=name, case=replace(case, nonce=nonce), codes=frozenset({"QualifyingDataMismatch"}))


def rsa_key_and_sign(*, hash_name: str, salt: int | None = None) -> tuple[bytes, Sign]:
    """Return the TPMT_PUBLIC of an RSA-2048 AK and its signing, by PSS with a ``salt`` of so many bytes or PKCS1v15."""
    key, algorithm = softkeys.rsa_key("ak"), _HASHES[hash_name]
    scheme, number = 0x0014 if salt is None else 0x0016, _NUMBERS[hash_name]
    how = padding.PKCS1v15() if salt is None else padding.PSS(padding.MGF1(algorithm), salt)
    head = struct.pack(">HHIHHHHHI", 0x0001, 0x000B, AK_ATTRIBUTES, 0, 0x0010, scheme, number, 2048, 0)
    public = head + tpm2b(key.public_key().public_numbers().n.to_bytes(256))
    return public, lambda message: struct.pack(">HH", scheme, number) + tpm2b(key.sign(message, how, algorithm))


def ecc_key_and_sign(*, curve: str, hash_name: str) -> tuple[bytes, Sign]:
    """Return the TPMT_PUBLIC of an ECDSA AK on ``curve`` and its signing."""
    (identifier, kind), number = _CURVES[curve], _NUMBERS[hash_name]
    key = ec.derive_private_key(int.from_bytes(hashlib.sha256(curve.encode()).digest()), kind)
    size, point = (kind.key_size + 7) // 8, key.public_key().public_numbers()
    head = struct.pack(">HHIHHHHHH", 0x0023, 0x000B, AK_ATTRIBUTES, 0, 0x0010, 0x0018, number, identifier, 0x0010)
    public = head + tpm2b(point.x.to_bytes(size)) + tpm2b(point.y.to_bytes(size))

    def sign(message: bytes) -> bytes:
        parts = decode_dss_signature(key.sign(message, ec.ECDSA(_HASHES[hash_name], deterministic_signing=True)))
        return struct.pack(">HH", 0x0018, number) + b"".join(tpm2b(part.to_bytes(size)) for part in parts)

    return public, sign


def quote_over(
    values: Banks, *, key: tuple[bytes, Sign], hash_name: str, nonce: bytes = b"n" * 32, bitmap_size: int = 3
) -> Case:
    """Return a good quote over ``values`` by ``key``, bank by bank; its clock is in the third boot, slept twice."""
    public, sign = key
    name = name_of(public)
    signer = name_of(name_of(struct.pack(">I", 0x4000000B) + name_of(b"some EK")) + name)
    selection = struct.pack(">I", len(values))
    for bank, claimed in values.items():
        bitmap = sum(1 << pcr for pcr in claimed)
        selection += struct.pack(">HB", _NUMBERS[bank], bitmap_size) + bitmap.to_bytes(bitmap_size, "little")
    joined = b"".join(claimed[pcr] for claimed in values.values() for pcr in sorted(claimed))
    clock = struct.pack(">QIIBQ", 90_000, 3, 2, 1, 0x2019102300163636)
    head = struct.pack(">IH", 0xFF544347, 0x8018) + tpm2b(signer) + tpm2b(nonce) + clock
    message = head + selection + tpm2b(hashlib.new(hash_name, joined).digest())
    return Case(
        message=message,
        signature=sign(message),
        ak=parse_public(public),
        nonce=nonce,
        selection=[(bank, sorted(claimed)) for bank, claimed in values.items()],
        values=values,
        signer=signer,
        resign=sign,
    )


def bank_values(bank: str, pcrs: Sequence[int]) -> dict[int, bytes]:
    """Return a value of the right size for each of ``pcrs``."""
    return {pcr: hashlib.new(bank, f"PCR {pcr}".encode()).digest() for pcr in pcrs}


def software_quotes() -> dict[str, Case]:
    """Return good quotes by name: every scheme, curve, hash and mixture of banks."""
    usual = {"sha256": bank_values("sha256", (0, 4, 9))}
    two = {"sha384": bank_values("sha384", (7,)), "sha256": bank_values("sha256", (0, 1, 23))}
    old = {"sha1": bank_values("sha1", (10,)), "sha256": bank_values("sha256", (10,))}
    four = {bank: bank_values(bank, (0, 16)) for bank in ("sha1", "sha256", "sha384", "sha512")}
    made: list[tuple[str, tuple[bytes, Sign], str, Banks]] = [
        ("rsassa-sha256", rsa_key_and_sign(hash_name="sha256"), "sha256", usual),
        ("rsassa-sha384", rsa_key_and_sign(hash_name="sha384"), "sha384", usual),
        ("rsassa-sha512, four banks", rsa_key_and_sign(hash_name="sha512"), "sha512", four),
        ("rsapss-sha256, salt of the hash", rsa_key_and_sign(hash_name="sha256", salt=32), "sha256", usual),
        ("rsapss-sha256, longest salt", rsa_key_and_sign(hash_name="sha256", salt=222), "sha256", usual),
        ("rsapss-sha384, two banks", rsa_key_and_sign(hash_name="sha384", salt=48), "sha384", two),
        ("p256-sha256", ecc_key_and_sign(curve="p256", hash_name="sha256"), "sha256", usual),
        ("p256-sha256, two banks", ecc_key_and_sign(curve="p256", hash_name="sha256"), "sha256", two),
        ("p256-sha512, sha1 selected", ecc_key_and_sign(curve="p256", hash_name="sha512"), "sha512", old),
        ("p384-sha384", ecc_key_and_sign(curve="p384", hash_name="sha384"), "sha384", usual),
        ("p521-sha512, two banks", ecc_key_and_sign(curve="p521", hash_name="sha512"), "sha512", two),
    ]
    return {name: quote_over(values, key=key, hash_name=hash_name) for name, key, hash_name, values in made}
