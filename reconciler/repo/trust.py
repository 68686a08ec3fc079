"""Which commit may be followed: the only place where a commit is called trusted.

``judge`` walks from the last trusted commit to the head, oldest first. A commit is trusted if

1. the way to it leads forward, by first parents, from the last trusted commit (with none yet, from a root, which is
   thereby pinned);
2. its signature verifies, by git, against ``trust/allowed_signers`` of its *first parent*, so that nobody lets
   themselves in (the root: against its own);
3. every commit that a merge brings in from the side is signed by somebody whom the first parent knows;
4. each path in which it differs from its first parent is an ordinary one, and a rule of the first parent's
   ``ringfence.yaml`` lets the signer change it (a merge is judged as if the merger had written it all);
5. its own ``ringfence.yaml`` and ``trust/allowed_signers`` can be read, so that the next commit can be judged;
6. it says so if it changes trust, or takes away more than its parent allows at once (``repo.confirmations``).

The walk ends at the first commit that fails; what came before it stays trusted and in force. Whether the documents
fit together is not checked here (``repo.desired``).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from reconciler.errors.taxonomy import Finding, TrustError, cut
from reconciler.model.kinds import Repository, TrustRule
from reconciler.repo import layout
from reconciler.repo.authority import may_change, path_problem, who_may_change
from reconciler.repo.confirmations import check_confirmations
from reconciler.repo.documents import parse_documents
from reconciler.repo.git import Git
from reconciler.repo.signers import AllowedSigners, parse_allowed_signers
from reconciler.repo.validation import validate

_SHORT = 12
_MANY = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedCommit:
    """A commit that is there. Nothing is known about it."""

    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCommit:
    """A commit that may be followed; only ``judge`` builds one. ``tree`` is its root tree."""

    commit: str
    tree: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The newest commit that may be followed, if any, and why those after it may not."""

    trusted: TrustedCommit | None
    refusals: tuple[TrustError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """What the children of a commit are judged by."""

    signers: AllowedSigners
    rules: tuple[TrustRule, ...]
    repository: Repository


def judge(git: Git, *, head: FetchedCommit, last_trusted: str | None) -> Judgement:
    """Return the newest trusted commit on the way to ``head``, and every reason against the one after it."""
    newest = last_trusted
    if last_trusted and commit_is_missing(git, last_trusted):
        return Judgement(trusted=None, refusals=(_gone(last_trusted),))
    chain = git.first_parents(head.commit, past=last_trusted)
    refusals = _check_way(git, chain=chain, head=head.commit, last_trusted=last_trusted)  # 1
    basis: _Basis | None = None
    for commit, parents in chain if not refusals else []:
        parent = parents[0] if parents else None
        if basis is None:
            basis, _ = _read_basis(git, parent or commit)
        own, findings = _read_basis(git, commit)
        refusals = _check_commit(git, commit=commit, parents=parents, basis=basis)  # 2, 3, 4
        refusals += _check_readable(commit, findings=findings)  # 5
        refusals += _check_said(git, commit=commit, parents=parents, basis=basis, own=own)  # 6
        if refusals:
            break
        newest, basis = commit, own
    trusted = TrustedCommit(commit=newest, tree=git.tree_of(newest)) if newest else None
    return Judgement(trusted=trusted, refusals=tuple(refusals))


def commit_is_missing(git: Git, commit: str) -> bool:
    """Return whether the repository does not hold ``commit``."""
    return not git.objects([commit])


def _check_way(
    git: Git, *, chain: list[tuple[str, tuple[str, ...]]], head: str, last_trusted: str | None
) -> list[TrustError]:
    if head == last_trusted:
        return []
    start = chain[0][1][:1] if chain else ()
    if start == ((last_trusted,) if last_trusted else ()):
        return []
    subject = f"commit {head[:_SHORT]}"
    trusted = (last_trusted or "")[:_SHORT]
    if git.is_ancestor(head, of=last_trusted or head):
        message, hint = f"lies behind the trusted commit {trusted}", "history only moves forward: commit a revert"
        return [TrustError(subject, message, reason="HistoryRewound", hint=hint)]
    if git.is_ancestor(last_trusted or head, of=head):
        message = f"has the trusted commit {trusted} on its side only, not among its first parents"
        hint = "merge the other way round: check out the trusted branch, then merge into it"
        return [TrustError(subject, message, reason="HistoryForked", hint=hint)]
    message, hint = f"does not descend from the trusted commit {trusted}", f"rebase onto {trusted} and sign again"
    return [TrustError(subject, message, reason="HistoryForked", hint=hint)]


def _gone(commit: str) -> TrustError:
    hint = "fetch it again; history only moves forward"
    message = "was trusted and is no longer in the repository"
    return TrustError(f"commit {commit[:_SHORT]}", message, reason="HistoryRewound", hint=hint)


def _check_commit(git: Git, *, commit: str, parents: tuple[str, ...], basis: _Basis | None) -> list[TrustError]:
    signers = basis.signers if basis else AllowedSigners(signers=())
    rules = basis.rules if basis else ()
    signature = git.verify_commit(commit, allowed=signers)
    if signature is None:
        return [_unsigned(git, commit, judged=commit)]
    refusals = []
    if len(parents) > 1:
        sides = git.side_commits(commit, parent=parents[0])
        strange = (side for side in sides if git.verify_commit(side, allowed=signers) is None)
        refusals += [_unsigned(git, side, judged=commit) for side in strange]
    for change in git.changes(commit, parent=parents[0] if parents else None):
        path = change.path.decode("utf-8", "backslashreplace")
        subject = f"commit {commit[:_SHORT]}"
        problem = path_problem(change)
        if problem:
            hint = "a state repository holds plain files with plain names"
            refusals.append(TrustError(subject, f"{cut(path)} {problem}", reason="PathRefused", hint=hint))
        elif not may_change(path, signer=signature.principal, rules=rules):
            message = f"{signature.principal} may not change {cut(path)}"
            refusals.append(TrustError(subject, message, reason="PathNotAuthorised", hint=_who(path, rules=rules)))
    return refusals[:_MANY]


def _who(path: str, *, rules: tuple[TrustRule, ...]) -> str:
    may = who_may_change(path, rules=rules)
    if may:
        return f"the rules of its parent let {', '.join(may)} change it: let one of them sign"
    return f"no rule of its parent covers it: add one to {layout.REPOSITORY} first, in a commit of its own"


def _unsigned(git: Git, commit: str, *, judged: str) -> TrustError:
    headers = git.objects([commit])[commit].split(b"\n\n", 1)[0].decode("utf-8", "replace").split("\n")
    author = next(
        (line.removeprefix("author ").rsplit(" ", 2)[0] for line in headers if line.startswith("author ")), ""
    )
    by = f"by {cut(author)}" if author else "by nobody"
    through = f", merged by {judged[:_SHORT]}," if commit != judged else ""
    subject = f"commit {commit[:_SHORT]}"
    if any(line.startswith(("gpgsig ", "gpgsig-sha256 ")) for line in headers):
        message = f"{by}{through} has no valid signature by anybody in its parent's {layout.ALLOWED_SIGNERS}"
        hint = f"let a signer of the parent commit sign it, or add the key to {layout.ALLOWED_SIGNERS} first"
        return TrustError(subject, message, reason="UnknownSigner", hint=hint)
    hint = "sign it: git commit --amend --no-edit -S (with gpg.format ssh)"
    return TrustError(subject, f"{by}{through} is not signed", reason="UnsignedCommit", hint=hint)


def _check_readable(commit: str, *, findings: tuple[Finding, ...]) -> list[TrustError]:
    return [
        TrustError(
            f"commit {commit[:_SHORT]}",
            f"{finding.place}: {finding.message}; with that no later commit could be judged",
            reason="TrustRootBroken",
            hint=finding.hint,
        )
        for finding in findings
    ]


def _check_said(
    git: Git, *, commit: str, parents: tuple[str, ...], basis: _Basis | None, own: _Basis | None
) -> list[TrustError]:
    before, after = basis.repository if basis else None, own.repository if own else None
    return check_confirmations(git, commit=commit, parents=parents, before=before, after=after)


def _read_basis(git: Git, commit: str) -> tuple[_Basis | None, tuple[Finding, ...]]:
    """Return what children of ``commit`` are judged by; None, and why, if it cannot be read whole."""
    names = {path: f"{commit}:{path}" for path in (layout.REPOSITORY, layout.ALLOWED_SIGNERS)}
    contents = git.objects(names.values())
    missing = [path for path, name in names.items() if name not in contents]
    if missing:
        return None, tuple(
            Finding(path=path, code="Missing", message="is missing", hint="put it back") for path in missing
        )
    return _parse_basis(contents[names[layout.REPOSITORY]], contents[names[layout.ALLOWED_SIGNERS]])


@functools.lru_cache(maxsize=64)
def _parse_basis(repository: bytes, allowed: bytes) -> tuple[_Basis | None, tuple[Finding, ...]]:
    signers, findings = parse_allowed_signers(allowed, path=layout.ALLOWED_SIGNERS)
    raws, wrong = parse_documents(repository, path=layout.REPOSITORY)
    findings += wrong
    documents = []
    for raw in raws:
        document, wrong = validate(raw)
        findings += wrong
        documents.append(document)
    if findings:
        return None, tuple(findings)
    match documents:
        case [Repository() as document]:
            return _Basis(signers=signers, rules=document.spec.trust.rules, repository=document), ()
        case _:
            hint = "write one document of kind Repository"
            finding = Finding(path=layout.REPOSITORY, code="NoRepository", message="does not hold the rules", hint=hint)
            return None, (finding,)
