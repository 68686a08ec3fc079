"""A valid, trusted state repository for attackers: many kinds of signers, and tools to build what git would refuse.

Signers: ``alice`` owns the repository, ``alice2`` is another key of hers, ``bob`` and ``gina`` (GPG) have the tenant
blue, ``carol`` signs evidence, ``dave`` is known and may change nothing, the keys of ``old`` and ``erin`` (GPG) have
expired, that of ``late`` is not valid yet, that of ``rita`` (GPG) is revoked, that of ``fay`` signs files only, and
``mallory`` and ``sten`` (GPG) are strangers. Policies take two of alice, bob, gina and old.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey
from tests.support.documents import FILES, changed
from tests.support.gitrepo import CONFIRMED, GitRepo, make_key
from tests.support.gpgkeys import GpgKeys

NODE = "site/nodes/n1.yaml"
OTHER_NODE = "site/nodes/n2.yaml"
TENANT = "tenants/blue/tenant.yaml"
POLICY = "policies/measured-boot.yaml"
REPOSITORY = "ringfence.yaml"
SIGNERS = "trust/allowed_signers"
SSH = ("alice", "alice2", "bob", "carol", "dave", "old", "late", "fay", "mallory")
OPTIONS = {
    "old": 'valid-before="20200101Z" ',
    "late": 'valid-after="20990101Z" ',
    "fay": 'namespaces="file" ',
}
_BLUE = "bob, gina, old, late, fay, erin, rita"


def rules_yaml(*, owner: str = "alice", policy_threshold: int = 2, blue: str = _BLUE) -> bytes:
    """Return the repository's ``ringfence.yaml``."""
    return (
        "apiVersion: ringfence/v1alpha1\nkind: Repository\nmetadata: {name: test}\nspec:\n  trust:\n    rules:\n"
        '      - paths: ["*", "trust/**", "site/**", "images/**", "docs/**", "tenants/**"]\n'
        f"        signers: [{owner}]\n"
        f'      - paths: ["policies/**"]\n        signers: [alice, bob, gina, old]\n'
        f"        threshold: {policy_threshold}\n"
        f'      - paths: ["tenants/blue/**"]\n        signers: [{blue}]\n'
        "  evidence: {signers: [carol]}\n"
    ).encode()


def tenant(nodes: int) -> bytes:
    """Return the tenant's document with another quota."""
    return changed(TENANT, "maxNodes: 4", f"maxNodes: {nodes}")[TENANT]


def policy(text: str) -> bytes:
    """Return the policy's document with a remark."""
    return FILES[POLICY] + f"# {text}\n".encode()


class AttackRepo(GitRepo):
    """The repository. ``base`` is its trusted commit; ``good`` the newest one that an attack leaves trusted."""

    def __init__(self, folder: Path, *, gpg: GpgKeys) -> None:
        super().__init__(folder)
        self.gpg = gpg
        self.keys = {name: make_key(folder / name) if name not in self.keys else self.keys[name] for name in SSH}
        self.environment["GNUPGHOME"] = str(gpg.home)
        self.base = ""
        self.good = ""

    def line(self, name: str, *, options: str | None = None) -> bytes:
        """Return the allowed-signers line of one key."""
        principal = "alice" if name == "alice2" else name
        extra = OPTIONS.get(name, "") if options is None else options
        return f"{principal} {extra}{' '.join(self.public(name).split()[:2])}\n".encode()

    def signers(self, *more: bytes) -> bytes:
        """Return the allowed-signers file, with ``more`` lines."""
        return b"".join([*(self.line(name) for name in SSH if name != "mallory"), *more])

    def prepare(self) -> None:
        """Make the trusted commit, on record on the evidence branch."""
        pinned = {f"trust/gpg/{name}.asc": self.gpg.armour[name] for name in ("gina", "erin", "rita")}
        files = {**FILES, REPOSITORY: rules_yaml(), SIGNERS: self.signers(), **pinned}
        root = self.commit(files, signer="alice")
        self.advance(self.commit({"docs/notes.md": b"1"}, signer="alice", parents=[root]))
        key = EvidenceKey(self.keys["carol"])
        GitLedger(Git(self.path), branch="evidence", key=key, signers=AllowedSigners(signers=())).set_trusted(self.base)

    def advance(self, commit: str) -> str:
        """Make ``commit`` the one that is good, and in force."""
        self.base = self.good = commit
        self.point("main", commit)
        return commit

    def commit_tree(
        self, tree: str, *, signer: str | None, parents: Sequence[str] = (), message: bytes = CONFIRMED
    ) -> str:
        """Return a new commit of ``tree``, signed by an SSH or a GPG key."""
        if signer is None or signer in self.keys:
            return super().commit_tree(tree, signer=signer, parents=parents, message=message)
        options = [word for parent in parents for word in ("-p", parent)]
        return self.git(*self._gpg_options(signer), "commit-tree", "-S", *options, tree, stdin=message)

    def tag(self, name: str, target: str, *, signer: str | None) -> str:
        """Make an annotated tag and return its object."""
        if signer is None:
            self.git("tag", "-f", "-a", "-m", "approve", name, target)
        elif signer in self.keys:
            key = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={self.keys[signer]}")
            self.git(*key, "tag", "-f", "-s", "-m", "approve", name, target)
        else:
            self.git(*self._gpg_options(signer), "tag", "-f", "-s", "-m", "approve", name, target)
        return self.git("rev-parse", f"refs/tags/{name}")

    def approve(self, commit: str, *, signer: str, principal: str | None = None) -> str:
        """Make an approval as it should be, and return its object."""
        return self.tag(approval(commit, principal or signer), commit, signer=signer)

    def write(self, kind: str, content: bytes) -> str:
        """Return a new object with any content at all."""
        return self.git("hash-object", "-t", kind, "-w", "--stdin", "--literally", stdin=content)

    def read(self, commit: str) -> bytes:
        """Return the bytes of a commit."""
        command = ["git", "-C", str(self.path), "cat-file", "commit", commit]
        return subprocess.run(command, capture_output=True, check=True, timeout=30).stdout

    def tree_with(self, commit: str, entries: Mapping[bytes, tuple[str, str]]) -> str:
        """Return the tree of ``commit`` with ``entries`` (mode and object by name) at its top, unchecked."""
        tree = self.git("rev-parse", f"{commit}^{{tree}}")
        listing = self.git("ls-tree", "-z", tree).encode("utf-8", "surrogateescape").split(b"\0")
        known = {line.split(b"\t")[1]: line.split(b"\t")[0].split(b" ") for line in listing if line}
        rows = {name: (meta[0].lstrip(b"0"), meta[2].decode()) for name, meta in known.items()}
        rows |= {name: (mode.encode(), object_id) for name, (mode, object_id) in entries.items()}
        content = b"".join(
            mode + b" " + name + b"\0" + bytes.fromhex(oid) for name, (mode, oid) in sorted(rows.items())
        )
        return self.write("tree", content)

    def blob(self, content: bytes) -> str:
        """Return a new blob."""
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    @contextmanager
    def at(self, date: str) -> Iterator[None]:
        """Date what is made meanwhile (``2019-06-01T12:00:00Z``)."""
        self.environment |= {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}
        self.gpg.at("".join(character for character in date[:19] if character not in "-:"))
        try:
            yield
        finally:
            self.gpg.at(None)
            del self.environment["GIT_COMMITTER_DATE"], self.environment["GIT_AUTHOR_DATE"]

    def _gpg_options(self, signer: str) -> tuple[str, ...]:
        fingerprint = self.gpg.fingerprints[signer]
        return ("-c", "gpg.format=openpgp", "-c", "gpg.program=gpg", "-c", f"user.signingKey={fingerprint}")


def approval(commit: str, principal: str) -> str:
    """Return the name of the tag by which ``principal`` approves ``commit``."""
    return f"approve/{commit[:12]}/{principal}"


def make_template(folder: Path) -> Iterator[AttackRepo]:
    """Yield a repository to be copied for each test; its keys' agents end with it."""
    keys = GpgKeys(folder / "gpg")
    repo = AttackRepo(folder, gpg=keys)
    repo.prepare()
    yield repo
    keys.close()


def copy_of(template: AttackRepo, folder: Path) -> AttackRepo:
    """Return the same repository, at ``folder``, with the same keys."""
    made = object.__new__(AttackRepo)
    made.__dict__ |= {**template.__dict__, "environment": dict(template.environment), "path": folder}
    subprocess.run(["cp", "-r", str(template.path), str(folder)], check=True, timeout=30, env=dict(os.environ))
    return made
