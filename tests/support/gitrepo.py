"""State repositories in git for tests: keys made at run time, commits signed or not, in any shape.

Built on plain git, apart from the code under test: what an attacker could push can be built here.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

Content = bytes | tuple[str, bytes] | None
"""A plain file, a file of another mode (``("120000", b"target")``), or nothing: deleted."""

CONFIRMED = b"test\n\nRingfence-Confirm: trust\n"
"""A message that says that trust is changed, whether it is or not: most tests are about something else."""

RULES = {"alice": ("**",), "bob": ("tenants/blue/**",)}


def make_key(path: Path) -> Path:
    """Write an Ed25519 key pair to ``path`` and ``path.pub`` and return ``path``."""
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    path.with_name(f"{path.name}.pub").write_text(f"{public} {path.name}\n")
    return path


def repository_yaml(rules: Mapping[str, Sequence[str]] = RULES) -> bytes:
    """Return a ``ringfence.yaml`` in which each signer may change some paths; ``carol`` signs evidence."""
    lines = "".join(
        f"      - paths: [{', '.join(f'{chr(34)}{p}{chr(34)}' for p in paths)}]\n        signers: [{signer}]\n"
        for signer, paths in rules.items()
    )
    return (
        "apiVersion: ringfence/v1alpha1\nkind: Repository\nmetadata: {name: test}\nspec:\n"
        f"  trust:\n    rules:\n{lines}  evidence: {{signers: [carol]}}\n"
    ).encode()


class GitRepo:
    """A repository with keys for alice, bob, carol (evidence) and mallory (nobody)."""

    def __init__(self, folder: Path, *, bare: bool = False) -> None:
        self.path = folder / "state"
        self.environment: dict[str, str] = {}
        self.keys = {name: make_key(folder / name) for name in ("alice", "bob", "carol", "mallory")}
        self.git("init", "-q", "-b", "main", *(["--bare"] if bare else []), str(self.path), cwd=folder)

    def git(
        self, *arguments: str, stdin: bytes = b"", cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Return what git says."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Test",
            "GIT_AUTHOR_EMAIL": "test@localhost",
            "GIT_COMMITTER_NAME": "Test",
            "GIT_COMMITTER_EMAIL": "test@localhost",
            **self.environment,
            **(env or {}),
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.path,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=30,
            env=environment,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def allowed(self, *names: str) -> bytes:
        """Return an allowed-signers file with the keys of ``names``."""
        lines = [f"{name} {' '.join(self.public(name).split()[:2])}\n" for name in names]
        return "".join(lines).encode()

    def public(self, name: str) -> str:
        """Return the public key of ``name``."""
        return self.keys[name].with_name(f"{name}.pub").read_text()

    def commit(
        self,
        files: Mapping[str | bytes, Content],
        *,
        signer: str | None,
        parents: Sequence[str] = (),
        message: bytes = CONFIRMED,
    ) -> str:
        """Return a new commit: the first parent's files with ``files`` over them. No branch moves."""
        with tempfile.TemporaryDirectory() as folder:
            env = {"GIT_INDEX_FILE": f"{folder}/index"}
            if parents:
                self.git("read-tree", parents[0], env=env)
            info = b"".join(self._index_line(name, content) for name, content in files.items())
            self.git("update-index", "-z", "--index-info", stdin=info, env=env)
            tree = self.git("write-tree", "--missing-ok", env=env)
        return self.commit_tree(tree, signer=signer, parents=parents, message=message)

    def commit_tree(
        self, tree: str, *, signer: str | None, parents: Sequence[str] = (), message: bytes = CONFIRMED
    ) -> str:
        """Return a new commit of ``tree``."""
        sign = ["-c", "gpg.format=ssh", "-c", f"user.signingKey={self.keys[signer]}"] if signer else []
        options = [word for parent in parents for word in ("-p", parent)]
        return self.git(*sign, "commit-tree", *(["-S"] if signer else []), *options, tree, stdin=message)

    def point(self, branch: str, commit: str) -> None:
        """Move ``branch`` to ``commit``, wherever it was."""
        self.git("update-ref", f"refs/heads/{branch}", commit)

    def begin(self, files: Mapping[str | bytes, Content] | None = None) -> str:
        """Return a root commit by alice, with rules for alice and bob."""
        trust = {"ringfence.yaml": repository_yaml(), "trust/allowed_signers": self.allowed("alice", "bob", "carol")}
        return self.commit({**trust, **(files or {})}, signer="alice")

    def _index_line(self, name: str | bytes, content: Content) -> bytes:
        path = name.encode() if isinstance(name, str) else name
        if content is None:
            return b"0 " + b"0" * 40 + b"\t" + path + b"\0"
        mode, data = content if isinstance(content, tuple) else ("100644", content)
        object_id = data.decode() if mode == "160000" else self.git("hash-object", "-w", "--stdin", stdin=data)
        return f"{mode} {object_id}\t".encode() + path + b"\0"
