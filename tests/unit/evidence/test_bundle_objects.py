"""Git objects in a bundle: an object is what it is named after, and a file is shown by the trees above it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.bundle.manifest import Parts
from reconciler.evidence.bundle.objects import git_id, read_commits
from tests.support.bundle_commits import WHO, make_commit, operator

FILES = {
    "ringfence.yaml": b"top",
    "trust/allowed_signers": b"signers",
    "trust/ek-roots/a.pem": b"root",
    "site/nodes/n1.yaml": b"node",
    "tenants/acme/tenant.yaml": b"acme",
}


def test_ids_are_those_of_git() -> None:
    assert git_id("blob", b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert git_id("tree", b"") == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_a_commit_shows_its_date_its_signer_and_the_files_that_say_who_and_what(tmp_path: Path) -> None:
    key = operator(tmp_path)
    made = make_commit(FILES, key=key)
    found = read_commits(Parts(made.parts))[made.commit]
    assert (found.tree, found.signer, found.doubt) == (made.tree, key.key_id, "")
    assert found.authored_at.isoformat() == found.committed_at.isoformat() == "2026-03-03T12:00:00+00:00"
    assert found.files == {path: content for path, content in FILES.items() if not path.startswith("tenants/")}


def test_what_stands_under_tenants_is_not_looked_at(tmp_path: Path) -> None:
    made = make_commit(FILES, key=operator(tmp_path))
    parts = Parts(made.parts)
    read_commits(parts)
    assert [made.parts[name] for name in parts.unread() if name.startswith("files/")] == [b"acme"]


def test_files_and_trees_that_are_left_out_are_not_shown(tmp_path: Path) -> None:
    made = make_commit(FILES, key=operator(tmp_path))
    few = {name: data for name, data in made.parts.items() if data not in {b"root", b"node"}}
    assert set(read_commits(Parts(few))[made.commit].files) == {"ringfence.yaml", "trust/allowed_signers"}
    alone = {name: data for name, data in made.parts.items() if name.startswith("commits/")}
    assert read_commits(Parts(alone))[made.commit].files == {}


def test_an_object_under_another_name_is_refused(tmp_path: Path) -> None:
    made = make_commit(FILES, key=operator(tmp_path))
    root, node = f"trees/{made.tree}", f"files/{git_id('blob', b'node')}"
    for name in (f"commits/{made.commit}", root, node):
        with pytest.raises(TrustError, match="named after") as refused:
            read_commits(Parts({**made.parts, name: made.parts[name] + b"x"}))
        assert refused.value.subject == name


@pytest.mark.parametrize(
    ("extra", "doubt"),
    [
        ("", "is not signed"),
        ("gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n", "OpenPGP"),
        ("gpgsig -----BEGIN SSH SIGNATURE-----\n x\n -----END SSH SIGNATURE-----\n", "cannot be read"),
        ("gpgsig a\ngpgsig b\n", "more than one"),
        ("gpgsig a\ngpgsig-sha256 b\n", "more than one"),
    ],
)
def test_a_commit_without_one_good_signature_says_why(extra: str, doubt: str) -> None:
    made = make_commit({"a": b""}, key=None, extra=extra)
    found = read_commits(Parts(made.parts))[made.commit]
    assert found.signer is None
    assert doubt in found.doubt


def test_words_of_a_message_are_no_header() -> None:
    made = make_commit({"a": b""}, key=None, message="gpgsig x\n\nmore\n")
    assert read_commits(Parts(made.parts))[made.commit].doubt == "is not signed"


def test_a_signature_of_another_message_does_not_hold(tmp_path: Path) -> None:
    made = make_commit({"a": b""}, key=operator(tmp_path))
    content = made.parts[f"commits/{made.commit}"].replace(b"test", b"best")
    name = git_id("commit", content)
    with pytest.raises(TrustError) as refused:
        read_commits(Parts({f"commits/{name}": content}))
    assert refused.value.reason == "CommitForged"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"tree x\n",
        f"tree {'0' * 40}\nauthor {WHO}\n\nno committer\n".encode(),
        f"tree {'0' * 40}\nauthor {WHO}\ncommitter A <a> 999999999999 +0000\n\nfar\n".encode(),
        f"tree {'0' * 40}\nauthor {WHO}\ncommitter {WHO}\n\n\0\n".encode(),
    ],
)
def test_what_is_no_commit_is_refused(content: bytes) -> None:
    with pytest.raises(TrustError, match="commit as git writes"):
        read_commits(Parts({f"commits/{git_id('commit', content)}": content}))


@pytest.mark.parametrize(
    "tree",
    [
        b"junk",
        b"100644 a\0short",
        b"777 a\0" + bytes(20),
        b"100644 a/b\0" + bytes(20),
        b"100644 \0" + bytes(20),
        (b"100644 a\0" + bytes(20)) * 2,
    ],
)
def test_what_is_no_tree_is_refused(tree: bytes) -> None:
    name = git_id("tree", tree)
    content = f"tree {name}\nauthor {WHO}\ncommitter {WHO}\n\ntest\n".encode()
    parts = {f"commits/{git_id('commit', content)}": content, f"trees/{name}": tree}
    with pytest.raises(TrustError, match="tree as git writes"):
        read_commits(Parts(parts))


def test_links_and_submodules_are_no_files() -> None:
    target = b"elsewhere"
    link = bytes.fromhex(git_id("blob", target))
    tree = b"120000 ringfence.yaml\0" + link + b"160000 sub\0" + bytes(20)
    content = f"tree {git_id('tree', tree)}\nauthor {WHO}\ncommitter {WHO}\n\ntest\n".encode()
    name = git_id("commit", content)
    parts = {f"commits/{name}": content, f"trees/{git_id('tree', tree)}": tree, f"files/{link.hex()}": target}
    assert read_commits(Parts(parts))[name].files == {}
