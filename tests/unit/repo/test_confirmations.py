"""What a commit must say: that it changes trust, and how much it takes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.repo.confirmations import read_confirmations
from reconciler.repo.git import Git
from reconciler.repo.trust import FetchedCommit, judge
from tests.support.gitrepo import Content, GitRepo, repository_yaml

TRUST = b"more\n\nRingfence-Confirm: trust\n"


def node(name: str) -> bytes:
    return f"apiVersion: ringfence/v1alpha1\nkind: Node\nmetadata: {{name: {name}}}\nspec: {{}}\n".encode()


def enclave(name: str, nodes: str) -> bytes:
    head = f"apiVersion: ringfence/v1alpha1\nkind: Enclave\nmetadata: {{name: {name}}}\n"
    return f"{head}spec: {{nodes: {nodes}}}\n".encode()


def node_path(name: str) -> str:
    return f"site/nodes/{name}.yaml"


BLUE = "tenants/blue/enclaves/blue.yaml"
NODES = [f"n{number}" for number in range(1, 13)]


class History:
    """A repository of twelve nodes and an enclave of four named and one of six counted; commits are alice's."""

    def __init__(self, folder: Path) -> None:
        self.repo = GitRepo(folder)
        files: dict[str | bytes, Content] = {node_path(name): node(name) for name in NODES}
        files[BLUE] = enclave("blue", "{names: [n1, n2, n3, n4]}")
        files["tenants/blue/enclaves/green.yaml"] = enclave("green", "{count: 6}")
        self.base = self.repo.begin(files)

    def commit(self, files: dict[str | bytes, Content], *, message: bytes = b"change\n", parent: str = "") -> str:
        return self.repo.commit(files, signer="alice", parents=[parent or self.base], message=message)

    def reasons(self, head: str, *, last: str = "") -> list[str]:
        judgement = judge(Git(self.repo.path), head=FetchedCommit(commit=head), last_trusted=last or self.base)
        return [refusal.reason for refusal in judgement.refusals]

    def said(self, head: str) -> str:
        judgement = judge(Git(self.repo.path), head=FetchedCommit(commit=head), last_trusted=self.base)
        return "\n".join(f"{refusal.message}\n{refusal.hint}" for refusal in judgement.refusals)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def gone(*names: str) -> dict[str | bytes, Content]:
    return {node_path(name): None for name in names}


def test_a_root_confirms_nothing(history: History) -> None:
    judgement = judge(Git(history.repo.path), head=FetchedCommit(commit=history.base), last_trusted=None)
    assert judgement.refusals == ()


def rules(extra: str) -> bytes:
    return repository_yaml() + extra.encode()


@pytest.mark.parametrize(
    "files",
    [
        {"trust/ek-roots/maker.pem": b"anything"},
        {"trust/notes.txt": b"anything"},
        {"ringfence.yaml": repository_yaml({"alice": ("**",)})},
        {"ringfence.yaml": repository_yaml().replace(b"signers: [carol]", b"signers: [bob]")},
        {"ringfence.yaml": rules("  limits: {deletions: 500}\n")},
    ],
    ids=["root", "anything below trust", "rules", "evidence signers", "limits"],
)
def test_a_change_of_trust_says_so(history: History, files: dict[str | bytes, Content]) -> None:
    head = history.commit(files)
    assert history.reasons(head) == ["ConfirmationMissing"]
    assert 'git commit --amend --no-edit -S --trailer "Ringfence-Confirm: trust"' in history.said(head)
    assert history.reasons(history.commit(files, message=TRUST)) == []


def test_other_fields_of_the_repository_need_no_confirmation(history: History) -> None:
    files: dict[str | bytes, Content] = {"ringfence.yaml": rules("  interval: 40s\n  freeze: {reason: a fair}\n")}
    assert history.reasons(history.commit(files)) == []


def test_up_to_the_limit_nothing_is_said(history: History) -> None:
    assert history.reasons(history.commit(gone(*NODES[:10]))) == []


def test_more_than_the_limit_is_said_with_its_number(history: History) -> None:
    head = history.commit(gone(*NODES[:11]))
    assert history.reasons(head) == ["ConfirmationMissing"]
    assert "takes away 11 documents and places of enclaves (its parent allows 10 at once)" in history.said(head)
    assert '--trailer "Ringfence-Confirm: deletions 11"' in history.said(head)
    confirmed = history.commit(gone(*NODES[:11]), message=b"away\n\nRingfence-Confirm: deletions  11\n")
    assert history.reasons(confirmed) == []


@pytest.mark.parametrize("value", [b"deletions 12", b"deletions 10", b"deletions", b"deletions 11 or so"])
def test_another_number_is_no_confirmation(history: History, value: bytes) -> None:
    head = history.commit(gone(*NODES[:11]), message=b"away\n\nRingfence-Confirm: " + value + b"\n")
    assert history.reasons(head) == ["ConfirmationMismatch"]


@pytest.mark.parametrize(
    "message",
    [
        b"Ringfence-Confirm: deletions 11\n\nand more words\n",
        b"away\n\nRingfence-Confirm deletions 11\n",
        b"away\n\nRingfence-Confirm: deletions 11\n\nand more words\n",
        b"away\n\nX-Ringfence-Confirm: deletions 11\n",
    ],
    ids=["subject", "no colon", "not at the end", "another key"],
)
def test_words_elsewhere_in_the_message_confirm_nothing(history: History, message: bytes) -> None:
    assert history.reasons(history.commit(gone(*NODES[:11]), message=message)) == ["ConfirmationMissing"]


def test_places_of_enclaves_count_like_documents(history: History) -> None:
    files = gone(*NODES[:6]) | {BLUE: enclave("blue", "{names: [n1, n9]}")}
    files["tenants/blue/enclaves/green.yaml"] = enclave("green", "{count: 3}")
    assert "takes away 12 " in history.said(history.commit(files))
    without = {BLUE: None, "tenants/blue/enclaves/green.yaml": None}
    assert "takes away 12 " in history.said(history.commit(without))
    counted = {BLUE: enclave("blue", "{count: 4}"), "tenants/blue/enclaves/green.yaml": enclave("green", "{count: 0}")}
    assert history.reasons(history.commit(counted)) == []


def test_a_document_that_moves_is_not_taken_away(history: History) -> None:
    files = gone(*NODES)
    files["site/nodes/all.yaml"] = b"---\n".join(node(name) for name in NODES)
    files[BLUE] = None
    files["tenants/blue/enclaves/other.yaml"] = enclave("blue", "{names: [n1, n2, n3, n4]}")
    assert history.reasons(history.commit(files)) == []


def test_a_document_that_can_no_longer_be_read_is_gone(history: History) -> None:
    broken: list[dict[str | bytes, Content]] = [
        {node_path(name): b"kind: [" for name in NODES},
        {node_path(name): b"kind: Zone\nmetadata: {name: " + name.encode() + b"}\n" for name in NODES},
        {node_path(name): b"# nothing\n" + b"#" * (1 << 20) for name in NODES},
        gone(*NODES) | {f"site/nodes/old/{name}.yaml": node(name) for name in NODES},
    ]
    for files in broken:
        assert "takes away 12 " in history.said(history.commit(files))


def test_an_invalid_document_is_still_there_and_is_counted_when_it_goes(history: History) -> None:
    files: dict[str | bytes, Content] = {node_path(name): node(name) + b"more: 1\n" for name in NODES}
    invalid = history.commit(files)
    assert history.reasons(invalid) == []
    head = history.commit(gone(*NODES), parent=invalid)
    assert history.reasons(head, last=invalid) == ["ConfirmationMissing"]


def test_the_limit_is_the_parents(history: History) -> None:
    wide = history.commit({"ringfence.yaml": rules("  limits: {deletions: 500}\n")}, message=TRUST)
    assert history.reasons(history.commit(gone(*NODES), parent=wide), last=wide) == []
    both = gone(*NODES) | {"ringfence.yaml": rules("  limits: {deletions: 500}\n")}
    assert history.reasons(history.commit(both, message=TRUST)) == ["ConfirmationMissing"]


def test_a_merge_may_say_it_in_what_it_brings_in(history: History) -> None:
    side = history.commit(gone(*NODES[:11]), message=b"away\n\nRingfence-Confirm: deletions 11\n")
    silent = history.commit(gone(*NODES[:11]))
    main = history.commit({BLUE: enclave("blue", "{names: [n1, n2, n3, n4, n5]}")})
    for brought, expected in ((side, []), (silent, ["ConfirmationMissing"])):
        files = gone(*NODES[:11])
        merge = history.repo.commit(files, signer="alice", parents=[main, brought], message=b"merge\n")
        assert history.reasons(merge) == expected
    own = b"merge\n\nRingfence-Confirm: deletions 11\n"
    merge = history.repo.commit(gone(*NODES[:11]), signer="alice", parents=[main, silent], message=own)
    assert history.reasons(merge) == []


def test_what_an_ancestor_said_counts_for_nobody_else(history: History) -> None:
    said = history.commit(gone("n1"), message=b"away\n\nRingfence-Confirm: deletions 11\nRingfence-Confirm: trust\n")
    head = history.commit(gone(*NODES[1:]), parent=said)
    assert history.reasons(head, last=said) == ["ConfirmationMissing"]
    trust = history.commit({"trust/more": b"1"}, parent=said)
    assert history.reasons(trust, last=said) == ["ConfirmationMissing"]


def test_several_confirmations_stand_side_by_side(history: History) -> None:
    message = b"both\n\nRingfence-Confirm: trust\nRingfence-Confirm: deletions 12\n"
    files = gone(*NODES) | {"trust/more": b"1"}
    head = history.commit(files, message=message)
    assert history.reasons(head) == []
    assert {"trust", "deletions 12"} <= read_confirmations(Git(history.repo.path), commit=head, parents=(history.base,))
    assert sorted(history.reasons(history.commit(files))) == ["ConfirmationMissing", "ConfirmationMissing"]


def test_odd_paths_are_somebody_elses_to_refuse(history: History) -> None:
    files: dict[str | bytes, Content] = {b"site/nodes/a\nb.yaml": b"1", b"site/nodes/\xff.yaml": b"1"}
    assert set(history.reasons(history.commit(files))) == {"PathRefused"}
    link: dict[str | bytes, Content] = {node_path(name): ("120000", b"x") for name in NODES}
    assert {"PathRefused"} == set(history.reasons(history.commit(link)))


def test_what_is_refused_anyway_is_not_asked_to_confirm(history: History) -> None:
    assert set(history.reasons(history.commit({"ringfence.yaml": b"x"}))) == {"TrustRootBroken"}


def test_what_is_on_record_as_trusted_is_not_asked_to_confirm(history: History) -> None:
    silent = history.commit({"trust/more": b"1"})
    git = Git(history.repo.path)
    assert history.reasons(silent) == ["ConfirmationMissing"]
    judgement = judge(git, head=FetchedCommit(commit=silent), last_trusted=None, recorded=silent)
    assert judgement.refusals == ()
