"""What a certificate's extensions say: may it issue, for what is its key, which key signed it.

Only those that narrow what a certificate may be used for are read. An extension that
cannot be read raises MalformedError; the callers refuse what carries it. Policies and
name constraints are not processed: certificatePolicies is taken as it comes (any policy
will do), and critical constraints on names or policies make a certificate unfit.

Source: RFC 5280, 4.2.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.attest.endorsement import der, oids
from reconciler.attest.endorsement.certificate import Certificate
from reconciler.attest.endorsement.oids import dotted
from reconciler.attest.reader import MalformedError

KEY_ENCIPHERMENT, KEY_AGREEMENT, CERTIFICATE_SIGN, CRL_SIGN = 0x20, 0x08, 0x04, 0x02

UNDERSTOOD = frozenset(
    {
        oids.SUBJECT_DIRECTORY_ATTRIBUTES,
        oids.SUBJECT_KEY_ID,
        oids.KEY_USAGE,
        oids.SUBJECT_ALT_NAME,
        oids.BASIC_CONSTRAINTS,
        oids.CRL_DISTRIBUTION_POINTS,
        oids.CERTIFICATE_POLICIES,
        oids.AUTHORITY_KEY_ID,
        oids.EXTENDED_KEY_USAGE,
    }
)
"""The extensions that may be critical: what they say is judged, or narrows nothing that is decided here."""

_WHAT = "certificate extension"
_KEY_ID = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicConstraints:
    """Whether the certificate is an authority's, and how many more may stand between it and an EK's certificate."""

    is_authority: bool
    path_length: int | None


def unknown_critical(certificate: Certificate) -> Iterator[str]:
    """Yield the critical extensions that are not understood, by dotted identifier."""
    for identifier, extension in certificate.extensions.items():
        if extension.critical and identifier not in UNDERSTOOD:
            yield identifier


def basic_constraints(certificate: Certificate) -> BasicConstraints:
    """Return the basic constraints; without the extension it is no authority's certificate (RFC 5280, 4.2.1.9)."""
    extension = certificate.extensions.get(oids.BASIC_CONSTRAINTS)
    if extension is None:
        return BasicConstraints(is_authority=False, path_length=None)
    children = der.elements(der.only_element(extension.value, tag=der.SEQUENCE, what=_WHAT).content, what=_WHAT)
    first, is_authority = next(children, None), False
    if first is not None and first.tag == der.BOOLEAN:
        is_authority, first = first.content == b"\xff", next(children, None)
    if first is None:
        return BasicConstraints(is_authority=is_authority, path_length=None)
    if first.tag != der.INTEGER or not 1 <= len(first.content) <= 4 or first.content[0] & 0x80:  # noqa: PLR2004 - bytes
        raise MalformedError(_WHAT, "the basic constraints hold something else than a path length")
    der.finish(children, what=_WHAT)
    return BasicConstraints(is_authority=is_authority, path_length=int.from_bytes(first.content))


def key_usage(certificate: Certificate) -> int | None:
    """Return the first eight bits of the key usage (keyCertSign is 4, cRLSign 2), None without the extension."""
    extension = certificate.extensions.get(oids.KEY_USAGE)
    if extension is None:
        return None
    bits = der.only_element(extension.value, tag=der.BIT_STRING, what=_WHAT).content
    if len(bits) < 2 or bits[0] > 7:  # noqa: PLR2004 - the count of unused bits, which are at most seven, and bits
        raise MalformedError(_WHAT, "the key usage is not a string of bits")
    return bits[1]


def extended_usages(certificate: Certificate) -> frozenset[str] | None:
    """Return the purposes in the extended key usage, None without the extension."""
    extension = certificate.extensions.get(oids.EXTENDED_KEY_USAGE)
    if extension is None:
        return None
    purposes = der.elements(der.only_element(extension.value, tag=der.SEQUENCE, what=_WHAT).content, what=_WHAT)
    return frozenset(dotted(purpose.content) for purpose in purposes if purpose.tag == der.OBJECT_IDENTIFIER)


def subject_key_id(certificate: Certificate) -> bytes | None:
    """Return the subject key identifier: a hint, None where there is none that can be read."""
    extension = certificate.extensions.get(oids.SUBJECT_KEY_ID)
    if extension is None:
        return None
    try:
        return der.only_element(extension.value, tag=der.OCTET_STRING, what=_WHAT).content
    except MalformedError:
        return None


def authority_key_id(certificate: Certificate) -> bytes | None:
    """Return the issuer's key identifier: a hint, None where there is none that can be read."""
    extension = certificate.extensions.get(oids.AUTHORITY_KEY_ID)
    if extension is None:
        return None
    try:
        body = der.only_element(extension.value, tag=der.SEQUENCE, what=_WHAT).content
        return next((part.content for part in der.elements(body, what=_WHAT) if part.tag == _KEY_ID), None)
    except MalformedError:
        return None
