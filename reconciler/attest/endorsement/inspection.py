"""An EK certificate on its own, for anyone with a file: what it says, and whether it chains.

It takes DER, PEM, or what an NV index holds with its padding, and needs no state
repository. It raises nothing: a file that is no certificate gives a report that says so.
A report is no verdict, and opens nothing. The form of ``to_json`` is stable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.attest.endorsement import der, pem
from reconciler.attest.endorsement.anchors import Problem, read_anchors
from reconciler.attest.endorsement.certificate import (
    MAX_CERTIFICATE,
    Certificate,
    load_spki,
    parse_certificate,
    serial_text,
)
from reconciler.attest.endorsement.ek import judge, pin_of
from reconciler.attest.endorsement.endorsed import Consulted, TpmClaims
from reconciler.attest.endorsement.manufacturer import tpm_claims
from reconciler.attest.endorsement.names import name_text
from reconciler.attest.endorsement.oids import dotted, name_of
from reconciler.attest.endorsement.templates import key_text, templates_of
from reconciler.attest.reader import MalformedError
from reconciler.attest.verdict import Reason

_WHAT = "certificate"
_MAX_FILE = 4 * MAX_CERTIFICATE


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownExtension:
    """An extension: its dotted identifier, what it is called, whether it is critical, and its size in bytes."""

    oid: str
    name: str
    critical: bool
    size: int

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"oid": self.oid, "name": self.name, "critical": self.critical, "size": self.size}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCertificate:
    """What a certificate says of itself; names are RFC 4514 text, the fingerprint is the SHA-256 of its DER."""

    fingerprint: str
    subject: str
    issuer: str
    serial: str
    version: int
    not_before: datetime
    not_after: datetime
    key: str
    signature_algorithm: str

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "fingerprint": self.fingerprint,
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "version": self.version,
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "key": self.key,
            "signature_algorithm": self.signature_algorithm,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEk:
    """An EK's certificate: its pin for ``spec.tpm.endorsement``, its size and padding in bytes, its TPM, its templates.

    ``templates`` are the TCG's that the key may be of; none if its kind is not supported.
    """

    certificate: ShownCertificate
    pin: str
    size: int
    padding: int
    tpm: TpmClaims
    templates: tuple[str, ...]
    extensions: tuple[ShownExtension, ...]

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        tpm = self.tpm
        return {
            **self.certificate.to_json(),
            "pin": self.pin,
            "size": self.size,
            "padding": self.padding,
            "tpm": {
                "manufacturer": tpm.manufacturer,
                "vendor": tpm.vendor,
                "model": tpm.model,
                "version": tpm.version,
                "specification": tpm.specification,
            },
            "templates": list(self.templates),
            "extensions": [one.to_json() for one in self.extensions],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EkReport:
    """What was found in a file.

    ``ek`` is None if there is no certificate in it. ``chain`` are the issuers up to the anchor, empty if no path was
    found. ``reasons`` are all that speak against it; ``remarks`` are what is odd and speaks against nothing.
    ``problems`` are roots and intermediates that could not be loaded. ``judged_at`` is None if no time was given;
    dates are not judged then.
    """

    ek: ShownEk | None
    chain: tuple[ShownCertificate, ...]
    lists: tuple[Consulted, ...]
    reasons: tuple[Reason, ...]
    remarks: tuple[str, ...]
    problems: tuple[Problem, ...]
    judged_at: datetime | None

    def to_json(self) -> dict[str, object]:
        """Return the JSON form: strings, numbers, booleans, lists and mappings."""
        return {
            "ek": None if self.ek is None else self.ek.to_json(),
            "chain": [one.to_json() for one in self.chain],
            "revocation_lists": [_list_to_json(one) for one in self.lists],
            "reasons": [
                {"code": one.code, "message": one.message, "expected": one.expected, "found": one.found}
                for one in self.reasons
            ],
            "remarks": list(self.remarks),
            "problems": [{"source": one.source, "message": one.message} for one in self.problems],
            "judged_at": None if self.judged_at is None else self.judged_at.isoformat(),
        }


def _list_to_json(one: Consulted) -> dict[str, object]:
    return {
        "issuer": one.issuer,
        "fingerprint": one.fingerprint,
        "number": one.number,
        "this_update": one.this_update.isoformat(),
        "next_update": None if one.next_update is None else one.next_update.isoformat(),
    }


def inspect_ek(
    data: bytes,
    *,
    roots: Sequence[bytes],
    intermediates: Sequence[bytes],
    crls: Sequence[bytes],
    at: datetime | None,
) -> EkReport:
    """Return what is known of the EK certificate in ``data``: DER, PEM, or the content of an NV index.

    ``roots``, ``intermediates`` and ``crls`` are PEM or DER, one or more a value. Without ``at`` no dates are judged.
    """
    anchors = read_anchors(tuple(roots), tuple(intermediates), tuple(crls))
    try:
        encoded, remarks = _encoded(data)
        certificate = parse_certificate(encoded)
    except MalformedError as error:
        reason = Reason(code="EkCertificateMalformed", message=str(error))
        return EkReport(
            ek=None, chain=(), lists=(), reasons=(reason,), remarks=(), problems=anchors.problems, judged_at=at
        )
    judged = judge(certificate, anchors=anchors, at=at)
    ek, reasons = _shown_ek(certificate, padding=len(encoded) - len(certificate.raw))
    if at is None:
        remarks.append("no time was given, so no dates were judged")
    if not judged.lists:
        remarks.append("no revocation list was given for its issuers")
    return EkReport(
        ek=ek,
        chain=tuple(_shown(one) for one in (judged.path or ())[1:]),
        lists=judged.lists,
        reasons=(*judged.reasons, *reasons),
        remarks=(*remarks, *ek.tpm.remarks),
        problems=anchors.problems,
        judged_at=at,
    )


def _encoded(data: bytes) -> tuple[bytes, list[str]]:
    """Return the first certificate's DER, with whatever follows it, and remarks."""
    if len(data) > _MAX_FILE:
        raise MalformedError(_WHAT, f"{len(data)} bytes long, at most {_MAX_FILE} are read")
    if not pem.is_pem(data):
        return data, []
    found = list(pem.blocks(data, labels=pem.CERTIFICATES))
    if not found:
        raise MalformedError(_WHAT, "the file holds no whole PEM block of a certificate")
    remarks = [f"the file holds {len(found)} certificates; the first is shown"] if len(found) > 1 else []
    return found[0].decode(what=_WHAT), remarks


def _shown_ek(certificate: Certificate, *, padding: int) -> tuple[ShownEk, tuple[Reason, ...]]:
    templates: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    try:
        templates = tuple(one.name for one in templates_of(load_spki(certificate.spki)))
    except MalformedError as error:
        reasons = (Reason(code="EkKeyUnsupported", message=str(error)),)
    ek = ShownEk(
        certificate=_shown(certificate),
        pin=pin_of(certificate),
        size=len(certificate.raw),
        padding=padding,
        tpm=tpm_claims(certificate),
        templates=templates,
        extensions=tuple(
            ShownExtension(oid=oid, name=name_of(oid), critical=one.critical, size=len(one.value))
            for oid, one in certificate.extensions.items()
        ),
    )
    return ek, reasons


def _shown(certificate: Certificate) -> ShownCertificate:
    try:
        key = key_text(load_spki(certificate.spki))
    except MalformedError:
        key = "unknown"
    return ShownCertificate(
        fingerprint=certificate.fingerprint,
        subject=name_text(certificate.subject),
        issuer=name_text(certificate.issuer),
        serial=serial_text(certificate.serial),
        version=certificate.version,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        key=key,
        signature_algorithm=_algorithm(certificate.algorithm),
    )


def _algorithm(algorithm: bytes) -> str:
    try:
        first = der.first_element(der.first_element(algorithm, what=_WHAT).content, what=_WHAT)
    except MalformedError:
        return "unknown"
    return name_of(dotted(first.content))
