"""The objects of the desired state that a bundle shows, and how they are read where there is no repository.

Rules: shown of a commit are the commit itself, and the files that say who signs evidence and what a node is held
against: ``ringfence.yaml``, ``trust/allowed_signers``, the TPM makers' certificates, the node, its policy with what
that includes, and its image; and the trees that lead there. Nothing under ``tenants`` is ever shown.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.evidence.bundle.authority import Told
from reconciler.evidence.bundle.objects import FOLDERS, Commit
from reconciler.evidence.bundle.pieces import COMMITS, FILES, TREES
from reconciler.evidence.statement import Record
from reconciler.model.kinds import AppraisalPolicy, Enclave, Image, Node, Repository
from reconciler.repo.catalogue import Catalogue, catalogue
from reconciler.repo.desired import assemble_desired, read_trust
from reconciler.repo.files import D, Located
from reconciler.repo.git import Git
from reconciler.repo.layout import ALLOWED_SIGNERS, REPOSITORY, is_ek_crl, is_ek_intermediate, is_ek_root
from reconciler.repo.signing import evidence_keys
from reconciler.repo.snapshot import Snapshot, read_commit


class CommitShower:
    """Gathers the objects of commits, each once, as parts of a bundle by name; ``keys`` are all evidence keys there."""

    def __init__(self, git: Git, *, known: Mapping[str, Ed25519PublicKey]) -> None:
        """Read from ``git``; begin with the keys that are ``known``."""
        self.objects: dict[str, bytes] = {}
        self.keys = dict(known)
        self._git = git
        self._snapshots: dict[str, tuple[Snapshot, Catalogue]] = {}
        self._shown: set[tuple[str | None, ...]] = set()

    def show(self, commit: str, *, record: Record) -> None:
        """Add what is shown of ``commit`` for ``record``; TrustError if the repository does not hold it."""
        appraisal = record.appraisal
        policy, image = (appraisal.policy, appraisal.image) if appraisal else (None, None)
        asked = (commit, record.node, policy, image)
        if asked in self._shown:
            return
        self._shown.add(asked)
        snapshot, found = self._read(commit)
        paths = {path for path in snapshot.files if _is_always_shown(path)}
        paths |= _paths(found.all(Node), {record.node}) | _paths(found.all(Image), {image or ""})
        paths |= _paths(found.all(AppraisalPolicy), _with_included(found, policy))
        self._add(commit, paths)

    def owner(self, commit: str, *, enclave: str) -> str | None:
        """Return whose the enclave of that name is at ``commit``, None if there is none."""
        found = self._read(commit)[1].all(Enclave).get(enclave)
        return found.tenant if found else None

    def _read(self, commit: str) -> tuple[Snapshot, Catalogue]:
        if commit not in self._snapshots:
            if not self._git.objects([commit]):
                hint = "fetch the desired state's history whole (git fetch --unshallow)"
                raise TrustError(f"commit {commit[:12]}", "is not here", reason="ObjectMissing", hint=hint)
            snapshot = read_commit(self._git, commit)
            found = catalogue(snapshot)
            self._snapshots[commit] = snapshot, found
            signers = [located.document.spec.evidence.signers for located in _repositories(found)]
            content = snapshot.files.get(ALLOWED_SIGNERS, b"")
            self.keys |= evidence_keys(content, principals=signers[0] if signers else ())
        return self._snapshots[commit]

    def _add(self, commit: str, paths: set[str]) -> None:
        folders = {path.rpartition("/")[0] for path in paths} | {""}
        above = {folder.rpartition("/")[0] for folder in folders}
        shown = [folder for folder in FOLDERS if folder in folders | above]
        names = {f"{commit}:{path}": "" for path in [*shown, *sorted(paths)]}
        root = self._git.tree_of(commit)
        ids = self._git.run("cat-file", "--batch-check", stdin="".join(f"{name}\n" for name in names).encode()).decode()
        found = [line.split(" ") for line in ids.splitlines()]
        objects = {fields[0]: fields[1] for fields in found if len(fields) > 1 and fields[1] in {"tree", "blob"}}
        contents = self._git.objects([commit, root, *objects])
        self.objects |= {f"{COMMITS}{commit}": contents[commit], f"{TREES}{root}": contents[root]}
        folder_of = {"tree": TREES, "blob": FILES}
        self.objects |= {f"{folder_of[kind]}{object_id}": contents[object_id] for object_id, kind in objects.items()}


def read_documents(commit: Commit) -> Told:
    """Return what the shown files of ``commit`` say; InputError if they do not say who signs evidence."""
    if REPOSITORY not in commit.files or ALLOWED_SIGNERS not in commit.files:
        raise InputError(f"commit {commit.commit[:12]}", "its signers are not shown", reason="NoSigners")
    snapshot = Snapshot(commit=commit.commit, tree=commit.tree, files=dict(sorted(commit.files.items())), findings=())
    found, trust = catalogue(snapshot), read_trust(snapshot)
    if found.findings or trust.findings or not _repositories(found):
        raise InputError(f"commit {commit.commit[:12]}", "its files cannot be read", reason="CommitUnreadable")
    desired = assemble_desired(found, trust=trust, commit=commit.commit, tree=commit.tree)
    principals = desired.repository.spec.evidence.signers
    return Told(desired=desired, keys=frozenset(evidence_keys(commit.files[ALLOWED_SIGNERS], principals=principals)))


def _repositories(found: Catalogue) -> list[Located[Repository]]:
    return list(found.all(Repository).values())


def _is_always_shown(path: str) -> bool:
    return path in {REPOSITORY, ALLOWED_SIGNERS} or is_ek_root(path) or is_ek_intermediate(path) or is_ek_crl(path)


def _paths(documents: Mapping[str, Located[D]], names: set[str]) -> set[str]:
    return {documents[name].raw.path for name in names if name in documents}


def _with_included(found: Catalogue, policy: str | None) -> set[str]:
    policies = found.all(AppraisalPolicy)
    names, waiting = set[str](), [policy or ""]
    while waiting:
        name = waiting.pop()
        if name in policies and name not in names:
            names.add(name)
            waiting += policies[name].document.spec.include
    return names
