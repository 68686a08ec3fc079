"""Attacks on the history of a state repository: what may be followed, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.repo.git import Git
from reconciler.repo.trust import FetchedCommit, Judgement, judge
from tests.support.gitrepo import GitRepo, repository_yaml

NODE = "site/nodes/n1.yaml"
ENCLAVE = "tenants/blue/enclaves/blue.yaml"


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    return GitRepo(tmp_path)


def judged(repo: GitRepo, head: str, *, last: str | None) -> Judgement:
    return judge(Git(repo.path), head=FetchedCommit(commit=head), last_trusted=last)


def trusted(judgement: Judgement) -> str | None:
    return judgement.trusted.commit if judgement.trusted else None


@dataclass(frozen=True)
class Attack:
    """``build`` makes a head on top of a trusted commit; it is refused for ``reason``, with these words."""

    name: str
    build: Callable[[GitRepo, str], str]
    reason: str
    message: str
    hint: str


def strangers_merge(repo: GitRepo, base: str) -> str:
    side = repo.commit({ENCLAVE: b"1"}, signer="mallory", parents=[base])
    main = repo.commit({NODE: b"1"}, signer="alice", parents=[base])
    return repo.commit({ENCLAVE: b"1"}, signer="alice", parents=[main, side])


def unsigned_merge(repo: GitRepo, base: str) -> str:
    side = repo.commit({ENCLAVE: b"1"}, signer=None, parents=[base])
    return repo.commit({ENCLAVE: b"1"}, signer="alice", parents=[base, side])


def hidden_change(repo: GitRepo, base: str) -> str:
    side = repo.commit({ENCLAVE: b"1"}, signer="bob", parents=[base])
    return repo.commit({ENCLAVE: b"1", NODE: b"evil"}, signer="bob", parents=[base, side])


def foxtrot(repo: GitRepo, base: str) -> str:
    """Bob merges the trusted branch into a history of his own, so that the trusted commit is a mere side parent."""
    root = repo.git("rev-list", "--max-parents=0", base)
    own = repo.commit({ENCLAVE: b"evil"}, signer="bob", parents=[root])
    return repo.commit({}, signer="bob", parents=[own, base])


def self_granted(repo: GitRepo, base: str) -> str:
    granted = repository_yaml({"alice": ("**",), "bob": ("**",)})
    return repo.commit({"ringfence.yaml": granted, NODE: b"1"}, signer="bob", parents=[base])


def let_in_by_oneself(repo: GitRepo, base: str) -> str:
    everybody = repo.allowed("alice", "bob", "carol", "mallory")
    return repo.commit({"trust/allowed_signers": everybody}, signer="mallory", parents=[base])


def by(signer: str | None, path: str | bytes, content: bytes | tuple[str, bytes] | None = b"1") -> Callable[..., str]:
    return lambda repo, base: repo.commit({path: content}, signer=signer, parents=[base])


ATTACKS = [
    Attack("unsigned head", by(None, ENCLAVE), "UnsignedCommit", "is not signed", "git commit --amend"),
    Attack(
        "stranger", by("mallory", ENCLAVE), "UnknownSigner", "no valid signature by anybody", "signer of the parent"
    ),
    Attack("let in by oneself", let_in_by_oneself, "UnknownSigner", "no valid signature", "signer of the parent"),
    Attack("self-granted", self_granted, "PathNotAuthorised", "bob may not change ringfence.yaml", "let alice change"),
    Attack("path without authority", by("bob", NODE), "PathNotAuthorised", f"bob may not change {NODE}", "let alice"),
    Attack("deletes without authority", by("bob", "README.md", None), "PathNotAuthorised", "README.md", "let alice"),
    Attack("signers by non-owner", by("bob", "trust/allowed_signers"), "PathNotAuthorised", "trust/allowed_", "alice"),
    Attack("evidence key", by("carol", ENCLAVE), "PathNotAuthorised", "carol may not change", "let alice, bob change"),
    Attack("stranger merged", strangers_merge, "UnknownSigner", "merged by", "signer of the parent"),
    Attack("unsigned merged", unsigned_merge, "UnsignedCommit", "merged by", "git commit --amend"),
    Attack("merge with hidden change", hidden_change, "PathNotAuthorised", f"bob may not change {NODE}", "let alice"),
    Attack("foxtrot merge", foxtrot, "HistoryForked", "on its side only", "merge the other way round"),
    Attack("symlink", by("alice", NODE, ("120000", b"/etc/x")), "PathRefused", "is a symbolic link", "plain files"),
    Attack("symlink anywhere", by("alice", "docs", ("120000", b"..")), "PathRefused", "is a symbolic link", "plain"),
    Attack("submodule", by("alice", "site/x", ("160000", b"1" * 40)), "PathRefused", "is a submodule", "plain files"),
    Attack("not UTF-8", by("alice", b"site/nodes/\xff.yaml"), "PathRefused", "not UTF-8", "plain names"),
    Attack("case", by("alice", "Site/nodes/n1.yaml"), "PathRefused", "is site in another spelling", "plain names"),
    Attack("case below", by("alice", "site/Nodes/n1.yaml"), "PathRefused", "site/nodes in another case", "plain"),
    Attack("compatible letters", by("alice", "\u017fite/nodes/n1.yaml"), "PathRefused", "is site in another", "plain"),
    Attack("control character", by("alice", "site/nodes/n\x011.yaml"), "PathRefused", "not shown", "plain names"),
    Attack("right-to-left", by("alice", "docs/\u202elmay"), "PathRefused", "not shown", "plain names"),
    Attack("backslash", by("alice", "docs\\n1.yaml"), "PathRefused", "not shown", "plain names"),
    Attack("odd letters", by("alice", "site/nodes/ñ.yaml"), "PathRefused", "not used here", "plain names"),
    Attack("breaks the rules", by("alice", "ringfence.yaml", b"a: ["), "TrustRootBroken", "ringfence.yaml:1:", ""),
    Attack("deletes the rules", by("alice", "ringfence.yaml", None), "TrustRootBroken", "is missing", "put it back"),
    Attack("no rules", by("alice", "ringfence.yaml", b""), "TrustRootBroken", "not hold the rules", "one document"),
    Attack("breaks signers", by("alice", "trust/allowed_signers", b"* x"), "TrustRootBroken", "one principal", "AAAA"),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_changes_nothing_and_is_named(repo: GitRepo, attack: Attack) -> None:
    root = repo.begin({"README.md": b"x"})
    base = repo.commit({NODE: b"0"}, signer="alice", parents=[root])
    head = attack.build(repo, base)

    judgement = judged(repo, head, last=base)

    # A merge's own first parents may be fine; nothing of the attack is.
    assert trusted(judgement) in {base, *repo.git("rev-list", "--first-parent", f"{base}..{head}^").split()}
    assert judgement.refusals
    first = judgement.refusals[0]
    assert first.reason == attack.reason
    assert first.subject.startswith("commit ")
    assert len(first.subject) == len("commit ") + 12
    assert attack.message in first.message
    assert attack.hint in first.hint


def test_good_commits_below_an_unsigned_head_are_trusted(repo: GitRepo) -> None:
    root = repo.begin()
    good = repo.commit({ENCLAVE: b"1"}, signer="bob", parents=[root])
    head = repo.commit({ENCLAVE: b"2"}, signer=None, parents=[good])
    later = repo.commit({ENCLAVE: b"3"}, signer="alice", parents=[head])

    judgement = judged(repo, later, last=root)

    assert trusted(judgement) == good
    assert [refusal.subject for refusal in judgement.refusals] == [f"commit {head[:12]}"]


def test_refusal_names_every_path_that_was_not_allowed(repo: GitRepo) -> None:
    root = repo.begin()
    head = repo.commit({NODE: b"1", "images/worker.yaml": b"1", ENCLAVE: b"1"}, signer="bob", parents=[root])

    judgement = judged(repo, head, last=root)

    assert [refusal.message for refusal in judgement.refusals] == [
        "bob may not change images/worker.yaml",
        f"bob may not change {NODE}",
    ]


def test_rewind_is_refused(repo: GitRepo) -> None:
    root = repo.begin()
    newer = repo.commit({NODE: b"1"}, signer="alice", parents=[root])

    judgement = judged(repo, root, last=newer)

    assert trusted(judgement) == newer
    assert [refusal.reason for refusal in judgement.refusals] == ["HistoryRewound"]


def test_fork_is_refused(repo: GitRepo) -> None:
    root = repo.begin()
    newer = repo.commit({NODE: b"1"}, signer="alice", parents=[root])
    fork = repo.commit({NODE: b"2"}, signer="alice", parents=[root])

    judgement = judged(repo, fork, last=newer)

    assert trusted(judgement) == newer
    assert [refusal.reason for refusal in judgement.refusals] == ["HistoryForked"]


def test_another_root_is_refused(repo: GitRepo) -> None:
    root = repo.begin()
    other = repo.begin({"README.md": b"another"})

    judgement = judged(repo, other, last=root)

    assert trusted(judgement) == root
    assert [refusal.reason for refusal in judgement.refusals] == ["HistoryForked"]


def test_trusted_commit_that_is_gone_is_a_rewind(repo: GitRepo) -> None:
    judgement = judged(repo, repo.begin(), last="1" * 40)

    assert judgement.trusted is None
    assert [refusal.reason for refusal in judgement.refusals] == ["HistoryRewound"]


def test_same_head_is_trusted_again(repo: GitRepo) -> None:
    root = repo.begin()
    judgement = judged(repo, root, last=root)
    assert trusted(judgement) == root
    assert not judgement.refusals


def test_first_use_pins_a_root_that_verifies_against_itself(repo: GitRepo) -> None:
    root = repo.begin()
    head = repo.commit({ENCLAVE: b"1"}, signer="bob", parents=[root])
    judgement = judged(repo, head, last=None)
    assert trusted(judgement) == head
    assert judgement.trusted is not None
    assert judgement.trusted.tree == repo.git("rev-parse", f"{head}^{{tree}}")


@pytest.mark.parametrize(("signer", "reason"), [(None, "UnsignedCommit"), ("mallory", "UnknownSigner")])
def test_root_by_a_stranger_is_refused(repo: GitRepo, signer: str | None, reason: str) -> None:
    files = {"ringfence.yaml": repository_yaml(), "trust/allowed_signers": repo.allowed("alice", "bob", "carol")}
    judgement = judged(repo, repo.commit(files, signer=signer), last=None)
    assert judgement.trusted is None
    assert [refusal.reason for refusal in judgement.refusals] == [reason]


def test_root_without_rules_is_refused(repo: GitRepo) -> None:
    judgement = judged(repo, repo.commit({"README.md": b"x"}, signer="alice"), last=None)
    assert judgement.trusted is None
    assert "TrustRootBroken" in {refusal.reason for refusal in judgement.refusals}


def test_authority_that_an_owner_grants_counts_from_the_next_commit_on(repo: GitRepo) -> None:
    root = repo.begin()
    rules = repository_yaml({"alice": ("**",), "mallory": ("docs/*",)})
    trust = {"ringfence.yaml": rules, "trust/allowed_signers": repo.allowed("alice", "mallory")}
    granted = repo.commit(trust, signer="alice", parents=[root])
    used = repo.commit({"docs/a.md": b"1"}, signer="mallory", parents=[granted])
    abused = repo.commit({"docs/deep/a.md": b"1"}, signer="mallory", parents=[used])
    revoked = repo.commit({ENCLAVE: b"1"}, signer="bob", parents=[used])

    assert trusted(judged(repo, abused, last=root)) == used
    assert trusted(judged(repo, revoked, last=root)) == used


def test_merge_of_known_signers_by_someone_with_authority_is_trusted(repo: GitRepo) -> None:
    root = repo.begin()
    side = repo.commit({ENCLAVE: b"1"}, signer="bob", parents=[root])
    main = repo.commit({NODE: b"1"}, signer="alice", parents=[root])
    merge = repo.commit({ENCLAVE: b"1"}, signer="alice", parents=[main, side])
    judgement = judged(repo, merge, last=root)
    assert trusted(judgement) == merge
    assert not judgement.refusals


def test_replacement_object_deceives_nobody(repo: GitRepo) -> None:
    root = repo.begin()
    bad = repo.commit({ENCLAVE: b"1"}, signer=None, parents=[root])
    good = repo.commit({ENCLAVE: b"1"}, signer="bob", parents=[root])
    repo.git("replace", bad, good)
    assert trusted(judged(repo, bad, last=root)) == root


def test_local_configuration_cannot_stand_in_for_the_verifier(repo: GitRepo, tmp_path: Path) -> None:
    liar = tmp_path / "liar"
    liar.write_text('#!/bin/sh\necho "Good \\"git\\" signature for alice with ED25519 key SHA256:x"\n')
    liar.chmod(0o755)
    root = repo.begin()
    bad = repo.commit({ENCLAVE: b"1"}, signer="mallory", parents=[root])
    repo.git("config", "gpg.ssh.program", str(liar))
    repo.git("config", "gpg.ssh.allowedSignersFile", str(tmp_path / "none"))
    assert trusted(judged(repo, bad, last=root)) == root


def test_altered_commit_keeps_no_signature(repo: GitRepo) -> None:
    root = repo.begin()
    good = repo.commit({ENCLAVE: b"1"}, signer="bob", parents=[root])
    raw = repo.git("cat-file", "commit", good).replace("test@localhost", "other@localhost", 1)
    bad = repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=f"{raw}\n".encode())
    assert trusted(judged(repo, bad, last=root)) == root


class CountingGit(Git):
    """Git, and how often it was started."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.calls: list[str] = []

    def _call(self, arguments: tuple[str, ...], **options: Any) -> tuple[int, bytes, str]:  # noqa: ANN401 - passed on
        self.calls.append(arguments[0])
        return super()._call(arguments, **options)


def test_one_new_commit_takes_a_handful_of_calls(repo: GitRepo) -> None:
    root = repo.begin()
    head = repo.commit({ENCLAVE: b"1"}, signer="bob", parents=[root])
    git = CountingGit(repo.path)
    assert judge(git, head=FetchedCommit(commit=head), last_trusted=root).trusted is not None
    assert len(git.calls) <= 12, git.calls


def test_more_commits_take_no_more_calls_and_a_judged_one_is_not_judged_again(repo: GitRepo) -> None:
    root = repo.begin()
    head = root
    for number in range(8):
        head = repo.commit({ENCLAVE: str(number).encode()}, signer="bob", parents=[head])
    git = CountingGit(repo.path)
    assert trusted(judge(git, head=FetchedCommit(commit=head), last_trusted=root)) == head
    assert len(git.calls) <= 13, git.calls
    assert git.calls.count("verify-commit") == 1
    git.calls.clear()
    assert trusted(judge(git, head=FetchedCommit(commit=head), last_trusted=head)) == head
    assert "verify-commit" not in git.calls
