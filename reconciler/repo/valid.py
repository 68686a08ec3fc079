"""Is this repository valid, and how much is in it: asked of the cache first, which knows it by content.

Rules: the answer is that of ``repo.desired``, and what is wrong is told by it; only that something is valid is
remembered, under the tree's id or under a digest of every file that is read. Whether a commit may be followed is not
asked here (``repo.trust``). Nothing is imported that an unchanged repository does not need.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from reconciler.errors.taxonomy import Finding, InputError, TransientError, cut
from reconciler.repo.cache import Counts, DocumentCache
from reconciler.repo.git import Git


def check_commit(git: Git, revision: str, *, cache: DocumentCache | None) -> Counts:
    """Return what the commit that ``revision`` names holds; raise InputError with every finding."""
    try:
        names = (f"{revision}^{{commit}}", f"{revision}^{{tree}}")
        commit, tree = git.run("rev-parse", "--end-of-options", *names).decode().split()[-2:]
    except TransientError as error:
        hint = "name a branch, a tag or an id that is in the repository"
        raise InputError(f"revision {cut(revision)}", "is no commit", reason="NoCommit", hint=hint) from error
    known = cache.counts(tree) if cache else None
    if known:
        return known
    from reconciler.repo.loading import StateLoader

    desired = StateLoader(git, cache=cache).load(commit).desired
    return Counts(nodes=len(desired.nodes), enclaves=len(desired.enclaves))


def check_folder(path: Path, *, cache: DocumentCache | None, doubts: list[Finding]) -> Counts:
    """Return what the folder ``path`` holds as it lies there; raise InputError with every finding.

    What is allowed and looks like a mistake is put into ``doubts``; a folder that raises any is not remembered.
    """
    from reconciler.repo.snapshot import read_directory

    snapshot = read_directory(path)
    digest = hashlib.sha256()
    for name, content in snapshot.files.items():
        shown = name.encode("utf-8", "surrogateescape")
        digest.update(b"%d %d\n%b%b" % (len(shown), len(content), shown, content))
    key = digest.hexdigest()
    known = cache.counts(key) if cache and not snapshot.findings else None
    if known:
        return known
    from reconciler.repo.desired import load_desired
    from reconciler.repo.loading import unbothered

    with unbothered():
        desired = load_desired(snapshot, doubts=doubts)
    counts = Counts(nodes=len(desired.nodes), enclaves=len(desired.enclaves))
    if cache and not doubts:
        cache.remember_valid(key, counts=counts)
    return counts
