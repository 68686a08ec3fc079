"""Attacks by people: strangers, those who grant themselves something, merges, dates, approvals."""

from __future__ import annotations

from tests.support.attack import Attack, by
from tests.support.attackrepo import (
    NODE,
    OTHER_NODE,
    POLICY,
    REPOSITORY,
    SIGNERS,
    TENANT,
    AttackRepo,
    approval,
    policy,
    rules_yaml,
    tenant,
)
from tests.support.documents import FILES
from tests.support.gpgkeys import PAST

EVIL = FILES[NODE] + b"# evil\n"
MORE = FILES[NODE] + b"# more\n"


def let_in(repo: AttackRepo) -> str:
    return repo.commit({SIGNERS: repo.signers(repo.line("mallory"))}, signer="mallory", parents=[repo.base])


def let_in_by_gpg(repo: AttackRepo) -> str:
    return repo.commit({"trust/gpg/sten.asc": repo.gpg.armour["sten"]}, signer="sten", parents=[repo.base])


def key_lent_by_bob(repo: AttackRepo) -> str:
    return repo.commit({"trust/gpg/alice.asc": repo.gpg.armour["sten"]}, signer="bob", parents=[repo.base])


def granted_on_the_side(repo: AttackRepo) -> str:
    granted = repo.commit({REPOSITORY: rules_yaml(owner="bob")}, signer="bob", parents=[repo.base])
    used = repo.commit({NODE: EVIL}, signer="bob", parents=[granted])
    return repo.commit({REPOSITORY: rules_yaml(owner="bob"), NODE: EVIL}, signer="bob", parents=[repo.base, used])


def granted_and_dropped_on_the_side(repo: AttackRepo) -> str:
    """Let the side grant bob the site, use that, and take the grant back: the merge shows no trace of it."""
    granted = repo.commit({REPOSITORY: rules_yaml(owner="bob")}, signer="bob", parents=[repo.base])
    used = repo.commit({NODE: EVIL, REPOSITORY: rules_yaml()}, signer="bob", parents=[granted])
    return repo.commit({NODE: EVIL}, signer="bob", parents=[repo.base, used])


def granted_in_the_merge(repo: AttackRepo) -> str:
    side = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[repo.base])
    files = {TENANT: tenant(5), REPOSITORY: rules_yaml(owner="bob")}
    return repo.commit(files, signer="bob", parents=[repo.base, side])


def threshold_lowered_and_used(repo: AttackRepo) -> str:
    files = {REPOSITORY: rules_yaml(policy_threshold=1), POLICY: policy("weak")}
    return repo.commit(files, signer="alice", parents=[repo.base])


def two_lines(repo: AttackRepo, *, side: str | None = "bob") -> tuple[str, str]:
    """Return a trusted commit by alice and a side commit, both on top of the base."""
    branch = repo.commit({TENANT: tenant(5)}, signer=side, parents=[repo.base])
    main = repo.advance(repo.commit({NODE: MORE}, signer="alice", parents=[repo.base]))
    return main, branch


def unsigned_merge_with_change(repo: AttackRepo) -> str:
    main, side = two_lines(repo)
    return repo.commit({TENANT: tenant(5), OTHER_NODE: EVIL}, signer=None, parents=[main, side])


def merge_with_change(repo: AttackRepo) -> str:
    main, side = two_lines(repo)
    return repo.commit({TENANT: tenant(5), OTHER_NODE: EVIL}, signer="dave", parents=[main, side])


def merge_that_alters(repo: AttackRepo) -> str:
    main, side = two_lines(repo)
    return repo.commit({TENANT: tenant(6)}, signer="dave", parents=[main, side])


def merge_that_makes_executable(repo: AttackRepo) -> str:
    main, side = two_lines(repo)
    return repo.commit({TENANT: ("100755", tenant(5))}, signer="dave", parents=[main, side])


def silent_revert(repo: AttackRepo) -> str:
    """Bob's side never touched the node; the merge takes alice's change of it back."""
    main, side = two_lines(repo)
    return repo.commit({TENANT: tenant(5), NODE: FILES[NODE]}, signer="dave", parents=[main, side])


def conflict_decided_by_an_outsider(repo: AttackRepo) -> str:
    side = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[repo.base])
    main = repo.advance(repo.commit({TENANT: tenant(6)}, signer="alice", parents=[repo.base]))
    return repo.commit({TENANT: tenant(5)}, signer="dave", parents=[main, side])


def decided_on_the_side(repo: AttackRepo) -> str:
    """On the side dave merges two versions of bob's, and picks the one that bob had replaced."""
    one = repo.commit({TENANT: tenant(9)}, signer="bob", parents=[repo.base])
    two = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[one])
    picked = repo.commit({TENANT: tenant(9)}, signer="dave", parents=[two, one])
    main = repo.advance(repo.commit({NODE: MORE}, signer="alice", parents=[repo.base]))
    return repo.commit({TENANT: tenant(9)}, signer="dave", parents=[main, picked])


def unrelated_side(repo: AttackRepo) -> str:
    side = repo.commit({TENANT: tenant(5)}, signer="bob")
    return repo.commit({TENANT: tenant(5)}, signer="dave", parents=[repo.base, side])


def side_without_authority(repo: AttackRepo) -> str:
    side = repo.commit({NODE: EVIL}, signer="bob", parents=[repo.base])
    return repo.commit({NODE: EVIL}, signer="dave", parents=[repo.base, side])


def side_by_a_stranger(repo: AttackRepo) -> str:
    main, side = two_lines(repo, side="mallory")
    return repo.commit({TENANT: tenant(5)}, signer="alice", parents=[main, side])


def side_unsigned(repo: AttackRepo) -> str:
    main, side = two_lines(repo, side=None)
    return repo.commit({TENANT: tenant(5)}, signer="alice", parents=[main, side])


def side_of_an_expired_signer(repo: AttackRepo) -> str:
    with repo.at("2019-06-01T12:00:00Z"):
        side = repo.commit({TENANT: tenant(5)}, signer="old", parents=[repo.base])
    return repo.commit({TENANT: tenant(5)}, signer="alice", parents=[repo.base, side])


def octopus(repo: AttackRepo) -> str:
    sides = [repo.commit({TENANT: tenant(number)}, signer="bob", parents=[repo.base]) for number in (5, 6)]
    return repo.commit({TENANT: tenant(5)}, signer="alice", parents=[repo.base, *sides])


def wrong_way_round(repo: AttackRepo) -> str:
    root = repo.git("rev-list", "--max-parents=0", repo.base)
    own = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[root])
    return repo.commit({}, signer="bob", parents=[own, repo.base])


def rewind(repo: AttackRepo) -> str:
    return repo.git("rev-parse", f"{repo.base}^")


def fork(repo: AttackRepo) -> str:
    return repo.commit({TENANT: tenant(5)}, signer="alice", parents=[rewind(repo)])


def another_root(repo: AttackRepo) -> str:
    return repo.commit_tree(f"{repo.base}^{{tree}}", signer="alice")


def force_push(repo: AttackRepo) -> str:
    """Let the owner herself amend what was trusted, and push it over."""
    return repo.commit({"docs/notes.md": b"2"}, signer="alice", parents=[rewind(repo)])


def dated(signer: str, date: str) -> Attack:
    def build(repo: AttackRepo) -> str:
        with repo.at(date):
            return repo.commit({TENANT: tenant(5)}, signer=signer, parents=[repo.base])

    reasons = {"old": "SignerExpired", "late": "SignerNotYet", "erin": "SignerExpired"}
    wrong = "CommitBackdated" if date < "2021" else "CommitFromFuture"
    return Attack(f"{signer} dates a commit {date[:4]}", build, reasons.get(signer, wrong))


def signed_in_the_past(repo: AttackRepo) -> str:
    """Sign with a key that has expired since, by a clock that is wrong; the commit is dated now."""
    repo.gpg.at(PAST)
    try:
        return repo.commit({TENANT: tenant(5)}, signer="erin", parents=[repo.base])
    finally:
        repo.gpg.at(None)


STRANGERS = (
    Attack("unsigned", by(None, {TENANT: tenant(5)}), "UnsignedCommit", "is not signed"),
    Attack("a stranger's valid signature", by("mallory", {TENANT: tenant(5)}), "UnknownSigner", "no valid signature"),
    Attack("a stranger's valid GPG signature", by("sten", {TENANT: tenant(5)}), "UnknownSigner"),
    Attack("a stranger's GPG subkey", by("sub", {TENANT: tenant(5)}), "UnknownSigner"),
    Attack("lets oneself in", let_in, "UnknownSigner"),
    Attack("lets oneself in by GPG", let_in_by_gpg, "UnknownSigner"),
    Attack("lends a friend the owner's name", key_lent_by_bob, "PathNotAuthorised", "bob may not change trust/gpg"),
    Attack("a known signer without authority", by("dave", {TENANT: tenant(5)}), "PathNotAuthorised", "dave may not"),
    Attack("an evidence signer", by("carol", {TENANT: tenant(5)}), "PathNotAuthorised", "carol may not"),
    Attack("a path of somebody else", by("bob", {NODE: EVIL}), "PathNotAuthorised", f"bob may not change {NODE}"),
    Attack("a GPG signer's path of somebody else", by("gina", {NODE: EVIL}), "PathNotAuthorised", "gina may not"),
    Attack("deletes what is somebody else's", by("bob", {NODE: None}), "PathNotAuthorised", NODE),
    Attack("a rule for oneself", by("bob", {REPOSITORY: rules_yaml(owner="bob"), NODE: EVIL}), "PathNotAuthorised"),
    Attack("a rule for oneself on the side", granted_on_the_side, "PathNotAuthorised", REPOSITORY),
    Attack("a rule dropped on the side", granted_and_dropped_on_the_side, "PathNotAuthorised", f"change {NODE}"),
    Attack("a rule for oneself in a merge", granted_in_the_merge, "PathNotAuthorised", REPOSITORY),
    Attack("a path that no rule covers", by("alice", {"elsewhere/x": b"1"}), "PathNotAuthorised", "elsewhere"),
    Attack("a threshold lowered and used", threshold_lowered_and_used, "ApprovalMissing", "needs 1 more of bob"),
    Attack("a key for another namespace", by("fay", {TENANT: tenant(5)}), "UnknownSigner"),
)

MERGES = (
    Attack("an unsigned merge with a hidden change", unsigned_merge_with_change, "UnsignedCommit"),
    Attack("an evil merge", merge_with_change, "PathNotAuthorised", f"dave may not change {OTHER_NODE}"),
    Attack("a merge that alters the side", merge_that_alters, "PathNotAuthorised", f"dave may not change {TENANT}"),
    Attack("a merge that changes a mode", merge_that_makes_executable, "PathNotAuthorised", "dave may not change"),
    Attack("a merge that reverts in silence", silent_revert, "PathNotAuthorised", f"dave may not change {NODE}"),
    Attack("an outsider decides a conflict", conflict_decided_by_an_outsider, "PathNotAuthorised", TENANT),
    Attack("an outsider decides on the side", decided_on_the_side, "PathNotAuthorised", TENANT),
    Attack("an unrelated history merged in", unrelated_side, "PathNotAuthorised", TENANT),
    Attack("a side without authority", side_without_authority, "PathNotAuthorised", NODE),
    Attack("a stranger's side", side_by_a_stranger, "UnknownSigner", "merged by"),
    Attack("an unsigned side", side_unsigned, "UnsignedCommit", "merged by"),
    Attack("a back-dated side of an expired signer", side_of_an_expired_signer, "SignerExpired", "merged by"),
    Attack("an octopus", octopus, "OctopusMerge", "merges 2 branches"),
    Attack("a merge the wrong way round", wrong_way_round, "HistoryForked", "on its side only"),
)

HISTORIES = (
    Attack("a rewind", rewind, "HistoryRewound", "lies behind"),
    Attack("a fork", fork, "HistoryForked", "does not descend"),
    Attack("another root", another_root, "HistoryForked", "does not descend"),
    Attack("a force-push by the owner", force_push, "HistoryForked", "does not descend"),
)

DATES = (
    Attack("an expired signer", by("old", {TENANT: tenant(5)}), "SignerExpired", "valid until 2020-01-01"),
    Attack("a signer who is not valid yet", by("late", {TENANT: tenant(5)}), "SignerNotYet", "valid from 2099"),
    Attack("a signature by an expired GPG key", signed_in_the_past, "SignerExpired"),
    Attack("a revoked GPG key", by("rita", {TENANT: tenant(5)}), "SignerRevoked"),
    dated("old", "2019-06-01T12:00:00Z"),
    dated("erin", "2020-06-01T12:00:00Z"),
    dated("late", "2099-06-01T12:00:00Z"),
    dated("bob", "2019-06-01T12:00:00Z"),
    dated("bob", "2098-06-01T12:00:00Z"),
)


def weak_policy(repo: AttackRepo, *, signer: str = "alice") -> str:
    return repo.commit({POLICY: policy("weak")}, signer=signer, parents=[repo.base])


def approved_by(signer: str, principal: str | None = None) -> Attack:
    def build(repo: AttackRepo) -> str:
        head = weak_policy(repo)
        repo.approve(head, signer=signer, principal=principal)
        return head

    name = f"an approval by {signer}" + (f" in the name of {principal}" if principal else "")
    return Attack(name, build, "ApprovalMissing", "needs 1 more of bob, gina, old")


def approval_of_the_parent(repo: AttackRepo) -> str:
    repo.approve(repo.base, signer="bob")
    return weak_policy(repo)


def approval_moved(repo: AttackRepo) -> str:
    """Bob's approval of a harmless commit is put where one of this commit would be."""
    harmless = repo.commit({POLICY: policy("fine")}, signer="alice", parents=[repo.base])
    tag = repo.approve(harmless, signer="bob")
    head = weak_policy(repo)
    repo.git("update-ref", f"refs/tags/{approval(head, 'bob')}", tag)
    return head


def approval_renamed(repo: AttackRepo) -> str:
    """Alice's own approval is put under bob's name."""
    head = weak_policy(repo)
    tag = repo.approve(head, signer="alice")
    repo.git("update-ref", f"refs/tags/{approval(head, 'bob')}", tag)
    return head


def release_tag(repo: AttackRepo) -> str:
    head = weak_policy(repo)
    repo.tag("v1.0", head, signer="bob")
    return head


def release_tag_renamed(repo: AttackRepo) -> str:
    head = weak_policy(repo)
    repo.git("update-ref", f"refs/tags/{approval(head, 'bob')}", repo.tag("v1.0", head, signer="bob"))
    return head


def approval_unsigned(repo: AttackRepo) -> str:
    head = weak_policy(repo)
    repo.tag(approval(head, "bob"), head, signer=None)
    return head


def approval_without_tag(repo: AttackRepo) -> str:
    head = weak_policy(repo)
    repo.git("update-ref", f"refs/tags/{approval(head, 'bob')}", head)
    return head


def approval_on(target: str) -> Attack:
    def build(repo: AttackRepo) -> str:
        head = weak_policy(repo)
        inner = repo.tag("inner", head, signer="bob")
        aims = {"a tag": inner, "a tree": f"{head}^{{tree}}", "a blob": f"{head}:{POLICY}"}
        repo.tag(approval(head, "bob"), aims[target], signer="bob")
        return head

    return Attack(f"an approval on {target}", build, "ApprovalMissing")


def approval_dated(date: str, signer: str = "bob") -> Attack:
    def build(repo: AttackRepo) -> str:
        head = weak_policy(repo)
        with repo.at(date):
            repo.approve(head, signer=signer)
        return head

    return Attack(f"an approval by {signer} dated {date[:4]}", build, "ApprovalMissing")


def approval_altered(repo: AttackRepo) -> str:
    """Bob's approval of another commit, with this commit's id written over it; the signature stays the same."""
    harmless = repo.commit({POLICY: policy("fine")}, signer="alice", parents=[repo.base])
    head = weak_policy(repo)
    tag = repo.git("cat-file", "tag", repo.approve(harmless, signer="bob"))
    altered = tag.replace(harmless, head).replace(harmless[:12], head[:12]) + "\n"
    repo.git("update-ref", f"refs/tags/{approval(head, 'bob')}", repo.write("tag", altered.encode()))
    return head


def approval_on_a_branch(repo: AttackRepo) -> str:
    head = weak_policy(repo)
    tag = repo.approve(head, signer="bob")
    repo.git("update-ref", "-d", f"refs/tags/{approval(head, 'bob')}")
    repo.git("update-ref", f"refs/other/{approval(head, 'bob')}", tag)
    return head


def approved_before_the_amendment(repo: AttackRepo) -> str:
    fine = repo.commit({POLICY: policy("fine")}, signer="alice", parents=[repo.base])
    repo.approve(fine, signer="bob")
    return weak_policy(repo)


def side_approved_and_then_altered(repo: AttackRepo) -> str:
    side = repo.commit({POLICY: policy("fine")}, signer="alice", parents=[repo.base])
    repo.approve(side, signer="bob")
    return repo.commit({POLICY: policy("weak")}, signer="alice", parents=[repo.base, side])


APPROVALS = (
    Attack("no approval", weak_policy, "ApprovalMissing", "needs 1 more of bob, gina, old for policies/**"),
    approved_by("alice"),
    approved_by("alice2", "alice"),
    approved_by("dave"),
    approved_by("mallory", "bob"),
    approved_by("alice", "bob"),
    approved_by("old"),
    approved_by("sten", "gina"),
    Attack("the parent's approval", approval_of_the_parent, "ApprovalMissing"),
    Attack("an approval moved from another commit", approval_moved, "ApprovalMissing"),
    Attack("an approval renamed", approval_renamed, "ApprovalMissing"),
    Attack("an approval altered", approval_altered, "ApprovalMissing"),
    Attack("a release tag", release_tag, "ApprovalMissing"),
    Attack("a release tag renamed", release_tag_renamed, "ApprovalMissing"),
    Attack("an unsigned tag", approval_unsigned, "ApprovalMissing"),
    Attack("a bare ref", approval_without_tag, "ApprovalMissing"),
    Attack("an approval outside the tags", approval_on_a_branch, "ApprovalMissing"),
    Attack("an approval before the amendment", approved_before_the_amendment, "ApprovalMissing"),
    Attack("a side altered after its approval", side_approved_and_then_altered, "ApprovalMissing"),
    approval_on("a tag"),
    approval_on("a tree"),
    approval_on("a blob"),
    approval_dated("2019-06-01T12:00:00Z"),
    approval_dated("2098-06-01T12:00:00Z"),
    approval_dated("2019-06-01T12:00:00Z", signer="old"),
)

ATTACKS = (*STRANGERS, *MERGES, *HISTORIES, *DATES, *APPROVALS)
