"""What one entry of an IMA log says: its template's fields, out of the bytes that were hashed for it.

The name of a template is in no hash; only the data is. So the data must fit the fields to its last byte, and what an
entry says is taken from the data alone. Read are the fields d, n, d-ng, d-ngv2, n-ng, sig and buf; of the others
(d-modsig, modsig, and those of evm-sig) only their length, so that ima-modsig and evm-sig can be replayed, and judged
by digest and path. Appended signatures (modsig) and EVM signatures are not checked.

Source: Linux, Documentation/security/IMA-templates.rst; security/integrity/ima/ima_template_lib.c.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.attest.reader import MalformedError, Reader
from reconciler.model.ima import DIGEST_SIZES, MAX_PATH

LEGACY = b"ima"
"""The first template: of fixed size, its fields without lengths."""

LEGACY_DIGEST = 20
LEGACY_NAME = 256

WHAT = "IMA log"
"""What errors call the bytes."""

TEMPLATES: Mapping[bytes, tuple[str, ...]] = MappingProxyType(
    {
        LEGACY: ("d", "n"),
        b"ima-ng": ("d-ng", "n-ng"),
        b"ima-ngv2": ("d-ngv2", "n-ng"),
        b"ima-sig": ("d-ng", "n-ng", "sig"),
        b"ima-sigv2": ("d-ngv2", "n-ng", "sig"),
        b"ima-buf": ("d-ng", "n-ng", "buf"),
        b"ima-modsig": ("d-ng", "n-ng", "sig", "d-modsig", "modsig"),
        b"evm-sig": (
            *("d-ng", "n-ng", "evmsig", "xattrnames", "xattrlengths", "xattrvalues", "iuid", "igid", "imode"),
        ),
    }
)
"""The templates that the kernel defines by name, with their fields; others are named by their fields."""

_FIELDS = frozenset(field for fields in TEMPLATES.values() for field in fields)
_DIGESTS = frozenset({"d", "d-ng", "d-ngv2"})
_NAMES = frozenset({"n", "n-ng"})
_MAX_FIELDS = 15
_ALGORITHM = re.compile(rb"(?:(ima|verity):)?([a-z0-9_-]{1,32}):\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What was measured.

    ``algorithm`` is the kernel's name for the hash of ``digest``, ``kind`` is ``ima`` for the digest of a file's
    content and ``verity`` for that of its fs-verity tree. ``path`` is as measured, without the zero at its end.
    ``signature`` is the file's ``security.ima``, empty without one. ``buffer`` is None unless a buffer was measured.
    """

    kind: str
    algorithm: str
    digest: bytes
    path: bytes
    signature: bytes
    buffer: bytes | None


def fields_of(template: bytes) -> tuple[str, ...] | None:
    """Return the fields of ``template``, one of TEMPLATES or a list such as ``d-ng|n-ng``; None if it is unknown."""
    known = TEMPLATES.get(template)
    if known is not None:
        return known
    fields = tuple(template.decode("latin-1").split("|"))
    return fields if len(fields) <= _MAX_FIELDS and _FIELDS.issuperset(fields) else None


def decode(template: bytes, data: bytes) -> Entry | None:
    """Return what ``data`` says; None if the template is unknown or names no digest and path.

    MalformedError if the data does not fit the template's fields.
    """
    fields = fields_of(template)
    if fields is None or not _DIGESTS.intersection(fields) or not _NAMES.intersection(fields):
        return None
    if template == LEGACY:
        values = [data[:LEGACY_DIGEST], data[LEGACY_DIGEST:].rstrip(b"\0") + b"\0"]
    else:
        values = _split(data, count=len(fields))
    found = dict(zip(fields, values, strict=True))
    kind, algorithm, digest = _digest(found)
    return Entry(
        kind=kind,
        algorithm=algorithm,
        digest=digest,
        path=_path(found["n-ng"] if "n-ng" in found else found["n"]),
        signature=found.get("sig", b""),
        buffer=found.get("buf"),
    )


def join(values: Sequence[bytes]) -> bytes:
    """Return the template data made of ``values``, each with its length in front, as it is hashed."""
    return b"".join(part for value in values for part in (len(value).to_bytes(4, "little"), value))


def join_legacy(digest: bytes, path: bytes) -> bytes:
    """Return the template data of the first template, padded as it is hashed."""
    if len(digest) != LEGACY_DIGEST or len(path) >= LEGACY_NAME:
        raise MalformedError(WHAT, "an entry of the template ima has a digest of another size, or a name too long")
    return digest + path.ljust(LEGACY_NAME, b"\0")


def _split(data: bytes, *, count: int) -> list[bytes]:
    reader = Reader(data, what=WHAT, byteorder="little")
    values = [reader.take(reader.integer(4)) for _ in range(count)]
    reader.finish()
    return values


def _digest(found: Mapping[str, bytes]) -> tuple[str, str, bytes]:
    if "d" in found:
        return "ima", "sha1", found["d"]
    has_kind = "d-ngv2" in found
    field = found["d-ngv2"] if has_kind else found["d-ng"]
    match = _ALGORITHM.match(field)
    if match is None or (match[1] is not None) != has_kind:
        raise MalformedError(WHAT, "an entry's digest does not name its algorithm")
    kind, algorithm, digest = (match[1] or b"ima").decode(), match[2].decode(), field[match.end() :]
    # A violation's digest is zero, and of SHA-1's size in some kernels whatever the algorithm.
    if len(digest) != DIGEST_SIZES.get(algorithm, len(digest)) and any(digest):
        raise MalformedError(WHAT, f"an entry's digest has {len(digest)} bytes, and is said to be by {algorithm}")
    return kind, algorithm, digest


def _path(field: bytes) -> bytes:
    if not field.endswith(b"\0") or len(field) > MAX_PATH or field.find(b"\0") != len(field) - 1:
        raise MalformedError(WHAT, f"an entry's name does not end at its only zero byte, or exceeds {MAX_PATH} bytes")
    return field[:-1]
