"""A real git server with the hook installed, over SSH and over smart HTTP: what it takes in, and what it refuses.

Then the reconciler's side of it: what is fetched, what is pushed, and what happens while the server is away.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.errors.taxonomy import DeviceError, RingfenceError, TransientError
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.ports.ledger import Entry
from reconciler.repo.git import Git
from reconciler.repo.ledger import GitLedger
from reconciler.repo.remote import Remote
from reconciler.repo.signers import parse_allowed_signers
from reconciler.repo.signing import EvidenceKey
from tests.support.documents import FILES, changed
from tests.support.gitrepo import Content, GitRepo, repository_yaml
from tests.support.gitserver import DEADLINE_S, GitServer, HttpServer, bare_repository, remote, serving

TENANT = "tenants/blue/tenant.yaml"
NODE = "site/nodes/n1.yaml"


@pytest.fixture(scope="module", params=["ssh", "http"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with serving(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@dataclass(kw_only=True)
class Hosted:
    """A developer's repository and the one on the server that it is pushed to."""

    repo: GitRepo
    server: GitServer
    name: str
    host: Git
    base: str

    def push(self, *specs: str, force: bool = False) -> subprocess.CompletedProcess[str]:
        """Push as a person does, with plain git."""
        words = ["git", "push", *(["--force"] if force else []), self.server.access(self.name).url, *specs]
        clean = {"PATH": os.environ["PATH"], "HOME": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        environment = {**clean, **self.server.client()}
        return subprocess.run(
            words, cwd=self.repo.path, capture_output=True, text=True, check=False, timeout=DEADLINE_S, env=environment
        )

    def commit(self, files: dict[str | bytes, Content], *, signer: str | None = "alice", onto: str = "") -> str:
        return self.repo.commit(files, signer=signer, parents=[onto or self.base])

    def evidence(self, sequence: int) -> str:
        """Record something as the reconciler does, and return the commit."""
        head = Head(
            node="n1", sequence=sequence, digest=f"sha256:{sequence:064x}", phase=Phase.AIRLOCK, commit=self.base
        )
        entry = Entry(path=f"statements/n1/{sequence}.json", envelope=b"{}", heads=(head,), blobs={})
        signers, _ = parse_allowed_signers(self.repo.allowed("carol"), path="")
        key = EvidenceKey(self.repo.keys["carol"])
        return GitLedger(Git(self.repo.path), branch="evidence", key=key, signers=signers).append([entry])


@pytest.fixture
def hosted(server: GitServer, tmp_path: Path, request: pytest.FixtureRequest) -> Hosted:
    repo = GitRepo(tmp_path)
    name = f"{abs(hash(request.node.nodeid))}.git"
    host = bare_repository(server.root, name)
    rules = {"ringfence.yaml": repository_yaml(), "trust/allowed_signers": repo.allowed("alice", "bob", "carol")}
    base = repo.commit({**FILES, **rules}, signer="alice")
    made = Hosted(repo=repo, server=server, name=name, host=host, base=base)
    done = made.push(f"{base}:refs/heads/main")
    assert done.returncode == 0, done.stderr
    return made


def test_a_good_push_is_taken(hosted: Hosted) -> None:
    commit = hosted.commit({TENANT: FILES[TENANT].replace(b"4", b"5")}, signer="bob")
    tag = hosted.repo.git("hash-object", "-w", "-t", "tag", "--stdin", stdin=_tag(commit, signed=True))
    evidence = hosted.evidence(1)
    done = hosted.push(f"{commit}:refs/heads/main", f"{tag}:refs/tags/approve/one", f"{evidence}:refs/heads/evidence")
    assert done.returncode == 0, done.stderr
    assert hosted.host.head("main") == commit
    assert hosted.host.head("evidence") == evidence
    later = hosted.evidence(2)
    assert hosted.push(f"{later}:refs/heads/evidence").returncode == 0
    assert hosted.host.head("evidence") == later


def _tag(commit: str, *, signed: bool, name: str = "approve/one", kind: str = "commit") -> bytes:
    signature = b"-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n" if signed else b""
    head = f"object {commit}\ntype {kind}\ntag {name}\ntagger Test <test@localhost> 1700000000 +0000\n\napproved\n"
    return head.encode() + signature


def _unsigned(hosted: Hosted) -> list[str]:
    return [f"{hosted.commit({TENANT: b'x'}, signer=None)}:refs/heads/main"]


def _stranger(hosted: Hosted) -> list[str]:
    return [f"{hosted.commit({TENANT: b'x'}, signer='mallory')}:refs/heads/main"]


def _unauthorised(hosted: Hosted) -> list[str]:
    return [f"{hosted.commit({NODE: FILES[NODE] + b'# mine now'}, signer='bob')}:refs/heads/main"]


def _hidden_in_the_middle(hosted: Hosted) -> list[str]:
    bad = hosted.commit({TENANT: FILES[TENANT].replace(b"4", b"5")}, signer=None)
    return [f"{hosted.commit({TENANT: FILES[TENANT]}, onto=bad)}:refs/heads/main"]


def _invalid(hosted: Hosted) -> list[str]:
    wrong = changed("site/networks/blue-net.yaml", "vlan: 200", "vlan: 4095")
    return [f"{hosted.commit({'site/networks/blue-net.yaml': wrong['site/networks/blue-net.yaml']})}:refs/heads/main"]


def _parted(hosted: Hosted) -> list[str]:
    other = hosted.repo.commit(
        {**FILES, "trust/allowed_signers": hosted.repo.allowed("alice", "carol")}, signer="alice"
    )
    return [f"{other}:refs/heads/main"]


def _deleted(_: Hosted) -> list[str]:
    return [":refs/heads/main"]


def _evidence_by_a_stranger(hosted: Hosted) -> list[str]:
    forged = hosted.repo.commit({"statements/n1/9.json": b"{}"}, signer="alice", parents=[])
    return [f"{forged}:refs/heads/evidence"]


def _light_approval(hosted: Hosted) -> list[str]:
    return [f"{hosted.base}:refs/tags/approve/one"]


def _unsigned_approval(hosted: Hosted) -> list[str]:
    tag = hosted.repo.git("hash-object", "-w", "-t", "tag", "--stdin", stdin=_tag(hosted.base, signed=False))
    return [f"{tag}:refs/tags/approve/one"]


def _approval_under_another_name(hosted: Hosted) -> list[str]:
    tag = hosted.repo.git("hash-object", "-w", "-t", "tag", "--stdin", stdin=_tag(hosted.base, signed=True))
    return [f"{tag}:refs/tags/approve/two"]


REFUSED = [
    pytest.param(_unsigned, ["UnsignedCommit", "is not signed"], id="unsigned"),
    pytest.param(_stranger, ["UnknownSigner", "has no valid signature"], id="stranger"),
    pytest.param(_unauthorised, ["PathNotAuthorised", "bob may not change site/nodes/n1.yaml"], id="unauthorised"),
    pytest.param(_hidden_in_the_middle, ["UnsignedCommit"], id="unsigned below a signed one"),
    pytest.param(_invalid, ["site/networks/blue-net.yaml:", "4094"], id="invalid"),
    pytest.param(_parted, ["HistoryForked", "does not descend"], id="forced to another history"),
    pytest.param(_deleted, ["BranchDeleted", "is never deleted"], id="deleted"),
    pytest.param(_evidence_by_a_stranger, ["EvidenceForeign"], id="evidence by another signer"),
    pytest.param(_light_approval, ["MalformedApproval", "is no signed tag"], id="approval without a tag object"),
    pytest.param(_unsigned_approval, ["MalformedApproval", "is not signed"], id="unsigned approval"),
    pytest.param(
        _approval_under_another_name, ["MalformedApproval", "calls itself approve/one"], id="renamed approval"
    ),
]


@pytest.mark.parametrize(("attempt", "words"), REFUSED)
def test_a_bad_push_is_refused_with_the_reason(
    hosted: Hosted, attempt: Callable[[Hosted], list[str]], words: list[str]
) -> None:
    specs = attempt(hosted)
    before = hosted.host.run("for-each-ref")
    done = hosted.push(*specs, force=True)
    assert done.returncode != 0
    assert "pre-receive hook declined" in done.stderr
    said = "\n".join(line.removeprefix("remote: ").rstrip() for line in done.stderr.splitlines())
    assert [word for word in words if word not in said] == []
    assert "error: " in said
    assert "hint: " in said
    assert "Traceback" not in said
    assert hosted.host.run("for-each-ref") == before


def test_a_rewind_is_refused_though_it_is_forced(hosted: Hosted) -> None:
    newer = hosted.commit({TENANT: FILES[TENANT].replace(b"4", b"5")})
    assert hosted.push(f"{newer}:refs/heads/main").returncode == 0
    done = hosted.push(f"{hosted.base}:refs/heads/main", force=True)
    assert "HistoryRewound" in done.stderr
    assert hosted.host.head("main") == newer


def test_evidence_is_neither_rewound_nor_rewritten_nor_deleted(hosted: Hosted) -> None:
    first = hosted.evidence(1)
    second = hosted.evidence(2)
    assert hosted.push(f"{second}:refs/heads/evidence").returncode == 0
    assert "EvidenceRewound" in hosted.push(f"{first}:refs/heads/evidence", force=True).stderr
    assert "EvidenceRewound" in hosted.push(":refs/heads/evidence").stderr
    altered = hosted.repo.commit({"statements/n1/1.json": b"{ }"}, signer="carol", parents=[second])
    assert "EvidenceRewritten" in hosted.push(f"{altered}:refs/heads/evidence").stderr
    assert hosted.host.head("evidence") == second


def test_a_proposal_may_hold_anything(hosted: Hosted) -> None:
    wild = hosted.repo.commit({"site/nodes/n1.yaml": b"{"}, signer=None)
    done = hosted.push(f"{wild}:refs/heads/wip", f"{wild}:refs/tags/v1")
    assert done.returncode == 0, done.stderr
    assert hosted.host.head("wip") == wild


def test_one_bad_ref_refuses_the_whole_push(hosted: Hosted) -> None:
    good = hosted.commit({TENANT: FILES[TENANT].replace(b"4", b"5")})
    done = hosted.push(f"{good}:refs/heads/main", f"{good}:refs/tags/approve/one")
    assert done.returncode != 0
    assert hosted.host.head("main") == hosted.base


def fresh(tmp_path: Path) -> Git:
    folder = tmp_path / "machine"
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True, timeout=DEADLINE_S)
    return Git(folder)


def test_the_reconciler_fetches_follows_and_pushes(hosted: Hosted, tmp_path: Path) -> None:
    git = fresh(tmp_path)
    side = remote(git, server=hosted.server, name=hosted.name)
    seen = side.look()
    assert (seen.desired, seen.evidence) == (hosted.base, None)
    assert side.fetch(seen)
    assert git.at(side.tracking) == hosted.base
    assert not side.fetch(side.look())
    evidence = hosted.evidence(1)
    git.run("fetch", "-q", str(hosted.repo.path), "refs/heads/evidence")
    side.push(evidence, branch="evidence")
    assert hosted.host.head("evidence") == evidence


def test_a_refused_push_of_evidence_is_told_apart(hosted: Hosted, tmp_path: Path) -> None:
    git = fresh(tmp_path)
    forged = hosted.repo.commit({"statements/n1/9.json": b"{}"}, signer="mallory", parents=[])
    hosted.repo.point("forged", forged)
    git.run("fetch", "-q", str(hosted.repo.path), "refs/heads/forged")
    with pytest.raises(DeviceError) as caught:
        remote(git, server=hosted.server, name=hosted.name).push(forged, branch="evidence")
    assert caught.value.reason == "RemoteRefusesPush"
    assert hosted.host.head("evidence") is None


def test_a_server_killed_in_the_middle_of_a_push_loses_nothing_and_is_pushed_to_again(
    hosted: Hosted, tmp_path: Path
) -> None:
    git = fresh(tmp_path)
    side = remote(git, server=hosted.server, name=hosted.name)
    evidence = hosted.evidence(1)
    git.run("fetch", "-q", str(hosted.repo.path), "+refs/heads/evidence:refs/heads/evidence")
    caught: list[RingfenceError] = []
    if isinstance(hosted.server, HttpServer):
        hosted.server.break_after = 7
        _push(side, evidence, caught)
        hosted.server.break_after = None
    else:
        (hosted.server.root / "stall").touch()
        pushing = threading.Thread(target=_push, args=(side, evidence, caught))
        pushing.start()
        _wait_for(hosted.server.root / "stalled")
        (hosted.server.root / "stall").unlink()
        hosted.server.stop()
        pushing.join(timeout=DEADLINE_S)
        (hosted.server.root / "stalled").unlink()
    hosted.server.stop()
    assert [type(error) for error in caught] == [TransientError]
    assert git.head("evidence") == evidence
    with pytest.raises(TransientError) as away:
        side.look()
    assert away.value.reason == "RemoteAway"
    hosted.server.start()
    if side.look().evidence != evidence:
        side.push(evidence, branch="evidence")
    assert hosted.host.head("evidence") == evidence


def _push(side: Remote, commit: str, caught: list[RingfenceError]) -> None:
    try:
        side.push(commit, branch="evidence")
    except RingfenceError as error:
        caught.append(error)


def _wait_for(path: Path) -> None:
    end = time.monotonic() + DEADLINE_S
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
