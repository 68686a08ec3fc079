"""Certificate revocation lists, parsed by hand and bounded.

A list is read once to its last entry, and looked up by serial number afterwards. One that
could mislead is refused whole: unknown critical extensions of the list or of any entry
(delta lists, indirect lists), lists for some reasons or for attribute certificates only.
Whose list it is, and whether it is fresh, is judged in ``revocation``.

Source: RFC 5280, 5.1 to 5.3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from reconciler.attest.endorsement import der, oids
from reconciler.attest.endorsement.certificate import (
    MAX_CERTIFICATE,
    Extension,
    parse_extensions,
    signed_parts,
    take_serial,
)
from reconciler.attest.endorsement.oids import name_of
from reconciler.attest.endorsement.times import parse_time
from reconciler.attest.reader import MalformedError

MAX_LIST = 4 << 20
"""The most bytes that a revocation list may have in DER."""

_WHAT = "revocation list"
_EXTENSIONS = 0xA0
_POINT, _USERS_ONLY, _AUTHORITIES_ONLY = 0xA0, 0x81, 0x82
_SOME_REASONS, _INDIRECT, _ATTRIBUTES_ONLY = 0x83, 0x84, 0x85
_REFUSED_SCOPES = {
    _SOME_REASONS: "is for some reasons of revocation only",
    _INDIRECT: "is an indirect one, of several issuers",
    _ATTRIBUTES_ONLY: "is for attribute certificates only",
}
_UNDERSTOOD = frozenset({oids.ISSUING_DISTRIBUTION_POINT, oids.AUTHORITY_KEY_ID, oids.CRL_NUMBER})
_ENTRY_UNDERSTOOD = frozenset({oids.REASON_CODE, oids.INVALIDITY_DATE})
_REASONS = {
    1: "key compromise",
    2: "its authority was compromised",
    3: "affiliation changed",
    4: "superseded",
    5: "cessation of operation",
    6: "on hold",
    8: "removed from a delta list",
    9: "privilege withdrawn",
    10: "compromise of attributes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """An entry of a list: since when, and why if it says so."""

    date: datetime
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A parsed list.

    ``scope`` is the DER of its issuing distribution point (empty without one): lists of one scope follow each other.
    ``offsets`` says where in ``entries`` a serial number stands. ``fingerprint`` is the SHA-256 of its DER.
    """

    fingerprint: str
    signed: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime | None
    number: int | None
    scope: bytes
    is_for_users: bool
    is_for_authorities: bool
    entries: bytes
    offsets: Mapping[bytes, int]
    algorithm: bytes
    signature: bytes

    def find(self, serial: bytes) -> Revocation | None:
        """Return the entry for the serial number with this INTEGER content, None if it is not listed.

        Leading zeros do not count, so a list meets a certificate also where one of the two forgot the sign byte.
        """
        at = self.offsets.get(serial.lstrip(b"\0"))
        if at is None:
            return None
        _, start, end = der.header(self.entries, at=at, what=_WHAT)
        _, date, rest = _entry(self.entries[start:end])
        return Revocation(date=date, reason=_reason(rest))


def parse_list(data: bytes) -> RevocationList:
    """Return the list that fills the DER ``data``; raise MalformedError if it is none that can be used."""
    if len(data) > MAX_LIST:
        raise MalformedError(_WHAT, f"{len(data)} bytes long, at most {MAX_LIST} are allowed")
    outer = der.only_element(data, tag=der.SEQUENCE, what=_WHAT)
    signed, algorithm, signature = signed_parts(outer, what=_WHAT)
    fields = list(der.elements(signed.content, what=_WHAT))
    if fields and fields[0].tag == der.INTEGER and fields.pop(0).content != b"\1":
        raise MalformedError(_WHAT, "its version is not 2")
    rest = iter(fields)
    if der.expect(rest, tag=der.SEQUENCE, what=_WHAT).raw != algorithm:
        raise MalformedError(_WHAT, "names two signature algorithms")
    issuer = der.expect(rest, tag=der.SEQUENCE, what=_WHAT).raw
    if len(issuer) > MAX_CERTIFICATE:
        raise MalformedError(_WHAT, "its issuer's name is too long")
    this_update, next_update, entries, extensions = _body(rest)
    number = extensions.get(oids.CRL_NUMBER)
    scope, for_users, for_authorities = _scope(extensions)
    return RevocationList(
        fingerprint=hashlib.sha256(data).hexdigest(),
        signed=signed.raw,
        issuer=issuer,
        this_update=this_update,
        next_update=next_update,
        number=None if number is None else _number(number.value),
        scope=scope,
        is_for_users=for_users,
        is_for_authorities=for_authorities,
        entries=entries,
        offsets=MappingProxyType(_offsets(entries)),
        algorithm=algorithm,
        signature=signature,
    )


def _body(rest: Iterator[der.Element]) -> tuple[datetime, datetime | None, bytes, Mapping[str, Extension]]:
    """Return the two dates, the content of the entries, and the extensions."""
    field = next(rest, None)
    if field is None:
        raise MalformedError(_WHAT, "says no time of issue")
    this_update = parse_time(field.tag, field.content, what=_WHAT)
    next_update, entries = None, b""
    extensions: Mapping[str, Extension] = {}
    field = next(rest, None)
    if field is not None and field.tag in {der.UTC_TIME, der.GENERALIZED_TIME}:
        next_update, field = parse_time(field.tag, field.content, what=_WHAT), next(rest, None)
        if next_update < this_update:
            raise MalformedError(_WHAT, "its next update is before it was issued")
    if field is not None and field.tag == der.SEQUENCE:
        entries, field = field.content, next(rest, None)
    if field is not None and field.tag == _EXTENSIONS:
        extensions, field = parse_extensions(field.content, what=_WHAT), next(rest, None)
    if field is not None:
        raise MalformedError(_WHAT, f"holds an unknown field with tag 0x{field.tag:02x}")
    for identifier, extension in extensions.items():
        if extension.critical and identifier not in _UNDERSTOOD:
            raise MalformedError(
                _WHAT, f"its critical extension {name_of(identifier)} is not understood (RFC 5280, 5.2)"
            )
    return this_update, next_update, entries, extensions


def _number(value: bytes) -> int:
    return int.from_bytes(take_serial(der.only_element(value, tag=der.INTEGER, what=_WHAT), what=_WHAT), signed=True)


def _scope(extensions: Mapping[str, Extension]) -> tuple[bytes, bool, bool]:
    """Return the issuing distribution point, and whether the list is for end entities and for authorities."""
    extension = extensions.get(oids.ISSUING_DISTRIBUTION_POINT)
    if extension is None:
        return b"", True, True
    body = der.only_element(extension.value, tag=der.SEQUENCE, what=_WHAT).content
    fields = {part.tag: part.content != b"\0" for part in der.elements(body, what=_WHAT)}
    for tag, message in _REFUSED_SCOPES.items():
        if fields.get(tag):
            raise MalformedError(_WHAT, f"it {message} (RFC 5280, 5.2.5)")
    if fields.keys() - {_POINT, _USERS_ONLY, _AUTHORITIES_ONLY, *_REFUSED_SCOPES}:
        raise MalformedError(_WHAT, "its distribution point holds an unknown field")
    users_only, authorities_only = fields.get(_USERS_ONLY, False), fields.get(_AUTHORITIES_ONLY, False)
    if users_only and authorities_only:
        raise MalformedError(_WHAT, "it is for end entities only and for authorities only (RFC 5280, 5.2.5)")
    return extension.value, not authorities_only, not users_only


def _offsets(entries: bytes) -> dict[bytes, int]:
    """Return where each serial number stands in ``entries``, having read every entry to its end."""
    found: dict[bytes, int] = {}
    read: set[bytes] = set()
    at = 0
    while at < len(entries):
        tag, start, end = der.header(entries, at=at, what=_WHAT)
        if tag != der.SEQUENCE:
            raise MalformedError(_WHAT, "an entry is not a SEQUENCE")
        serial, _, rest = _entry(entries[start:end])
        if rest and rest not in read:
            # Most entries share a handful of extensions; each is read once.
            _reason(rest)
            read.add(rest)
        # The first of several entries for one serial number stands; a doubled one is revoked all the same.
        found.setdefault(serial.lstrip(b"\0"), at)
        at = end
    return found


def _entry(content: bytes) -> tuple[bytes, datetime, bytes]:
    """Return an entry's serial number and date, and its extensions still in DER."""
    tag, start, end = der.header(content, at=0, what=_WHAT)
    serial = take_serial(der.Element(tag=tag, content=content[start:end], raw=b""), what=_WHAT)
    tag, start, end = der.header(content, at=end, what=_WHAT)
    return serial, parse_time(tag, content[start:end], what=_WHAT), content[end:]


def _reason(rest: bytes) -> str | None:
    """Return the reason in an entry's extensions; raise MalformedError where they ask for more than is understood."""
    extensions = parse_extensions(rest, what=_WHAT) if rest else {}
    for identifier, extension in extensions.items():
        if extension.critical and identifier not in _ENTRY_UNDERSTOOD:
            message = f"an entry's critical extension {name_of(identifier)} is not understood (RFC 5280, 5.3)"
            raise MalformedError(_WHAT, message)
    code = extensions.get(oids.REASON_CODE)
    if code is None:
        return None
    content = der.only_element(code.value, tag=der.ENUMERATED, what=_WHAT).content
    return _REASONS.get(int.from_bytes(content[:4]))
