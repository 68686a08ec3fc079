"""A real state repository with a simulated site behind it: documents, signed commits, an evidence branch, real records.

Rules: documents are those of ``tests.support.sites``, written as files and read back by the code under test; the
evidence branch holds what real passes on the simulated world recorded, signed by the evidence key. Commit ids differ
from run to run, because signatures do.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from reconciler.daemon.recorder import Recorder
from reconciler.execute.passes import Draft, Engine
from reconciler.model.base import Value
from reconciler.model.desired import DesiredState
from reconciler.repo.desired import load_desired
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.signers import AllowedSigners
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.snapshot import read_commit
from tests.support.gitrepo import Content, GitRepo
from tests.support.runner import EVIDENCE_KEY
from tests.support.world import World

OPERATOR = "operator@example.org"
EVIDENCE = "ringfence@example.org"
SIGNERS = "trust/allowed_signers"
COMMITTED = "2026-03-01T12:00:00+00:00"
"""When desired states are committed: before the simulated world begins, since no record is older than its commit."""


def documents_of(desired: DesiredState) -> dict[str, bytes]:
    """Return the files, but for ``trust/allowed_signers``, that say what ``desired`` says; JSON is YAML."""
    places: tuple[tuple[str, Mapping[str, Value]], ...] = (
        ("site/zones", desired.zones),
        ("site/switches", desired.switches),
        ("site/networks", desired.networks),
        ("site/nodes", desired.nodes),
        ("images", desired.images),
        ("policies", desired.policies),
        ("tenants/acme/keys", desired.keys),
        ("tenants/acme/enclaves", desired.enclaves),
    )
    files = {f"{folder}/{name}.yaml": _text(value) for folder, values in places for name, value in values.items()}
    for index, node in enumerate(desired.nodes.values(), start=1):
        bmc = node.spec.bmc.model_copy(update={"address": f"10.0.3.{index}"})  # Each needs one of its own here.
        own = node.model_copy(update={"spec": node.spec.model_copy(update={"bmc": bmc})})
        files[f"site/nodes/{node.metadata.name}.yaml"] = _text(own)
    files["ringfence.yaml"] = _text(desired.repository)
    files["tenants/acme/tenant.yaml"] = _text(desired.tenants["acme"])
    files |= {f"trust/ek-roots/{index}.pem": root for index, root in enumerate(desired.ek_roots)}
    return files


def _text(value: Value) -> bytes:
    document = value.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=False)
    return json.dumps(document, indent=1).encode()


@dataclass(kw_only=True)
class Estate:
    """A repository whose ``main`` is in force on ``world``."""

    repo: GitRepo
    world: World
    key: EvidenceKey

    @property
    def git(self) -> Git:
        """Return the repository as the code under test sees it."""
        return Git(self.repo.path)

    @property
    def ledger(self) -> GitLedger:
        """Return the evidence branch."""
        return GitLedger(self.git, branch="evidence", key=self.key, signers=AllowedSigners(signers=()))

    @property
    def engine(self) -> Engine:
        """Return what passes are made with."""
        return Engine(
            site=self.world.site,
            sign=self.key.sign,
            key_id=self.key.key_id,
            now=self.world.clock.now,
            workers=1,
        )

    def commit(self, branch: str, files: Mapping[str | bytes, Content], *, signer: str | None = "alice") -> str:
        """Commit ``files`` on ``branch``, which begins at ``main`` if it is new, and return the commit."""
        parent = self.git.head(branch) or self.git.head("main")
        made = self.repo.commit(files, signer=signer, parents=[parent] if parent else [])
        self.repo.point(branch, made)
        return made

    def become(self, branch: str, desired: DesiredState, *, signer: str | None = "alice") -> str:
        """Commit on ``branch`` exactly the documents of ``desired``, beside the signers who are there."""
        parent = self.git.head(branch) or self.git.head("main") or ""
        kept = documents_of(desired)
        gone = [entry.path for entry in self.git.files(parent) if entry.path.decode() not in {*kept, SIGNERS}]
        return self.commit(branch, {**dict.fromkeys(gone), **kept}, signer=signer)

    def copy(self, folder: Path) -> Estate:
        """Return the same site with a copy of the repository in ``folder``."""
        repo = copy(self.repo)
        repo.path = folder / "state"
        shutil.copytree(self.repo.path, repo.path)
        return Estate(repo=repo, world=self.world, key=self.key)

    def settle(self, *, rounds: int = 12) -> Draft:
        """Make passes under ``main``, with time between them, and record everything; return the last draft."""
        desired = load_desired(read_commit(self.git, self.git.head("main") or ""))
        if desired.commit != self.world.desired.commit:
            self.world.trust(desired)
        written = len(self.world.ledger.rounds)
        for _ in range(rounds):
            self.world.start_process()
            draft = self.engine.draft(desired)
            self.engine.carry_out(draft, watch=lambda _action, _outcome: None)
            self.world.tick(10)
        ledger = self.ledger
        for entries in self.world.ledger.rounds[written:]:
            ledger.append(entries)
        ledger.set_trusted(desired.commit)
        self.world.start_process()
        draft = self.engine.draft(desired)
        Recorder(lambda: ledger).note(draft, {})
        return draft


def estate(folder: Path, *, desired: DesiredState) -> Estate:
    """Return a repository whose root commit, by the operator, says what ``desired`` says, and its site."""
    repo = GitRepo(folder)
    repo.environment |= dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), COMMITTED)
    path = folder / "evidence-key"
    path.write_bytes(EVIDENCE_KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    repo.keys["evidence"] = path
    public = EVIDENCE_KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    path.with_name(f"{path.name}.pub").write_text(f"{public}\n")
    signers = f"{OPERATOR} {' '.join(repo.public('alice').split()[:2])}\n{EVIDENCE} {public}\n".encode()
    root = repo.commit({**documents_of(desired), SIGNERS: signers}, signer="alice")
    repo.point("main", root)
    made = load_desired(read_commit(Git(repo.path), root))
    return Estate(repo=repo, world=World(made), key=EvidenceKey(path))
