"""Approve a commit: make the signed tag that ``repo.approvals`` reads, and see that it counts.

Rules: who approves is told by the key, which must be known to the commit's first parent; whoever signed the commit
cannot approve it too; a tag that would not count is not left behind. Git signs, so that every kind of key and agent
works; private keys are not read here.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from reconciler.errors.taxonomy import InputError, RingfenceError, cut
from reconciler.repo import layout
from reconciler.repo.approvals import APPROVALS, approval_name, read_approvals
from reconciler.repo.basis import Basis, read_basis
from reconciler.repo.commits import CommitObject, read_commits
from reconciler.repo.git import Git, Signature, check_id
from reconciler.repo.keyring import Keyring
from reconciler.repo.signers import parse_allowed_signers, signer_line
from reconciler.repo.steps import signed_commit
from reconciler.repo.verification import Verifier

_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@{}^~-]{0,200}")
_CALLER = ("HOME", "GNUPGHOME", "GPG_TTY", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "TERM")


def approve(git: Git, revision: str, *, key: Path | None) -> str:
    """Make the tag that approves ``revision`` and return its name.

    It is signed by the SSH key at ``key`` (or whose public half is there, by the agent); without, by what
    ``user.signingKey`` of this repository names. InputError: nobody knows the key, or its owner signed the commit.
    """
    commit = read_commits(git, [_resolve(git, revision)]).popitem()[1]
    basis = _basis(git, commit)
    settings, principal = _own_key(git, key=key, keyring=basis.keyring)
    now = int(datetime.now(UTC).timestamp())
    name = approval_name(commit.commit, principal=principal)
    with Verifier(git, now=now) as verifier:
        signed = signed_commit(commit, is_recorded=True)
        author = verifier.verify([signed], keyring=basis.keyring)[commit.commit]
        if isinstance(author, Signature) and author.principal == principal:
            hint = "somebody else has to approve it"
            message = f"is signed by {principal} already, who counts once"
            raise InputError(f"commit {commit.commit[:12]}", message, reason="OwnCommit", hint=hint)
        before = git.refs(f"{APPROVALS}{commit.commit[:12]}/{principal}")
        _tag(git, name, commit=commit.commit, principal=principal, settings=settings)
        found = read_approvals(git, [commit], verifier=verifier, keyring=basis.keyring, is_recorded=False)
    if principal not in found.by[commit.commit]:
        git.run("update-ref", f"refs/tags/{name}", before[0].object_id) if before else git.run("tag", "-d", name)
        message = found.doubts[0] if found.doubts else f"{name} would not count"
        raise InputError("approval", message, reason="ApprovalVoid", hint="sign with a key that is valid now")
    return name


def _resolve(git: Git, revision: str) -> str:
    hint = "give its id or the branch: git log --all --oneline"
    missing = InputError(f"commit {cut(revision)}", "is not in the repository", reason="NoCommit", hint=hint)
    if not _REVISION.fullmatch(revision):
        raise missing
    try:
        return check_id(git.run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip())
    except RingfenceError as error:
        raise missing from error


def _basis(git: Git, commit: CommitObject) -> Basis:
    basis, findings = read_basis(git, (commit.parents or (commit.commit,))[0])
    if basis is None:
        finding = findings[0]
        raise InputError(finding.place, finding.message, reason=finding.code, hint=finding.hint)
    return basis


def _own_key(git: Git, *, key: Path | None, keyring: Keyring) -> tuple[dict[str, str], str]:
    """Return how git is to sign, and as whom that counts."""
    kind = "ssh" if key else _configured(git, "gpg.format") or "openpgp"
    named = str(key.absolute()) if key else _configured(git, "user.signingKey")
    if not named:
        hint = "give --key FILE, or set it here: git config user.signingKey FILE"
        raise InputError("approval", "there is no key to sign with", reason="NoSigningKey", hint=hint)
    principal = _gpg_principal(named, keyring) if kind == "openpgp" else _ssh_principal(named, keyring)
    if principal is None:
        hint = f"a signer adds it to {layout.ALLOWED_SIGNERS} first, or use the key that is there"
        message = f"nobody in the commit's parent is known by {cut(Path(named).name)}"
        raise InputError("approval", message, reason="UnknownSigner", hint=hint)
    return {"gpg.format": kind, "gpg.program": "gpg", "user.signingKey": named}, principal


def _configured(git: Git, name: str) -> str:
    return git.run("config", "--default", "", "--get", name).decode().strip()


def _ssh_principal(named: str, keyring: Keyring) -> str | None:
    file = Path(named).expanduser()
    public = file if file.suffix == ".pub" else file.with_name(f"{file.name}.pub")
    try:
        words = named.removeprefix("key::") if named.startswith("key::") else public.read_text("ascii")
        line = signer_line("approver", public_key=words)
    except (OSError, ValueError) as error:
        hint = "its public half must lie beside it: ssh-keygen -y -f FILE > FILE.pub"
        raise InputError(f"signing key {file.name}", "cannot be read", reason="NoSigningKey", hint=hint) from error
    signers, _ = parse_allowed_signers(line.encode("utf-8"), path="")
    return keyring.ssh.owner(signers.signers[0].fingerprint) if signers.signers else None


def _gpg_principal(named: str, keyring: Keyring) -> str | None:
    wanted = named.removeprefix("0x").rstrip("!").upper()
    found = [key.principal for key in keyring.gpg if len(wanted) >= 16 and key.fingerprint.endswith(wanted)]  # noqa: PLR2004 - shorter key ids can be forged
    return found[0] if len(found) == 1 else None


def _tag(git: Git, name: str, *, commit: str, principal: str, settings: dict[str, str]) -> None:
    caller = {variable: os.environ[variable] for variable in _CALLER if variable in os.environ}
    address = f"{principal.partition('@')[0]}@localhost"
    who = {"GIT_COMMITTER_NAME": principal, "GIT_COMMITTER_EMAIL": address}
    message = f"approve {commit}"
    git.run("tag", "--force", "--sign", "-m", message, name, commit, settings=settings, environment={**caller, **who})
