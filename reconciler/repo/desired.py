"""A snapshot to the desired state: everything is checked, and everything that is wrong is told at once.

Rules: with a single finding there is no desired state. Whether the commit may be followed is not checked here
(``repo.trust``), nor whether an image's bytes have its digest (the boot service hashes them).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.attest.endorsement.anchors import read_anchors
from reconciler.errors.taxonomy import Finding, InputError, cut
from reconciler.model.desired import DesiredState
from reconciler.model.kinds import (
    AppraisalPolicy,
    Enclave,
    Image,
    Key,
    Network,
    Node,
    Repository,
    Switch,
    Tenant,
    Zone,
)
from reconciler.model.policy import compose
from reconciler.repo import layout
from reconciler.repo.catalogue import Catalogue, D, catalogue
from reconciler.repo.checks.sense import check_sense, find_doubts
from reconciler.repo.clashes import check_clashes
from reconciler.repo.keyring import name_problem
from reconciler.repo.references import check_references
from reconciler.repo.signers import AllowedSigners, parse_allowed_signers
from reconciler.repo.snapshot import Snapshot

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE-----\r?\n?")
_DER_SEQUENCE = b"\x30"
_PRIVATE = b"PRIVATE KEY-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFiles:
    """What the folder ``trust`` holds: who signs, TPM makers' certificates, and what is wrong with them.

    ``gpg`` are those who sign commits by GPG.
    """

    signers: AllowedSigners
    gpg: frozenset[str]
    roots: tuple[bytes, ...]
    intermediates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    findings: tuple[Finding, ...]


Check = Callable[[Catalogue, TrustFiles], Iterable[Finding]]

LOCAL_CHECKS: tuple[Check, ...] = (
    lambda found, trust: check_references(found, signers=trust.signers, gpg=trust.gpg),
    lambda found, _trust: check_clashes(found),
)
"""Checks of a document together with those that it mentions, or that claim what it claims (``clashes.node_claims``).

``repo.loading`` runs them over changed documents and their neighbours only.
"""

WHOLE_CHECKS: tuple[Check, ...] = (lambda found, _trust: check_sense(found),)
"""Checks that count, or look for something among all documents; of nodes they see metadata, zone and firmware only."""


def load_desired(snapshot: Snapshot, *, doubts: list[Finding] | None = None) -> DesiredState:
    """Return the desired state of ``snapshot``; raise InputError with every finding, sorted by place.

    With ``doubts``, a list, what is allowed and looks like a mistake is looked for as well and put into it.
    """
    desired, found = _load(snapshot, checks=(*LOCAL_CHECKS, *WHOLE_CHECKS))
    if doubts is not None:
        doubts.extend(sorted(set(find_doubts(found))))
    return desired


def load_recorded(snapshot: Snapshot) -> DesiredState:
    """Return the desired state of a commit that was followed in the past; raise InputError if it cannot be read.

    It is not asked whether it makes sense: what a later release calls a mistake was no mistake then, and an audit
    has to know what the commit said.
    """
    return _load(snapshot, checks=LOCAL_CHECKS)[0]


def _load(snapshot: Snapshot, *, checks: Iterable[Check]) -> tuple[DesiredState, Catalogue]:
    found = catalogue(snapshot)
    trust = read_trust(snapshot)
    findings = check(found, trust=trust, checks=checks)
    if not snapshot.files:  # Not a state repository at all: what else it lacks would only distract.
        findings = [finding for finding in findings if finding.code != "NoSigners"]
    refuse(findings)
    return assemble_desired(found, trust=trust, commit=snapshot.commit, tree=snapshot.tree), found


def read_trust(snapshot: Snapshot) -> TrustFiles:
    """Return what the folder ``trust`` of ``snapshot`` holds."""
    findings: list[Finding] = []
    signers = load_signers(snapshot, findings=findings)
    vendors = _vendors(snapshot, findings=findings)
    return TrustFiles(
        signers=signers,
        gpg=_gpg_principals(snapshot, findings=findings),
        roots=vendors.roots,
        intermediates=vendors.intermediates,
        crls=vendors.crls,
        findings=tuple(findings),
    )


def check(
    found: Catalogue, *, trust: TrustFiles, checks: Iterable[Check] = (*LOCAL_CHECKS, *WHOLE_CHECKS)
) -> list[Finding]:
    """Return everything that is wrong with a whole repository."""
    findings = [*found.findings, *trust.findings]
    for one in checks:
        findings.extend(one(found, trust))
    if found.all(Enclave) and not trust.roots:
        message = "holds no certificate, so no node's TPM can be checked"
        hint = "add the TPM maker's root certificates as *.pem"
        findings.append(Finding(path=layout.EK_ROOTS, code="NoEkRoots", message=message, hint=hint))
    return findings


def refuse(findings: Iterable[Finding]) -> None:
    """Raise InputError with all of ``findings``, sorted by place, if there are any."""
    if told := sorted(set(findings)):
        raise _refusal(told)


def load_signers(snapshot: Snapshot, *, findings: list[Finding]) -> AllowedSigners:
    """Return who is in ``trust/allowed_signers``, adding to ``findings`` what is wrong with it."""
    content = snapshot.files.get(layout.ALLOWED_SIGNERS)
    if content is None:
        hint = "add a line for each signer: principal ssh-ed25519 AAAA…"
        findings.append(Finding(path=layout.ALLOWED_SIGNERS, code="NoSigners", message="is missing", hint=hint))
        return AllowedSigners(signers=())
    signers, wrong = parse_allowed_signers(content, path=layout.ALLOWED_SIGNERS)
    if _PRIVATE in content:
        hint = "git keeps what it is given for ever: make a new key pair, and put its public half here (the .pub file)"
        wrong = [Finding(path=layout.ALLOWED_SIGNERS, code="SecretHere", message="holds a private key", hint=hint)]
    findings.extend(wrong)
    return signers


def _gpg_principals(snapshot: Snapshot, *, findings: list[Finding]) -> frozenset[str]:
    """Return whose GPG keys are in ``trust/gpg``; the keys themselves are read where commits are judged."""
    paths = [path for path in snapshot.files if layout.is_gpg_key(path)]
    for path in paths:
        problem = name_problem(path)
        if problem:
            hint = f"name it {layout.GPG_KEYS}/PRINCIPAL.asc"
            findings.append(Finding(path=path, code="BadSigner", message=problem, hint=hint))
    return frozenset(layout.gpg_principal(path) for path in paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vendors:
    """What the repository holds of TPM makers."""

    roots: tuple[bytes, ...]
    intermediates: tuple[bytes, ...]
    crls: tuple[bytes, ...]


def _vendors(snapshot: Snapshot, *, findings: list[Finding]) -> _Vendors:
    """Return the TPM makers' certificates and revocation lists, adding to ``findings`` what cannot be used."""
    vendors = _Vendors(
        roots=tuple(_certificates(snapshot, is_meant=layout.is_ek_root, findings=findings)),
        intermediates=tuple(_certificates(snapshot, is_meant=layout.is_ek_intermediate, findings=findings)),
        crls=tuple(content for path, content in snapshot.files.items() if layout.is_ek_crl(path)),
    )
    paths = [path for path in snapshot.files if layout.is_ek_crl(path)]
    # A list that cannot be used would refuse every TPM, so the commit that brings it is not followed.
    for place, why in read_anchors(vendors.roots, vendors.intermediates, vendors.crls).unusable_lists.items():
        hint = "add the certificate that signed it to trust/ek-roots or trust/ek-intermediates, or remove the list"
        findings.append(Finding(path=paths[place], code="BadRevocationList", message=cut(why), hint=hint))
    return vendors


def _certificates(snapshot: Snapshot, *, is_meant: Callable[[str], bool], findings: list[Finding]) -> Iterator[bytes]:
    for path, content in snapshot.files.items():
        if not is_meant(path):
            continue
        certificates = list(_CERTIFICATE.finditer(content))
        if not certificates or not all(_is_der(found[1]) for found in certificates):
            hint = "convert it with: openssl x509 -outform PEM"
            findings.append(Finding(path=path, code="NotPem", message="is not a PEM certificate", hint=hint))
            continue
        yield from (found[0] for found in certificates)


def _is_der(text: bytes) -> bool:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True).startswith(_DER_SEQUENCE)
    except binascii.Error:
        return False


def _refusal(findings: list[Finding]) -> InputError:
    first = findings[0]
    many = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return InputError(
        first.place, f"{first.message}{many}", reason=first.code, hint=first.hint, findings=tuple(findings)
    )


def assemble_desired(found: Catalogue, *, trust: TrustFiles, commit: str, tree: str) -> DesiredState:
    """Return the desired state of documents without findings."""
    (repository,) = found.all(Repository).values()

    def by_name(kind: type[D]) -> dict[str, D]:
        documents = found.all(kind)
        return {name: documents[name].document for name in sorted(documents)}

    return DesiredState(
        commit=commit,
        tree=tree,
        repository=repository.document,
        zones=by_name(Zone),
        switches=by_name(Switch),
        networks=by_name(Network),
        nodes=by_name(Node),
        images=by_name(Image),
        policies=composed(by_name(AppraisalPolicy)),
        tenants=by_name(Tenant),
        enclaves=by_name(Enclave),
        owners={name: located.tenant or "" for name, located in sorted(found.all(Enclave).items())},
        keys=by_name(Key),
        ek_roots=trust.roots,
        ek_intermediates=trust.intermediates,
        ek_crls=trust.crls,
    )


def composed(policies: Mapping[str, AppraisalPolicy]) -> dict[str, AppraisalPolicy]:
    """Return ``policies`` whole, with what they include."""
    specs = {name: policy.spec for name, policy in policies.items()}
    return {
        name: policy.model_copy(update={"spec": compose(name, policies=specs)}) for name, policy in policies.items()
    }
