"""Closing a year of the evidence branch and opening the next one: two commits, one after the other.

Rules: the history goes on, so that every push only adds; the objects of the closed year stay; what the heads of members
lean on (their enrolment, the segments of their IMA log) goes over, all else that recurs is written again when it does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from pydantic import ValidationError

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.blobs import bare
from reconciler.evidence.yearly import Opening, check_opening, opening_bytes, parse_opening
from reconciler.model.record import Head
from reconciler.repo.git import Git, branch_ref, check_id
from reconciler.repo.objects import NewObjects, write_tree
from reconciler.repo.places import (
    CLOSING,
    JOURNAL_HEAD,
    LATEST_CHECKPOINT,
    OBSERVATION_PATH,
    OPENING,
    TRUSTED_PATH,
    WRITER_PATH,
    blob_path,
)
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.tree_cache import TreeCache

_AUTHOR = "ringfence <ringfence@localhost>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Two commits that close a year and open ``year``, and their objects."""

    closing: str
    opening: str
    year: int
    new: NewObjects


def year_ref(branch: str, *, year: int) -> str:
    """Return the branch that ends where ``year`` of ``branch`` was closed."""
    return branch_ref(f"{branch}-{year}")


def read_opening(git: Git, tip: str | None, *, trees: TreeCache) -> Opening | None:
    """Return what the year at the evidence commit ``tip`` began with, None in the first one."""
    content = trees.contents(git, tip, (OPENING,)).get(OPENING)
    return None if content is None else parse_opening(content)


def year_of(git: Git, tip: str) -> int:
    """Return the year (UTC) in which the commit ``tip`` was written."""
    seconds = git.run("show", "-s", "--format=%ct", check_id(tip)).decode().strip()
    return datetime.fromtimestamp(int(seconds), tz=UTC).year


def build_rotation(  # noqa: PLR0913 - what a writer knows of its branch
    git: Git, tip: str, *, trees: TreeCache, key: EvidenceKey, years: tuple[int, int], heads: Mapping[str, Head]
) -> Rotation | None:
    """Return the commits that close the first of ``years`` at ``tip`` and open the second.

    None: nothing was recorded in the first.
    """
    closes, year = years
    head = trees.contents(git, tip, (LATEST_CHECKPOINT,)).get(LATEST_CHECKPOINT)
    if head is None:
        return None
    new = NewObjects()
    folders = trees.load(git, tip, (CLOSING,))
    closed, _ = write_tree(new, trees=folders, files={CLOSING: head})
    closing = new.add("commit", key.sign_commit(_commit(closed, parent=tip, message="evidence: close the year")))
    paths = (TRUSTED_PATH, OBSERVATION_PATH, WRITER_PATH, JOURNAL_HEAD, *_leant_on(git, tip, trees=trees, heads=heads))
    folders = trees.load(git, tip, paths)
    kept = {}
    for path in ("nodes", *paths):
        folder, _, name = path.rpartition("/")
        entry = folders.get(folder, {}).get(name.encode())
        if entry is not None:
            kept[path] = entry
    opening = Opening(year=year, closes=closes, closing=closing, checkpoint=head.decode())
    opened, _ = write_tree(new, trees={}, files={OPENING: opening_bytes(opening)}, kept=kept)
    message = f"evidence: open {year}"
    commit = new.add("commit", key.sign_commit(_commit(opened, parent=closing, message=message)))
    return Rotation(closing=closing, opening=commit, year=year, new=new)


def find_openings(git: Git, tip: str, *, past: str | None = None) -> frozenset[str]:
    """Return the commits up to ``tip``, down to ``past``, that open a year by right.

    What they take off the tree was not deleted: it stands where the year before was closed.
    """
    stop = (f"^{check_id(past)}",) if past else ()
    found = git.run("log", "--first-parent", "--format=%H", check_id(tip), *stop, "--", OPENING).decode().split()
    return frozenset(commit for commit in found if _is_opening(git, commit))


def _is_opening(git: Git, commit: str) -> bool:
    parents = git.run("rev-parse", f"{check_id(commit)}^@").decode().split()
    if len(parents) != 1:
        return False
    closed, opened = _ids(git, parents[0]), _ids(git, commit)
    try:
        check_opening(
            parents[0],
            closed=closed,
            opened=opened,
            read_closed=partial(_read, git, closed),
            read_opened=partial(_read, git, opened),
        )
    except TrustError:
        return False
    return True


def _ids(git: Git, commit: str) -> dict[str, str]:
    """Return object ids by path; a file that is not a plain one has none, so that it equals nothing."""
    return {
        entry.path.decode("utf-8", "backslashreplace"): entry.object_id if entry.mode == "100644" else ""
        for entry in git.files(commit)
    }


def _read(git: Git, ids: Mapping[str, str], path: str) -> bytes | None:
    object_id = ids.get(path)
    return git.objects([object_id]).get(object_id) if object_id else None


def _leant_on(git: Git, tip: str, *, trees: TreeCache, heads: Mapping[str, Head]) -> Iterator[str]:
    """Yield the paths of the blobs that the next records of nodes will go on from, each after the one that names it."""
    waiting = {blob_path(bare(head.enrolment)) for head in heads.values() if head.enrolment}
    waiting |= {blob_path(bare(head.ima.link)) for head in heads.values() if head.ima}
    known: set[str] = set()
    while waiting:
        contents = trees.contents(git, tip, sorted(waiting))
        known |= waiting
        waiting = set()
        for path, content in contents.items():
            yield path
            named, data = _named(content)
            yield from (blob_path(name) for name in data)
            waiting |= {blob_path(name) for name in named} - known


def _named(content: bytes) -> tuple[list[str], list[str]]:
    """Return the blobs that an enrolment or a link of an IMA log names: links, and plain data."""
    try:
        document = json.loads(content)
        data = [document[name] for name in ("ek_certificate", "segment") if name in document]
        links = [document["previous"]] if document.get("previous") else []
        return [bare(name) for name in links], [bare(name) for name in data]
    except (ValueError, KeyError, TypeError, AttributeError, TrustError, ValidationError):
        return [], []


def _commit(tree: str, *, parent: str, message: str) -> bytes:
    now = int(time.time())
    headers = [f"tree {tree}", f"parent {parent}", f"author {_AUTHOR} {now} +0000", f"committer {_AUTHOR} {now} +0000"]
    return "\n".join([*headers, "", message, ""]).encode()
