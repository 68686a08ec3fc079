"""What the state repository says about TPM makers, read once: anchors, intermediates, revocation lists.

Every certificate among the roots is an anchor, whatever it says about itself: they all
stand in the reviewed state repository. Intermediates vouch for nobody until they are
chained to one. What cannot be loaded is told, never skipped in silence: a certificate
that is missing can only refuse, but a *list* that cannot be used leaves open who is
revoked, so ``revocation`` refuses for it.

Source: RFC 5280, 6.1.1 (anchors) and 6.3.3 (whose key signs a list).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.attest.endorsement import pem
from reconciler.attest.endorsement.certificate import Certificate, describe, parse_certificate
from reconciler.attest.endorsement.crl import RevocationList, parse_list
from reconciler.attest.endorsement.extensions import CRL_SIGN, key_usage
from reconciler.attest.endorsement.names import name_text, normal_form
from reconciler.attest.endorsement.signatures import is_signature, scheme_of
from reconciler.attest.reader import MalformedError

MAX_CERTIFICATES = 4096
"""How many roots and intermediates are read."""

_LIST = "revocation list"
_MAX_SIGNERS = 16
_NO_BLOCK = "holds no certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that could not be loaded: which (a path, or a number among its kind), and why."""

    source: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedList:
    """A revocation list, and the certificates whose key signed it and may sign lists: at least one."""

    revocations: RevocationList
    signers: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """Whom the state repository trusts to endorse TPMs.

    ``by_subject`` are anchors, then intermediates, by the normal form of their subject. ``unusable_lists`` says
    of revocation lists, by their place among those given, why they cannot be used; ``problems`` are certificates
    that cannot be read.
    """

    fingerprints: frozenset[str]
    by_subject: Mapping[bytes, tuple[Certificate, ...]]
    lists: tuple[SignedList, ...]
    unusable_lists: Mapping[int, str]
    problems: tuple[Problem, ...]

    def named(self, name: bytes) -> Sequence[Certificate]:
        """Return the certificates with this subject, those with the very same bytes first."""
        found = self.by_subject.get(normal_form(name), ())
        return sorted(found, key=lambda certificate: certificate.subject != name)


@functools.lru_cache(maxsize=8)
def read_anchors(roots: tuple[bytes, ...], intermediates: tuple[bytes, ...], crls: tuple[bytes, ...]) -> Anchors:
    """Return what ``roots`` and ``intermediates`` (PEM or DER, one or more a value) and ``crls`` (the same) hold.

    The last few answers are kept, since the same repository is asked for every node.
    """
    problems: list[Problem] = []
    anchors = list(_certificates(roots, kind="root", problems=problems))
    others = list(_certificates(intermediates, kind="intermediate", problems=problems))
    by_subject: dict[bytes, dict[str, Certificate]] = {}
    for certificate in [*anchors, *others][:MAX_CERTIFICATES]:
        by_subject.setdefault(normal_form(certificate.subject), {})[certificate.fingerprint] = certificate
    if len(anchors) + len(others) > MAX_CERTIFICATES:
        problems.append(Problem(source="roots and intermediates", message=f"more than {MAX_CERTIFICATES} certificates"))
    known = {name: tuple(found.values()) for name, found in by_subject.items()}
    unusable: dict[int, str] = {}
    lists = tuple(_lists(crls, known=known, unusable=unusable))
    return Anchors(
        fingerprints=frozenset(anchor.fingerprint for anchor in anchors),
        by_subject=MappingProxyType(known),
        lists=lists,
        unusable_lists=MappingProxyType(unusable),
        problems=tuple(problems),
    )


def load_store(files: Mapping[str, bytes]) -> tuple[tuple[Certificate, ...], tuple[Problem, ...]]:
    """Return the certificates in ``files`` (by path; PEM bundles or DER), and what could not be loaded and why."""
    found: list[Certificate] = []
    problems: list[Problem] = []
    for path, content in sorted(files.items()):
        found += read_certificates(content, source=path, problems=problems)
    return tuple(found), tuple(problems)


def read_certificates(data: bytes, *, source: str, problems: list[Problem]) -> Iterator[Certificate]:
    """Yield the certificates in ``data``, PEM or DER; add to ``problems`` what is there and cannot be read."""
    if not pem.is_pem(data):
        try:
            yield parse_certificate(data)
        except MalformedError as error:
            message = str(error) if data.startswith(b"\x30") else _NO_BLOCK
            problems.append(Problem(source=source, message=message))
        return
    found = list(pem.blocks(data, labels=pem.CERTIFICATES))
    for number, block in enumerate(found, start=1):
        try:
            yield parse_certificate(block.decode(what="certificate"))
        except MalformedError as error:
            problems.append(Problem(source=f"{source}, block {number}", message=str(error)))
    if pem.count_of_starts(data) != len(found):
        left = pem.count_of_starts(data) - len(found)
        problems.append(Problem(source=source, message=f"{left} blocks are not whole, or no certificates"))


def _certificates(values: Iterable[bytes], *, kind: str, problems: list[Problem]) -> Iterator[Certificate]:
    for number, value in enumerate(values, start=1):
        yield from read_certificates(value, source=f"{kind} {number}", problems=problems)


def _lists(
    values: Iterable[bytes], *, known: Mapping[bytes, tuple[Certificate, ...]], unusable: dict[int, str]
) -> Iterator[SignedList]:
    for place, value in enumerate(values):
        try:
            parsed = [parse_list(data) for data in _encoded(value)]
            found = [SignedList(revocations=one, signers=_signers(one, known=known)) for one in parsed]
        except MalformedError as error:
            unusable[place] = str(error)
        else:
            yield from found


def _encoded(value: bytes) -> Iterator[bytes]:
    if not pem.is_pem(value):
        yield value
        return
    found = list(pem.blocks(value, labels=pem.LISTS))
    if pem.count_of_starts(value) != len(found):
        raise MalformedError(_LIST, "its file holds blocks that are not whole, or no lists")
    yield from (block.decode(what=_LIST) for block in found)


def _signers(revocations: RevocationList, *, known: Mapping[bytes, tuple[Certificate, ...]]) -> tuple[Certificate, ...]:
    """Return the certificates named as issuer whose key signed the list; raise MalformedError if there is none."""
    issuer = name_text(revocations.issuer)
    named = known.get(normal_form(revocations.issuer), ())[:_MAX_SIGNERS]
    if not named:
        raise MalformedError(_LIST, f"no certificate of its issuer {issuer} is given (RFC 5280, 6.3.3 (f))")
    scheme = scheme_of(revocations.algorithm)
    found = tuple(
        one
        for one in named
        if is_signature(revocations.signature, signed=revocations.signed, scheme=scheme, spki=one.spki)
    )
    if not found:
        raise MalformedError(_LIST, f"is not signed by its issuer {issuer} (RFC 5280, 6.3.3 (g))")
    signers = tuple(one for one in found if _may_sign_lists(one))
    if not signers:
        who = describe(found[0])
        raise MalformedError(_LIST, f"is signed by the {who}, whose key usage lacks cRLSign (RFC 5280, 6.3.3 (f))")
    return signers


def _may_sign_lists(certificate: Certificate) -> bool:
    usage = key_usage(certificate)
    return usage is None or bool(usage & CRL_SIGN)
