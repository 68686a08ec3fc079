"""Attacks by objects: commits that two readers could read in two ways, names that mean something else, holes."""

from __future__ import annotations

from pathlib import Path

from tests.support.attack import Attack, Build, by
from tests.support.attackrepo import NODE, REPOSITORY, SIGNERS, TENANT, AttackRepo, rules_yaml, tenant
from tests.support.gitrepo import Content


def good(repo: AttackRepo, signer: str | None = "bob") -> str:
    """Return a commit that would pass, not on any branch."""
    return repo.commit({TENANT: tenant(5)}, signer=signer, parents=[repo.base])


def rewritten(old: bytes, new: bytes, *, signer: str | None = "bob") -> Build:
    """Return a build that replaces bytes in a commit after it was signed, or before if nobody signs."""

    def build(repo: AttackRepo) -> str:
        content = repo.read(good(repo, signer))
        assert old in content
        return repo.write("commit", content.replace(old, new, 1))

    return build


def replaced(repo: AttackRepo) -> str:
    bad = good(repo, None)
    repo.git("replace", bad, good(repo))
    return bad


def grafted(repo: AttackRepo) -> str:
    """Make a fork look as if it led on from the trusted commit."""
    head = repo.commit({TENANT: tenant(5)}, signer="alice", parents=[repo.git("rev-parse", f"{repo.base}^")])
    (repo.path / ".git" / "info").mkdir(exist_ok=True)
    (repo.path / ".git" / "info" / "grafts").write_text(f"{head} {repo.base}\n")
    return head


def cut_off(repo: AttackRepo) -> str:
    """Hide what lies below a fork by a shallow file, so that it looks like a root that pins itself."""
    head = repo.commit({TENANT: tenant(5)}, signer="alice", parents=[repo.git("rev-parse", f"{repo.base}^")])
    (repo.path / ".git" / "shallow").write_text(f"{head}\n")
    return head


def transplanted(repo: AttackRepo) -> str:
    """Put bob's signature of one commit on another."""
    signed, bare = repo.read(good(repo)), repo.read(repo.commit({NODE: b"evil"}, signer=None, parents=[repo.base]))
    start = signed.index(b"gpgsig ")
    signature = signed[start : signed.index(b"\n\n", start)]
    return repo.write("commit", bare.replace(b"\n\n", b"\n" + signature + b"\n\n", 1))


def twice_signed(repo: AttackRepo, *, name: bytes = b"gpgsig ") -> str:
    content = repo.read(good(repo))
    start = content.index(b"gpgsig ")
    signature = content[start : content.index(b"\n\n", start)].replace(b"gpgsig ", name, 1)
    return repo.write("commit", content.replace(b"\n\n", b"\n" + signature + b"\n\n", 1))


def two_in_one(repo: AttackRepo) -> str:
    content = repo.read(good(repo))
    start = content.index(b"gpgsig ") + len(b"gpgsig ")
    signature = content[start : content.index(b"\n\n", start)]
    return repo.write("commit", content.replace(signature, signature + b"\n " + signature, 1))


def tagged_merge(repo: AttackRepo) -> str:
    """Merge, without a signature, a tag that alice has signed: git copies the tag into the merge."""
    side = repo.commit({TENANT: tenant(5)}, signer="bob", parents=[repo.base])
    tag = repo.git("cat-file", "tag", repo.tag("v1", side, signer="alice"))
    bare = repo.read(repo.commit({TENANT: tenant(5), NODE: b"evil"}, signer=None, parents=[repo.base, side]))
    header = b"\nmergetag " + tag.replace("\n", "\n ").encode() + b"\n\n"
    return repo.write("commit", bare.replace(b"\n\n", header, 1))


def enormous(repo: AttackRepo) -> str:
    content = repo.read(good(repo)) + b"x" * (8 << 20)
    return repo.write("commit", content)


def without_parent(repo: AttackRepo) -> str:
    content = repo.read(good(repo, None)).replace(repo.base.encode(), b"1" * 40)
    return repo.write("commit", content)


def without_tree(repo: AttackRepo) -> str:
    """Let alice sign a tree that nobody has."""
    raw = repo.read(good(repo, None))
    tree = raw[5:45]
    head = repo.commit_tree(tree.decode(), signer="alice", parents=[repo.base])
    (repo.path / ".git" / "objects" / tree[:2].decode() / tree[2:].decode()).unlink()
    return head


def without_content(repo: AttackRepo) -> str:
    head = repo.commit({"site/nodes/n3.yaml": b"only here"}, signer="alice", parents=[repo.base])
    blob = repo.git("rev-parse", f"{head}:site/nodes/n3.yaml")
    (repo.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    return head


def named(name: bytes, *, mode: str = "40000") -> Build:
    """Return a build of a top-level entry with a name that git itself would refuse, signed by alice."""

    def build(repo: AttackRepo) -> str:
        inner = repo.write("tree", b"100644 x\0" + bytes.fromhex(repo.blob(b"1")))
        tree = repo.tree_with(repo.base, {name: (mode, inner if mode == "40000" else repo.blob(b"1"))})
        return repo.commit_tree(tree, signer="alice", parents=[repo.base])

    return build


def liar(repo: AttackRepo) -> str:
    """Configure, in the repository itself, programs that call everything good."""
    path = Path(repo.path) / ".git" / "liar"
    path.write_text('#!/bin/sh\necho "Good \\"git\\" signature for alice with ED25519 key SHA256:x"\n')
    path.chmod(0o755)
    for name in ("gpg.ssh.program", "gpg.program", "gpg.x509.program", "core.fsmonitor"):
        repo.git("config", name, str(path))
    return repo.commit({TENANT: tenant(5)}, signer=None, parents=[repo.base])


def path(name: str, at: str | bytes, message: str, content: Content = b"1") -> Attack:
    return Attack(name, by("alice", {at: content}), "PathRefused", message)


COMMITS = (
    Attack("a replacement object", replaced, "UnsignedCommit"),
    Attack("a graft", grafted, "HistoryForked"),
    Attack("a shallow file", cut_off, "HistoryForked", is_blinding=True),
    Attack("a verifier that lies", liar, "UnsignedCommit"),
    Attack("a signature of another commit", transplanted, "UnknownSigner"),
    Attack("a commit altered after it was signed", rewritten(b"test@", b"evil@"), "UnknownSigner"),
    Attack("two signatures", twice_signed, "CommitMalformed", "more than one signature"),
    Attack("two signatures in one", two_in_one, "CommitMalformed", "several in one"),
    Attack(
        "a signature for another object format",
        lambda repo: twice_signed(repo, name=b"gpgsig-sha256 "),
        "CommitMalformed",
        "more than one signature",
    ),
    Attack(
        "a signature of another kind", rewritten(b"BEGIN SSH SIGNATURE", b"BEGIN SIGNED MESSAGE"), "CommitMalformed"
    ),
    Attack("the signed tag that was merged", tagged_merge, "UnsignedCommit"),
    Attack(
        "a second committer", rewritten(b"\n\n", b"\ncommitter X <x@x> 1 +0000\n\n", signer=None), "CommitMalformed"
    ),
    Attack(
        "a date that is none", rewritten(b" +0000\n\n", b" +00:00\n\n", signer=None), "CommitMalformed", "no name or"
    ),
    Attack("a date before all time", rewritten(b"<test@localhost> ", b"<test@localhost> -"), "CommitMalformed"),
    Attack(
        "a NUL in the message", rewritten(b"\n\ntest", b"\n\nte\0st", signer=None), "CommitMalformed", "as git writes"
    ),
    Attack("a message of eight million letters", enormous, "CommitMalformed", "larger than"),
    Attack("a parent that is missing", without_parent, "ObjectMissing", is_blinding=True),
    Attack("a tree that is missing", without_tree, "ObjectMissing"),
    Attack("a content that is missing", without_content, "ObjectMissing", "site/nodes/n3.yaml"),
)

PATHS = (
    path("a symbolic link", NODE, "symbolic link", ("120000", b"/etc/passwd")),
    path("a symbolic link to a folder", "docs", "symbolic link", ("120000", b"..")),
    path("rules behind a symbolic link", REPOSITORY, "symbolic link", ("120000", b"docs/notes.md")),
    path("a submodule", "site/more", "submodule", ("160000", b"1" * 40)),
    path("a name that is not UTF-8", b"site/nodes/\xff.yaml", "not UTF-8"),
    path("another case", "Site/nodes/n1.yaml", "is site in another spelling"),
    path("another case below", "site/Nodes/n1.yaml", "is site/nodes in another case"),
    path("another case of the signers", "trust/Allowed_Signers", "is trust/allowed_signers in another case"),
    path("another case of the GPG keys", "trust/GPG/mallory.asc", "is trust/gpg in another case"),
    path("letters that look the same", "\u017fite/nodes/n1.yaml", "is site in another spelling"),
    path("wide letters", "\uff52ingfence.yaml", "is ringfence.yaml in another spelling"),
    path("a control character", "site/nodes/n\x011.yaml", "not shown"),
    path("letters from right to left", "docs/\u202elmay", "not shown"),
    path("a letter of no width", "site/nodes/n1\u200b.yaml", "not shown"),
    path("a backslash", "docs\\n1.yaml", "not shown"),
    path("letters that are not used", "site/nodes/ñ.yaml", "not used here"),
    Attack("a segment that leads up", named(b".."), "PathRefused", "leads elsewhere"),
    Attack("a segment that leads nowhere", named(b"."), "PathRefused", "leads elsewhere"),
    Attack("a repository in the repository", named(b".git"), "PathRefused", "leads elsewhere"),
    Attack("a repository in capitals", named(b".GIT"), "PathRefused", "leads elsewhere"),
    Attack("a segment without a name", named(b""), "ObjectMissing", "or one is broken"),
)


def roots(name: str, files: dict[str | bytes, Content], message: str) -> Attack:
    return Attack(name, by("alice", files), "TrustRootBroken", message)


def signers(name: str, line: bytes, message: str) -> Attack:
    def build(repo: AttackRepo) -> str:
        return repo.commit({SIGNERS: repo.signers(line)}, signer="alice", parents=[repo.base])

    return Attack(name, build, "TrustRootBroken", message)


def windowed(name: str, options: str, message: str) -> Attack:
    def build(repo: AttackRepo) -> str:
        line = repo.line("mallory", options=options)
        return repo.commit({SIGNERS: repo.signers(line)}, signer="alice", parents=[repo.base])

    return Attack(name, build, "TrustRootBroken", message)


def gpg(name: str, content: str, at: str = "trust/gpg/new.asc", message: str = "public key") -> Attack:
    def build(repo: AttackRepo) -> str:
        keys = repo.gpg
        contents = {
            "two": keys.armour["sten"] + keys.armour["sub"],
            "two in one": keys.both("sten", "sub"),
            "private": keys.private("sten"),
            "known": keys.armour["gina"],
            "garbage": b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
            "large": keys.armour["sten"] + b"#" * (64 << 10),
            "good": keys.armour["sten"],
        }
        return repo.commit({at: contents[content]}, signer="alice", parents=[repo.base])

    return Attack(name, build, "TrustRootBroken", message)


PINNED = ("trust/gpg/gina.asc", "trust/gpg/erin.asc", "trust/gpg/rita.asc")
_KEY = b"AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

ROOTS = (
    roots("rules that are not YAML", {REPOSITORY: b"a: ["}, "ringfence.yaml:1:"),
    roots("rules deleted", {REPOSITORY: None}, "is missing"),
    roots("empty rules", {REPOSITORY: b""}, "does not hold the rules"),
    roots("two sets of rules", {REPOSITORY: rules_yaml() + b"---\n" + rules_yaml()}, "does not hold the rules"),
    roots("rules behind a tag", {REPOSITORY: rules_yaml().replace(b"name: test", b"name: !!str test")}, "tag"),
    roots("rules twice", {REPOSITORY: rules_yaml() + b"spec: {}\n"}, "second time"),
    roots("rules of a megabyte", {REPOSITORY: rules_yaml() + b"#" * (1 << 20)}, "the limit is"),
    roots("signers deleted", {SIGNERS: None}, "is missing"),
    roots("rules for somebody unknown", {REPOSITORY: rules_yaml(owner="nobody")}, "changed by nobody any more"),
    Attack(
        "signers emptied",
        by("alice", {SIGNERS: b"# none\n", **dict.fromkeys(PINNED)}),
        "TrustRootBroken",
        "names nobody",
    ),
    signers("a certificate authority", b"eve cert-authority ssh-ed25519 " + _KEY, "not one principal"),
    signers("a wildcard", b"* ssh-ed25519 " + _KEY, "not one principal"),
    signers("a pattern", b"*@example.org ssh-ed25519 " + _KEY, "not one principal"),
    signers("several principals", b"eve,alice ssh-ed25519 " + _KEY, "not one principal"),
    signers("a key that is not what it says", b"eve ssh-rsa " + _KEY, "not what it says"),
    signers("a key type that is not known", b"eve ssh-dss " + _KEY, "not allowed here"),
    signers("a signer in other letters", "evé ssh-ed25519 ".encode() + _KEY, "outside ASCII"),
    windowed("a date that does not exist", 'valid-before="20270231Z" ', "does not exist"),
    windowed("a window that never opens", 'valid-after="20300101Z",valid-before="20200101Z" ', "lies after"),
    windowed("an option twice", 'valid-before="20200101Z",valid-before="20990101Z" ', "option that is not allowed"),
    windowed("another option", 'verify-required="x" ', "option that is not allowed"),
    Attack(
        "a key of two signers",
        lambda repo: by("alice", {SIGNERS: repo.signers(b"eve " + repo.line("bob").split(b" ", 1)[1])})(repo),
        "TrustRootBroken",
        "is the key of bob",
    ),
    gpg("two GPG keys in a file", "two"),
    gpg("two GPG keys in one armour", "two in one"),
    gpg("a private GPG key", "private"),
    gpg("a GPG key of somebody else", "known", message="is the key of gina"),
    gpg("a GPG key that is none", "garbage"),
    gpg("a GPG key that is too large", "large", message="the limit is"),
    gpg(
        "a GPG key of no signer",
        "good",
        at=f"trust/gpg/{'x' * 129}.asc",
        message="not named after a signer",
    ),
)

ATTACKS = (*COMMITS, *PATHS, *ROOTS)
