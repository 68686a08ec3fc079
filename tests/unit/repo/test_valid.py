"""What is known to be valid is told without reading it again; everything else is read."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from benchmarks.states import add_commit, make_repository
from reconciler.errors.taxonomy import InputError
from reconciler.repo.cache import Counts, DocumentCache
from reconciler.repo.git import Git
from reconciler.repo.loading import unbothered
from reconciler.repo.valid import check_commit, check_folder
from tests.support.documents import FILES, node

COUNTS = Counts(nodes=2, enclaves=1)
N3 = "site/nodes/n3.yaml"


def lay_out(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("has_cache", [False, True])
def test_a_folder_is_counted_the_same_at_every_time(tmp_path: Path, *, has_cache: bool) -> None:
    cache = DocumentCache(tmp_path / "cache", program="p") if has_cache else None
    folder = lay_out(tmp_path / "state")
    assert [check_folder(folder, cache=cache, doubts=[]) for _ in range(2)] == [COUNTS, COUNTS]
    (folder / N3).write_bytes(node("n3", 3))
    assert check_folder(folder, cache=cache, doubts=[]) == Counts(nodes=3, enclaves=1)
    (folder / N3).write_bytes(node("n3", 1))
    with pytest.raises(InputError, match="is taken by node n1"):
        check_folder(folder, cache=cache, doubts=[])
    (folder / N3).unlink()
    (folder / "site/nodes/stray.yml").write_bytes(b"")
    with pytest.raises(InputError, match="is read by nothing"):
        check_folder(folder, cache=cache, doubts=[])
    if cache:
        cache.close()


@pytest.mark.parametrize("has_cache", [False, True])
def test_a_commit_is_counted_the_same_at_every_time(tmp_path: Path, *, has_cache: bool) -> None:
    cache = DocumentCache(tmp_path / "cache", program="p") if has_cache else None
    first = make_repository(tmp_path / "state.git", FILES.items())
    git = Git(tmp_path / "state.git")
    assert [check_commit(git, name, cache=cache) for name in ("main", first, "HEAD")] == [COUNTS] * 3
    bad = add_commit(tmp_path / "state.git", {N3: node("n3", 1)}, parent=first)
    with pytest.raises(InputError, match="is taken by node n1"):
        check_commit(git, bad, cache=cache)
    assert check_commit(git, "main~1", cache=cache) == COUNTS
    if cache:
        cache.close()


@pytest.mark.parametrize("name", ["nothing", "--help", "-q", "", "main:ringfence.yaml", "main^{tree}"])
def test_what_is_no_commit_is_refused(tmp_path: Path, name: str) -> None:
    make_repository(tmp_path / "state.git", FILES.items())
    with pytest.raises(InputError, match="is no commit"):
        check_commit(Git(tmp_path / "state.git"), name, cache=None)


def test_the_garbage_collector_is_left_as_it_was() -> None:
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), unbothered():
        assert 1 / gc.isenabled()
    assert gc.isenabled()
    gc.unfreeze()


def test_two_documents_of_the_repository_are_refused(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "state")
    content = FILES["ringfence.yaml"]
    (folder / "ringfence.yaml").write_bytes(content + b"---\n" + content.replace(b"name: ", b"name: x"))
    with pytest.raises(InputError, match="there is a Repository test already"):
        check_folder(folder, cache=None, doubts=[])
