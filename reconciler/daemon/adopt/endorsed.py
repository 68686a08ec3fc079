"""Which TPM is a node's: from the maker's certificate, or from what is on record about it.

Rules: a certificate counts only if it leads to one of the repository's own EK roots, whoever brought it; a record only
if its signature holds and the node was accepted then; what a machine in an airlock sends is told as that. None of it
replaces a look at the machine: a pin is proposed here, and signed by a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.attest.endorsement.anchors import Anchors, read_anchors
from reconciler.attest.endorsement.certificate import parse_certificate
from reconciler.attest.endorsement.ek import judge, pin_of
from reconciler.attest.endorsement.pem import CERTIFICATES, blocks, is_pem
from reconciler.attest.reader import MalformedError
from reconciler.daemon.adopt.look import Pin
from reconciler.errors.taxonomy import InputError, RingfenceError, TrustError
from reconciler.evidence.envelope import open_envelope
from reconciler.evidence.statement import parse_statement
from reconciler.model.observed import Session
from reconciler.repo import layout
from reconciler.repo.reader import EvidenceReader
from reconciler.repo.snapshot import Snapshot


def anchors_of(snapshot: Snapshot) -> Anchors:
    """Return whom the repository trusts to endorse TPMs."""

    def contents(is_meant: Callable[[str], bool]) -> tuple[bytes, ...]:
        return tuple(content for path, content in snapshot.files.items() if is_meant(path))

    return read_anchors(contents(layout.is_ek_root), contents(layout.is_ek_intermediate), contents(layout.is_ek_crl))


def pin_of_file(path: Path, *, anchors: Anchors, at: datetime) -> str:
    """Return the pin of the EK certificate in ``path``; TrustError with every reason if no EK root vouches for it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"EK certificate {path.name}", f"cannot be read: {error.strerror}", reason="NoFile") from error
    return pin_of_certificate(data, subject=f"EK certificate {path.name}", anchors=anchors, at=at)


def pin_of_certificate(data: bytes, *, subject: str, anchors: Anchors, at: datetime) -> str:
    """Return the pin of an EK certificate, PEM or DER; TrustError with every reason if no EK root vouches for it."""
    try:
        if is_pem(data):
            data = next(iter(blocks(data, labels=CERTIFICATES))).decode(what="certificate")
        certificate = parse_certificate(data)
    except (MalformedError, StopIteration) as error:
        hint = "give one certificate, PEM or DER"
        raise InputError(subject, f"is no certificate: {error}", reason="EkCertificateMalformed", hint=hint) from error
    reasons = judge(certificate, anchors=anchors, at=at).reasons
    if reasons:
        told = "; ".join(reason.message for reason in reasons)
        hint = "add the maker's root to trust/ek-roots if you trust it, and its issuers to trust/ek-intermediates"
        raise TrustError(subject, told, reason=reasons[0].code, hint=hint)
    return pin_of(certificate)


def enrolled(sessions: Mapping[str, Session], *, anchors: Anchors, at: datetime) -> dict[str, Pin]:
    """Return the pins that machines in their airlocks have sent certificates for, of those that verify."""
    found: dict[str, Pin] = {}
    for node, session in sessions.items():
        if session.evidence is None:
            continue
        try:
            data = session.evidence.ek_certificate
            pin = pin_of_certificate(data, subject=f"node {node}", anchors=anchors, at=at)
        except RingfenceError:
            continue  # What does not verify is no fact about the node; the verdict on it says why.
        found[node] = Pin(digest=pin, source=f"its enrolment of {session.started_at:%Y-%m-%d %H:%M}")
    return found


def recorded(reader: EvidenceReader, *, keys: Mapping[str, Ed25519PublicKey], nodes: Iterable[str]) -> dict[str, Pin]:
    """Return the pins under which ``nodes`` were accepted last, by signed records."""
    wanted = set(nodes)
    found: dict[str, tuple[int, Pin]] = {}
    for path, envelope in reader.statements() if wanted else ():
        if path.rpartition("/")[2].rpartition("-")[0] not in wanted:
            continue
        try:
            statement = parse_statement(open_envelope(envelope, keys=keys))
        except RingfenceError:
            continue  # The audit is for finding these.
        record, digest = statement.predicate, statement.subject[0].digest["sha256"]
        if record.verdict == "accepted":
            pin = Pin(
                digest=f"sha256:{digest}", source=f"its record {record.sequence} of {record.recorded_at:%Y-%m-%d}"
            )
            if record.sequence > found.get(record.node, (0, pin))[0]:
                found[record.node] = (record.sequence, pin)
    return {node: pin for node, (_, pin) in found.items()}
