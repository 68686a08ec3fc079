"""Keylime's runtime policies, read into the ``ima`` section of an appraisal policy.

Read are: the runtime policy (JSON, version 1), the same in a DSSE envelope, the JSON allow-list before it (``hashes``
instead of ``digests``), and the flat one (the output of ``sha256sum``). Nothing becomes allowed that Keylime refuses,
and nothing that cannot be said here is dropped without a note. Where the two differ, ours is the stricter:

- Keylime compares digests without their algorithm, here the algorithm is part of one; a bare digest gets the one
  that its length stands for. SHA-1 ones count only with ``unsafeAllowSha1``, which an import never sets.
- Keylime's exclusions match the beginning of a path, ours the whole path.
- Keylime takes up keys that a machine loads, and lets them sign files; here only ``keys`` do.

Source: keylime/keylime, docs/user_guide/runtime_ima.rst; the DSSE protocol, v1.0.2.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from cryptography.x509 import load_pem_x509_certificate

from reconciler.errors.taxonomy import InputError, TrustError, cut
from reconciler.model.ima import DIGEST_SIZES, MAX_EXCLUDES, MAX_KEYS, MAX_PATH, ImaPolicy, SignatureKey, load_key
from reconciler.model.path_pattern import parse_pattern

PAYLOAD_TYPE = "application/vnd.keylime+json"
"""What an envelope must say that it holds."""

MAX_POLICY = 1 << 28
"""Longer files are refused unread; counted in bytes."""

_SUBJECT = "keylime policy"
_HINT = "get the policy from where it was signed, or give the key that signed it"
_BY_LENGTH = {40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
_KNOWN = frozenset(
    {"meta", "release", "digests", "hashes", "excludes", "keyrings", "ima", "ima-buf", "verification-keys"}
)
_KNOWN_IMA = frozenset({"ignored_keyrings", "log_hash_alg", "dm_policy"})
_FLAT_LINE = re.compile(r"([0-9a-fA-F]{40,128})[ \t]+\*?(\S.*)")


@dataclass(slots=True, kw_only=True)
class _Import:
    """What was read so far, in the names of the YAML, and what must be said about it."""

    digests: dict[str, list[str]] = field(default_factory=dict)
    buffers: dict[str, list[str]] = field(default_factory=dict)
    excludes: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    ignored_keyrings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def section(self) -> dict[str, Any]:
        whole = {
            "digests": self.digests,
            "buffers": self.buffers,
            "excludes": self.excludes,
            "keys": self.keys,
            "ignoredKeyrings": self.ignored_keyrings,
        }
        return {name: value for name, value in whole.items() if value}


def import_runtime_policy(data: bytes, *, key: bytes | None = None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the ``ima`` section that ``data`` amounts to, for YAML, and a note on everything that it does not say.

    With ``key`` (PEM, a public key or a certificate) the policy must be in a DSSE envelope that the key signed:
    TrustError otherwise. InputError if the policy cannot be read.
    """
    if len(data) > MAX_POLICY:
        raise _unreadable(f"it is {len(data)} bytes long, at most {MAX_POLICY} are allowed")
    found = _Import()
    document = _parse(data)
    if isinstance(document, dict) and "payload" in document and "payloadType" in document:
        document = _parse(_open(document, key=key, found=found))
    elif key is not None:
        raise TrustError(_SUBJECT, "it is not signed, and a key was given", reason="PolicyUnsigned", hint=_HINT)
    if isinstance(document, dict):
        _read(document, found=found)
    else:
        _read_flat(data, found=found)
    section = found.section()
    if ImaPolicy.model_validate_json(json.dumps(section)).is_empty:
        found.notes.append("nothing is allowed by what was imported: it names no digests and no keys")
    return section, tuple(found.notes)


def _parse(data: bytes) -> object:
    """Return the JSON in ``data``; None if it is text, but not JSON."""
    try:
        text = data.decode("utf-8")
        if not text.lstrip().startswith(("{", "[", '"')):
            return None
        return json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"it is neither JSON nor a flat allow-list: {_shown(str(error))}") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice in one object")
    return found


def _open(envelope: Mapping[str, Any], *, key: bytes | None, found: _Import) -> bytes:
    """Return the payload of ``envelope``, after checking its signature by ``key``."""
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        kind = envelope["payloadType"]
        signatures = [base64.b64decode(signature["sig"], validate=True) for signature in envelope["signatures"]]
        signed = b"DSSEv1 %d %b %d %b" % (len(kind.encode()), kind.encode(), len(payload), payload)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise TrustError(_SUBJECT, "its envelope is malformed", reason="PolicyUntrusted", hint=_HINT) from None
    if kind != PAYLOAD_TYPE:
        message = f"its envelope holds {_shown(kind)}, not {PAYLOAD_TYPE}"
        raise TrustError(_SUBJECT, message, reason="PolicyUntrusted", hint=_HINT)
    if key is None:
        found.notes.append("the policy is signed, and its signature was not checked: no key was given")
    elif not any(_signed(_load(key), signature=signature, message=signed) for signature in signatures):
        raise TrustError(_SUBJECT, "the given key did not sign it", reason="PolicyUntrusted", hint=_HINT)
    return payload


def _load(pem: bytes) -> SignatureKey:
    try:
        is_certificate = b"-----BEGIN CERTIFICATE-----" in pem
        key = load_pem_x509_certificate(pem).public_key() if is_certificate else load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, SignatureKey):
        message = "the given key is not an RSA or ECDSA public key or certificate in PEM"
        raise InputError(_SUBJECT, message, reason="PolicyKeyUnusable", hint="give the key that signed the policy")
    return key


def _signed(key: SignatureKey, *, signature: bytes, message: bytes) -> bool:
    sha256 = hashes.SHA256()
    schemes = (padding.PKCS1v15(), padding.PSS(mgf=padding.MGF1(sha256), salt_length=padding.PSS.AUTO))
    for scheme in schemes if isinstance(key, rsa.RSAPublicKey) else schemes[:1]:
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, message, scheme, sha256)
            else:
                key.verify(signature, message, ec.ECDSA(sha256))
        except InvalidSignature:
            continue
        return True
    return False


def _read(document: Mapping[str, Any], *, found: _Import) -> None:
    for name in sorted(document.keys() - _KNOWN):
        found.notes.append(f"{_shown(name)!r} is not known here, and was left out")
    version = _mapping(document.get("meta"), what="meta").get("version", 1)
    if version != 1:
        raise _unreadable(f"its version is {_shown(str(version))}, only 1 is known")
    for name in ("digests", "hashes"):
        _read_digests(_mapping(document.get(name), what=name), into=found.digests, what=name, found=found)
    for name in ("keyrings", "ima-buf"):
        _read_digests(_mapping(document.get(name), what=name), into=found.buffers, what=name, found=found)
    if document.get("keyrings"):
        found.notes.append("keys that keyrings allows to be loaded do not sign files here: add those that do to keys")
    for pattern in _texts(document.get("excludes"), what="excludes"):
        _read_exclusion(pattern, found=found)
    _read_settings(_mapping(document.get("ima"), what="ima"), found=found)
    _read_keys(document.get("verification-keys"), found=found)


def _read_digests(listed: Mapping[str, Any], *, into: dict[str, list[str]], what: str, found: _Import) -> None:
    weak = assumed = 0
    for path, values in listed.items():
        if path == "boot_aggregate" and into is found.digests:
            message = "the digests of boot_aggregate were left out: it is made anew of the quoted PCRs, and compared"
            found.notes.append(message)
            continue
        if not _is_name(path):
            found.notes.append(f"{what}: {_shown(path)!r} cannot be a path, and was left out")
            continue
        for value in _texts(values, what=f"{what} of {_shown(path)}"):
            digest, is_bare = _digest(value)
            if digest is None:
                found.notes.append(
                    f"{what}: {_shown(value)!r} of {_shown(path)} is no digest that counts, and was left out"
                )
                continue
            weak += digest.startswith("sha1:")
            assumed += is_bare
            known = into.setdefault(path, [])
            if digest not in known:
                known.append(digest)
    if assumed:
        found.notes.append(f"{what}: {assumed} digests name no algorithm; it was taken from their length")
    if weak:
        found.notes.append(f"{what}: {weak} digests are by SHA-1, and count only with unsafeAllowSha1: true")


def _digest(value: str) -> tuple[str | None, bool]:
    """Return ``value`` with its algorithm in front, or None, and whether it came without one."""
    algorithm, colon, digits = value.strip().lower().rpartition(":")
    if not colon:
        algorithm = _BY_LENGTH.get(len(digits), "")
    size = DIGEST_SIZES.get(algorithm)
    if size is None or re.fullmatch(f"[0-9a-f]{{{2 * size}}}", digits) is None:
        return None, not colon
    return f"{algorithm}:{digits}", not colon


def _read_exclusion(pattern: str, *, found: _Import) -> None:
    shown = _shown(pattern)
    try:
        parse_pattern(pattern)
    except ValueError as error:
        found.notes.append(f"excludes: {shown!r} was left out: {error}")
        return
    if len(found.excludes) >= MAX_EXCLUDES:
        found.notes.append(f"excludes: {shown!r} was left out: there are more than {MAX_EXCLUDES}")
        return
    found.excludes.append(pattern)
    if not pattern.endswith((".*", ".*$", "$", ".*)", ".*)$")):
        found.notes.append(f"excludes: {shown!r} excluded all that begins so, and now only whole paths like it")


def _read_settings(settings: Mapping[str, Any], *, found: _Import) -> None:
    for name in sorted(settings.keys() - _KNOWN_IMA):
        found.notes.append(f"ima: {_shown(name)!r} is not known here, and was left out")
    for keyring in _texts(settings.get("ignored_keyrings"), what="ignored_keyrings"):
        if keyring == "*" or not _is_name(keyring):
            found.notes.append(
                f"ima: ignored_keyrings holds {_shown(keyring)!r}, which was left out: name each keyring"
            )
        else:
            found.ignored_keyrings.append(keyring)
    if settings.get("log_hash_alg", "sha1") != "sha1":
        found.notes.append("ima: log_hash_alg was left out: template hashes are computed from the data of the log")
    if settings.get("dm_policy") is not None:
        found.notes.append(
            "ima: dm_policy cannot be said here, and was left out: allow device-mapper tables in buffers"
        )


def _read_keys(value: object, *, found: _Import) -> None:
    if value in (None, "", [], {}):
        return
    if isinstance(value, str):
        value = _parse(value.encode("utf-8", "surrogatepass"))
    listed = _mapping("" if value is None else value, what="verification-keys")
    ids = listed.get("keyids") or []
    for place, text in enumerate(_texts(listed.get("pubkeys"), what="verification-keys")):
        if len(found.keys) >= MAX_KEYS:
            found.notes.append(f"verification-keys: key {place} was left out: there are more than {MAX_KEYS}")
            continue
        try:
            public = load_der_public_key(base64.b64decode(text, validate=True))
            pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
            key_id, _ = load_key(pem)
        except (ValueError, UnsupportedAlgorithm, binascii.Error) as error:
            found.notes.append(f"verification-keys: key {place} was left out: {_shown(str(error))}")
            continue
        found.keys.append(pem)
        stated = ids[place] if isinstance(ids, list) and place < len(ids) else None
        if stated not in (None, int.from_bytes(key_id, "big")):
            message = "has a key id of its own there, and here the one made of it: give the certificate instead"
            found.notes.append(f"verification-keys: key {place} {message}")


def _read_flat(data: bytes, *, found: _Import) -> None:
    listed: dict[str, list[str]] = {}
    for number, line in enumerate(data.decode("utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _FLAT_LINE.fullmatch(line.strip())
        if match is None:
            raise _unreadable(f"line {number} is not a digest and a path")
        listed.setdefault(match[2], []).append(match[1])
    _read_digests(listed, into=found.digests, what="digests", found=found)


def _is_name(text: str) -> bool:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size < MAX_PATH and "\0" not in text


def _shown(text: str) -> str:
    return cut(text.encode("utf-8", "backslashreplace").decode())


def _mapping(value: object, *, what: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unreadable(f"{what} is not an object")
    return value


def _texts(value: object, *, what: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise _unreadable(f"{what} is not a list of texts")
    return value


def _unreadable(message: str) -> InputError:
    hint = "give a runtime policy as keylime-policy writes it, or the output of sha256sum"
    return InputError(_SUBJECT, message, reason="PolicyUnreadable", hint=hint)
