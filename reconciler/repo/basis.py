"""What the children of a commit are judged by: its signers and its rules.

Rules: it is read whole or not at all; a commit after which nobody could ever change the rules or the signers again is
as good as one that breaks them. Nothing is read above its size limit.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from reconciler.errors.taxonomy import Finding, InputError
from reconciler.model.kinds import Repository, TrustRule
from reconciler.repo import layout
from reconciler.repo.authority import may_change
from reconciler.repo.documents import MAX_FILE_BYTES, parse_documents, too_large
from reconciler.repo.git import Git
from reconciler.repo.gpg import MAX_KEY_BYTES
from reconciler.repo.keyring import Keyring, read_keyring
from reconciler.repo.validation import validate

_REQUIRED = (layout.REPOSITORY, layout.ALLOWED_SIGNERS)
_MAX_GPG_KEYS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What the children of a commit are judged by."""

    keyring: Keyring
    repository: Repository

    @property
    def rules(self) -> tuple[TrustRule, ...]:
        """Return who may change what."""
        return self.repository.spec.trust.rules


def read_basis(git: Git, commit: str) -> tuple[Basis | None, tuple[Finding, ...]]:
    """Return what children of ``commit`` are judged by; None, and why, if it cannot be read whole."""
    entries = {
        entry.path.decode("utf-8", "backslashreplace"): entry
        for entry in git.files(commit, under=(*_REQUIRED, f"{layout.GPG_KEYS}/"))
    }
    entries = {path: entry for path, entry in entries.items() if layout.is_trust_root(path)}
    findings = [_missing(path) for path in _REQUIRED if path not in entries]
    for path, entry in entries.items():
        limit = MAX_KEY_BYTES if layout.is_gpg_key(path) else MAX_FILE_BYTES
        if entry.size > limit:
            findings.append(too_large(path, size=entry.size, limit=limit))
    if len(entries) > _MAX_GPG_KEYS + len(_REQUIRED):
        message = f"holds more than {_MAX_GPG_KEYS} keys"
        findings.append(Finding(path=layout.GPG_KEYS, code="TooMany", message=message, hint="remove those not in use"))
    if findings:
        return None, tuple(findings)
    contents = git.objects(entry.object_id for entry in entries.values())
    files = {path: contents.get(entry.object_id) for path, entry in sorted(entries.items())}
    if None in files.values():
        return None, tuple(_missing(path) for path, content in files.items() if content is None)
    try:
        return _parse(tuple((path, content or b"") for path, content in files.items()))
    except InputError as error:
        finding = Finding(path=layout.GPG_KEYS, code=error.reason, message=f"gpg {error.message}", hint=error.hint)
        return None, (finding,)


def _missing(path: str) -> Finding:
    return Finding(path=path, code="Missing", message="is missing", hint="put it back")


@functools.lru_cache(maxsize=64)
def _parse(contents: tuple[tuple[str, bytes], ...]) -> tuple[Basis | None, tuple[Finding, ...]]:
    files = dict(contents)
    keys = {path: content for path, content in contents if layout.is_gpg_key(path)}
    keyring, findings = read_keyring(files[layout.ALLOWED_SIGNERS], gpg=keys)
    raws, wrong = parse_documents(files[layout.REPOSITORY], path=layout.REPOSITORY)
    findings += wrong
    documents = []
    for raw in raws:
        document, wrong = validate(raw)
        findings += wrong
        documents.append(document)
    if findings:
        return None, tuple(findings)
    match documents:
        case [Repository() as repository]:
            basis = Basis(keyring=keyring, repository=repository)
            locked = _locked_out(basis)
            return (None, locked) if locked else (basis, ())
        case _:
            hint = "write one document of kind Repository"
            finding = Finding(path=layout.REPOSITORY, code="NoRepository", message="does not hold the rules", hint=hint)
            return None, (finding,)


def _locked_out(basis: Basis) -> tuple[Finding, ...]:
    """Return a finding for each root of trust that nobody who is known could change any more."""
    everybody = basis.keyring.principals
    return tuple(
        Finding(
            path=path,
            code="LockedOut",
            message="could be changed by nobody any more: too few of the signers in its rules are known",
            hint=f"let a rule in {layout.REPOSITORY} name enough signers who are in {layout.ALLOWED_SIGNERS}",
        )
        for path in _REQUIRED
        if not may_change(path, signers=everybody, rules=basis.rules)
    )
