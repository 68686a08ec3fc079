"""Whether a certificate of a path was revoked, as far as the state repository holds lists.

Lists come with the repository; nothing is fetched. Without a list for an issuer nothing
is known against its certificates, and that is recorded by what was consulted. But a list
that is there must be usable: stale never means good.

- A list that cannot be read, or that no given certificate may have signed, refuses every EK:
  whom it revokes is not known. ``ringfence validate`` finds it before it is followed.
- A serial number in any list of the issuer, old or new, refuses. No other way is searched.
- Of the lists of one issuer and scope, the newest must say when the next is due, and that
  must not be past. A list made *after* the given time counts: evidence is judged again under
  the repository of today, as of its receipt.
- For an anchor the lists of its own issuer count as well, if there are any.

Source: RFC 5280, 5.1.2.5, 5.2.5 and 6.3.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from reconciler.attest.endorsement.anchors import Anchors, SignedList
from reconciler.attest.endorsement.certificate import Certificate, describe
from reconciler.attest.endorsement.crl import RevocationList
from reconciler.attest.endorsement.endorsed import Consulted
from reconciler.attest.endorsement.names import name_text, normal_form
from reconciler.attest.verdict import Reason


def check_revocation(
    path: Sequence[Certificate], *, anchors: Anchors, at: datetime | None
) -> tuple[list[Reason], tuple[Consulted, ...]]:
    """Return what the lists say against the certificates of ``path``, and which lists were consulted.

    Without ``at`` it is not judged whether a list is stale.
    """
    reasons: list[Reason] = []
    for place, why in anchors.unusable_lists.items():
        message = f"list {place + 1} of trust/ek-crls cannot be used, so nobody knows whom it revokes: {why}"
        reasons.append(Reason(code="EkCrlInvalid", message=message))
    newest: dict[str, RevocationList] = {}
    for depth, certificate in enumerate(path):
        issuer = path[depth + 1] if depth + 1 < len(path) else None
        given = [one.revocations for one in anchors.lists if _is_for(one, certificate, issuer=issuer)]
        reasons += _revoked(certificate, given=given)
        for one in _newest(given, is_authority=depth > 0):
            newest[one.fingerprint] = one
    reasons += [reason for one in newest.values() for reason in _stale(one, at=at)]
    return reasons, tuple(_consulted(one) for one in newest.values())


def _is_for(one: SignedList, certificate: Certificate, *, issuer: Certificate | None) -> bool:
    """Return whether the list is by the issuer of ``certificate``: by the name, and by the key if that is known."""
    if normal_form(one.revocations.issuer) != normal_form(certificate.issuer):
        return False
    return issuer is None or any(signer.spki == issuer.spki for signer in one.signers)


def _revoked(certificate: Certificate, *, given: Sequence[RevocationList]) -> Iterator[Reason]:
    for one in given:
        entry = one.find(certificate.serial)
        if entry is not None:
            why = "" if entry.reason is None else f" ({entry.reason})"
            message = f"the {describe(certificate)} was revoked{why} by {name_text(one.issuer)} (RFC 5280, 6.3.3 (j))"
            yield Reason(code="EkRevoked", message=message, found=entry.date.isoformat())
            return


def _newest(given: Sequence[RevocationList], *, is_authority: bool) -> list[RevocationList]:
    """Return the newest list of each scope that certificates of this kind fall under."""
    found: dict[bytes, RevocationList] = {}
    for one in given:
        if not (one.is_for_authorities if is_authority else one.is_for_users):
            continue
        other = found.get(one.scope)
        if other is None or (one.this_update, one.number or 0) > (other.this_update, other.number or 0):
            found[one.scope] = one
    return list(found.values())


def _stale(one: RevocationList, *, at: datetime | None) -> Iterator[Reason]:
    who = f"the revocation list of {name_text(one.issuer)}"
    if one.next_update is None:
        message = f"{who} does not say when the next one is due (RFC 5280, 5.1.2.5)"
        yield Reason(code="EkCrlStale", message=message)
    elif at is not None and at > one.next_update:
        message = f"{who} is stale: the next one was due (RFC 5280, 6.3.3 (a))"
        yield Reason(code="EkCrlStale", message=message, expected=one.next_update.isoformat(), found=at.isoformat())


def _consulted(one: RevocationList) -> Consulted:
    return Consulted(
        issuer=name_text(one.issuer),
        fingerprint=one.fingerprint,
        number=one.number,
        this_update=one.this_update,
        next_update=one.next_update,
    )
