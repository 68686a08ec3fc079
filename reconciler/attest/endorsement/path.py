"""The way from an EK's certificate to an anchor.

The search is bounded: at most eight certificates, 64 signature checks and 256 partial
paths, whatever the repository holds and however its certificates are named. A name
only finds candidates; key identifiers only say which to try first. The first path
without a flaw is taken. If every path has one, the path with the fewest is told.

What every certificate of the path must be, the anchor included:

1. signed by the next, in an accepted algorithm (the anchor's own signature is not looked at);
2. within its dates at the given time. RFC 5280 leaves an anchor's dates out; here a root
   that its maker let end no longer endorses TPMs. Who wants it longer removes the rule in
   a reviewed way: by another certificate for the same key;
3. for issuers: an authority's, with a key that may and can sign certificates, with room
   for what is below it, and without critical extensions or purposes that are not understood.

Not processed: policies and name constraints (critical ones are refused).

Source: RFC 5280, 6.1; RFC 4158, 2.4 and 5.2 (building, loops).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.attest.endorsement import oids
from reconciler.attest.endorsement.anchors import Anchors
from reconciler.attest.endorsement.certificate import Certificate, describe
from reconciler.attest.endorsement.extensions import (
    CERTIFICATE_SIGN,
    authority_key_id,
    basic_constraints,
    extended_usages,
    key_usage,
    subject_key_id,
    unknown_critical,
)
from reconciler.attest.endorsement.names import name_text
from reconciler.attest.endorsement.oids import name_of
from reconciler.attest.endorsement.signatures import is_signature, load_signer, scheme_of
from reconciler.attest.reader import MalformedError
from reconciler.attest.verdict import Reason

MAX_LENGTH, MAX_CHECKS, MAX_PATHS = 8, 64, 256
"""How long a path may be, and how many signatures and partial paths are tried for one."""

_MAX_DEAD_ENDS = 8
Path = tuple[Certificate, ...]
"""From the EK's certificate to the anchor's."""


@dataclass(slots=True, kw_only=True)
class _Step:
    """A partial path, which issuers are left to try, and whether any was tried and did sign its last certificate."""

    path: Path
    candidates: Iterator[Certificate]
    is_tried: bool = False
    is_issued: bool = False


@dataclass(slots=True, kw_only=True)
class _Search:
    """One search: what it may still spend, what it knows already, and what it found."""

    anchors: Anchors
    at: datetime | None
    checks: int = MAX_CHECKS
    paths: int = MAX_PATHS
    is_spent: bool = False
    known: dict[tuple[str, str], bool] = field(default_factory=dict)
    dead_ends: list[Reason] = field(default_factory=list)
    best: Path | None = None
    flaws: list[Reason] = field(default_factory=list)

    def begin(self, path: Path) -> _Step:
        """Return the step that tries the issuers of the last certificate in ``path``."""
        if not self.paths:
            self.is_spent = True
        self.paths -= 1
        return _Step(path=path, candidates=_candidates(path, search=self))

    def has_signed(self, issuer: Certificate, child: Certificate) -> bool:
        """Return whether ``issuer`` signed ``child``; False as well when nothing is left to spend."""
        pair = (child.fingerprint, issuer.fingerprint)
        if pair not in self.known:
            if not self.checks:
                self.is_spent = True
                return False
            self.checks -= 1
            scheme = scheme_of(child.algorithm)
            self.known[pair] = is_signature(child.signature, signed=child.signed, scheme=scheme, spki=issuer.spki)
        return self.known[pair]

    def judge(self, path: Path) -> None:
        """Keep a ``path`` that ends at an anchor if it is the best so far."""
        flaws = list(check_path(path, at=self.at))
        if self.best is None or len(flaws) < len(self.flaws):
            self.best, self.flaws = path, flaws

    def end(self, reason: Reason) -> None:
        """Keep why a path leads no further, up to eight times."""
        if reason not in self.dead_ends and len(self.dead_ends) < _MAX_DEAD_ENDS:
            self.dead_ends.append(reason)


def find_path(leaf: Certificate, *, anchors: Anchors, at: datetime | None) -> tuple[Path | None, list[Reason]]:
    """Return the path from ``leaf`` to an anchor, if there is one, and what speaks against it or against all.

    Without ``at`` no dates are judged.
    """
    search = _Search(anchors=anchors, at=at)
    steps = [search.begin((leaf,))]
    while steps and not search.is_spent:
        step = steps[-1]
        issuer = next(step.candidates, None)
        if issuer is None:
            _finish(steps.pop(), search=search)
            continue
        step.is_tried = True
        if search.has_signed(issuer, step.path[-1]):
            step.is_issued = True
            longer = (*step.path, issuer)
            if issuer.fingerprint in anchors.fingerprints:
                search.judge(longer)
                if not search.flaws:
                    break
            elif len(longer) < MAX_LENGTH:
                steps.append(search.begin(longer))
            else:
                message = f"the path to the {describe(issuer)} is longer than {MAX_LENGTH} certificates"
                search.end(Reason(code="EkPathLimit", message=message))
    if search.best is not None:
        return search.best, search.flaws
    if search.is_spent:
        message = f"the search for a path from the {describe(leaf)} was given up: there are too many candidates"
        search.dead_ends.insert(0, Reason(code="EkPathLimit", message=message))
    return None, search.dead_ends


def _candidates(path: Path, *, search: _Search) -> Iterator[Certificate]:
    """Return the certificates that may have issued the last of ``path``, the likeliest first."""
    child = path[-1]
    try:
        scheme_of(child.algorithm)
    except MalformedError as error:
        message = f"the {describe(child)}: {error} (RFC 5280, 6.1.3 (a)(1))"
        search.end(Reason(code="EkSignatureAlgorithm", message=message))
        return iter(())
    named = [one for one in search.anchors.named(child.issuer) if not _is_loop(path, one)]
    if not named:
        message = f"no certificate of the issuer that the {describe(child)} names is given (RFC 5280, 6.1.3 (a)(4))"
        search.end(Reason(code="EkIssuerUnknown", message=message, found=name_text(child.issuer)))
    hint = authority_key_id(child)
    return iter(sorted(named, key=lambda one: hint is None or subject_key_id(one) != hint))


def _finish(step: _Step, *, search: _Search) -> None:
    """Say so if there were issuers of that name, and none of them signed."""
    child = step.path[-1]
    if step.is_tried and not step.is_issued:
        message = f"the {describe(child)} is not signed by the issuer that it names (RFC 5280, 6.1.3 (a)(1))"
        search.end(Reason(code="EkSignatureInvalid", message=message, found=name_text(child.issuer)))


def _is_loop(path: Path, issuer: Certificate) -> bool:
    """Return whether ``path`` passes this name and key already; its first certificate is no issuer yet."""
    return any(one.subject == issuer.subject and one.spki == issuer.spki for one in path[1:])


def check_path(path: Sequence[Certificate], *, at: datetime | None) -> Iterator[Reason]:
    """Yield what speaks against the certificates of a ``path`` whose signatures hold, each by its rule."""
    for certificate in path:
        yield from check_dates(certificate, at=at)
    below = 0
    for issuer in path[1:]:
        yield from _check_issuer(issuer, below=below)
        # RFC 5280, 6.1.4 (l): a certificate that an authority issued to itself does not count.
        below += 0 if issuer.is_self_issued else 1


def check_dates(certificate: Certificate, *, at: datetime | None) -> Iterator[Reason]:
    """Yield the reason if ``certificate`` is outside its dates at ``at``; without ``at`` nothing is judged."""
    if at is not None and not certificate.not_before <= at <= certificate.not_after:
        dates = f"{certificate.not_before.isoformat()} to {certificate.not_after.isoformat()}"
        message = f"the {describe(certificate)} is outside its dates (RFC 5280, 6.1.3 (a)(2))"
        yield Reason(code="EkCertificateExpired", message=message, expected=dates, found=at.isoformat())


def _check_issuer(issuer: Certificate, *, below: int) -> Iterator[Reason]:
    for flaw in _flaws(issuer, below=below):
        yield Reason(code="EkIssuerUnfit", message=f"the {describe(issuer)} may not issue: {flaw}")


def _flaws(issuer: Certificate, *, below: int) -> Iterator[str]:
    try:
        constraints, usage, purposes = basic_constraints(issuer), key_usage(issuer), extended_usages(issuer)
        load_signer(issuer.spki)
    except MalformedError as error:
        yield str(error)
        return
    if not constraints.is_authority:
        yield "it is not that of an authority (RFC 5280, 6.1.4 (k), basicConstraints)"
    if constraints.path_length is not None and below > constraints.path_length:
        yield f"{below} authorities are below it, and {constraints.path_length} may be (RFC 5280, 6.1.4 (m))"
    if usage is not None and not usage & CERTIFICATE_SIGN:
        yield "its key usage lacks keyCertSign (RFC 5280, 6.1.4 (n))"
    extended = issuer.extensions.get(oids.EXTENDED_KEY_USAGE)
    if extended is not None and extended.critical and not {oids.EK_CERTIFICATE, oids.ANY_USAGE} & (purposes or set()):
        yield "its critical extended key usage is for something else (RFC 5280, 4.2.1.12)"
    for identifier in unknown_critical(issuer):
        yield f"its critical extension {name_of(identifier)} is not understood (RFC 5280, 6.1.4 (o))"
