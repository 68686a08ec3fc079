"""The endorsement: whether an EK certificate is a trusted manufacturer's, and this node's.

Every certificate among the roots is an anchor: they all stand in the reviewed state
repository, as do the intermediates; nodes send neither. Dates are judged at the given
time, and what was relied upon is part of the result. Manufacturer, model and version are
told, not judged. All reasons are given, and each names its certificate and its rule.

Source: TCG EK Credential Profile 2.5, 3.2 (certificate); RFC 5280, 6.1.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from reconciler.attest.endorsement import oids
from reconciler.attest.endorsement.anchors import Anchors
from reconciler.attest.endorsement.certificate import Certificate, describe, load_spki, parse_certificate
from reconciler.attest.endorsement.endorsed import Consulted, Endorsement
from reconciler.attest.endorsement.extensions import (
    KEY_AGREEMENT,
    KEY_ENCIPHERMENT,
    basic_constraints,
    extended_usages,
    key_usage,
    unknown_critical,
)
from reconciler.attest.endorsement.manufacturer import check_alternative_name, tpm_claims
from reconciler.attest.endorsement.oids import name_of
from reconciler.attest.endorsement.path import Path, check_dates, find_path
from reconciler.attest.endorsement.revocation import check_revocation
from reconciler.attest.endorsement.templates import ek_name, ek_names, templates_of
from reconciler.attest.reader import MalformedError
from reconciler.attest.tpm.public import PublicKey
from reconciler.attest.verdict import Reason

__all__ = [
    "Endorsement",
    "EndorsementCheck",
    "Judged",
    "check_endorsement",
    "ek_key",
    "ek_name",
    "ek_names",
    "ek_public_key",
    "judge",
    "pin_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndorsementCheck:
    """What came of a check: every reason against, the EK's key if it has a usable one, and the endorsement if none."""

    reasons: tuple[Reason, ...]
    key: PublicKey | None
    endorsement: Endorsement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A certificate judged on its own: the path if there is one, what speaks against it, the lists consulted."""

    path: Path | None
    reasons: tuple[Reason, ...]
    lists: tuple[Consulted, ...]


def check_endorsement(data: bytes, *, anchors: Anchors, endorsement: str, at: datetime) -> EndorsementCheck:
    """Judge the EK certificate in ``data`` against what the state repository holds; it raises nothing.

    1. It parses, and any padding after it is cut.
    2. A path of certificates that may issue, within their dates, leads to an anchor.
    3. Nothing on that path is revoked, and no list that should tell so is stale or unusable.
    4. It is an end-entity certificate for an EK, without critical extensions that are not understood.
    5. Its key is the one that the node's document pins.
    6. Its key is of a kind whose template is known.
    """
    # 1. The certificate.
    try:
        certificate = parse_certificate(data)
    except MalformedError as error:
        reason = Reason(code="EkCertificateMalformed", message=str(error))
        return EndorsementCheck(reasons=(reason,), key=None, endorsement=None)
    # 2. to 4. The path, revocation, and what the certificate is for.
    judged = judge(certificate, anchors=anchors, at=at)
    reasons = list(judged.reasons)
    # 5. The pin.
    found = pin_of(certificate)
    if not hmac.compare_digest(found.encode(), endorsement.encode()):
        message = f"the EK of the {describe(certificate)} is not the one that the node's document names"
        reasons.append(Reason(code="EndorsementMismatch", message=message, expected=endorsement, found=found))
    # 6. The key.
    key: PublicKey | None = None
    try:
        key = ek_key(certificate)
    except MalformedError as error:
        reasons.append(Reason(code="EkKeyUnsupported", message=f"the {describe(certificate)}: {error}"))
    if reasons or judged.path is None:
        return EndorsementCheck(reasons=tuple(reasons), key=key, endorsement=None)
    accepted = Endorsement(
        certificate=certificate.fingerprint,
        pin=found,
        path=tuple(one.fingerprint for one in judged.path),
        not_before=max(one.not_before for one in judged.path),
        not_after=min(one.not_after for one in judged.path),
        tpm=tpm_claims(certificate),
        lists=judged.lists,
        judged_at=at,
    )
    return EndorsementCheck(reasons=(), key=key, endorsement=accepted)


def judge(certificate: Certificate, *, anchors: Anchors, at: datetime | None) -> Judged:
    """Return the path of ``certificate``, and all that speaks against it as an EK's; without ``at`` no dates."""
    path, reasons = find_path(certificate, anchors=anchors, at=at)
    if path is None:
        reasons = [*reasons, *check_dates(certificate, at=at)]
    against, lists = check_revocation(path or (certificate,), anchors=anchors, at=at)
    reasons += against
    try:
        reasons += _check_usage(certificate)
    except MalformedError as error:
        reasons.append(Reason(code="EkCertificateMalformed", message=f"the {describe(certificate)}: {error}"))
    return Judged(path=path, reasons=tuple(reasons), lists=lists)


def _check_usage(certificate: Certificate) -> Iterator[Reason]:
    who = describe(certificate)
    if basic_constraints(certificate).is_authority:
        message = f"the {who} is that of an authority (TCG EK Credential Profile, 3.2: cA is false)"
        yield Reason(code="EkCertificateUsage", message=message)
    usage = key_usage(certificate)
    if usage is not None and not usage & (KEY_ENCIPHERMENT | KEY_AGREEMENT):
        message = f"the key of the {who} may not receive secrets (TCG EK Credential Profile, 3.2: keyUsage)"
        yield Reason(code="EkCertificateUsage", message=message)
    purposes = extended_usages(certificate)
    if purposes is not None and oids.EK_CERTIFICATE not in purposes:
        message = f"the {who} is not for an endorsement key (TCG EK Credential Profile, 3.2: extKeyUsage)"
        found = ", ".join(sorted(purposes))
        yield Reason(code="EkCertificateUsage", message=message, expected=oids.EK_CERTIFICATE, found=found)
    for identifier in unknown_critical(certificate):
        message = f"a critical extension of the {who} is not understood (RFC 5280, 6.1.5 (f))"
        yield Reason(code="EkCertificateExtension", message=message, found=name_of(identifier))
    try:
        check_alternative_name(certificate)
    except MalformedError as error:
        message = f"a critical extension of the {who} cannot be read (RFC 5280, 4.2): {error}"
        yield Reason(code="EkCertificateExtension", message=message, found=name_of(oids.SUBJECT_ALT_NAME))


def pin_of(certificate: Certificate) -> str:
    """Return what stands in a node's ``spec.tpm.endorsement``: ``sha256:`` over the SubjectPublicKeyInfo."""
    return f"sha256:{hashlib.sha256(certificate.spki).hexdigest()}"


def ek_key(certificate: Certificate) -> PublicKey:
    """Return the key of an EK certificate; raise MalformedError if no template is known for it."""
    key = load_spki(certificate.spki)
    templates_of(key)
    return key


def ek_public_key(certificate_der: bytes) -> PublicKey:
    """Return the key of an EK certificate, padding allowed after it; raise MalformedError if there is none.

    It is *not* checked whose certificate it is: a credential may be made for any key, and is judged later.
    """
    return load_spki(parse_certificate(certificate_der).spki)
