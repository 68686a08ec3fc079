"""The cache saves time and never changes an answer, whatever happens to its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.states import add_commit, make_repository
from reconciler.errors.taxonomy import InputError
from reconciler.repo.cache import Counts, DocumentCache, cache_folder, open_cache, program_digest
from reconciler.repo.git import Git
from reconciler.repo.loading import StateLoader
from tests.support.documents import FILES, node

N1 = "site/nodes/n1.yaml"
BLOB, TREE = "a" * 40, "b" * 40


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, bytes]:
    """Return a repository, its head, and the bytes of a cache that knows it."""
    folder = tmp_path_factory.mktemp("state")
    head = make_repository(folder / "state.git", FILES.items())
    cache = DocumentCache(folder / "cache", program="p")
    StateLoader(Git(folder / "state.git"), cache=cache).load(head)
    assert cache.counts(Git(folder / "state.git").tree_of(head)) == Counts(nodes=2, enclaves=1)
    cache.close()
    return folder / "state.git", head, (folder / "cache").read_bytes()


@given(data=st.data())
def test_a_damaged_cache_changes_no_answer(state: tuple[Path, str, bytes], data: st.DataObject) -> None:
    path, head, whole = state
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    del content[data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content)))) :]
    file = path.parent / "damaged"
    file.write_bytes(content)
    cache = DocumentCache(file, program="p")
    git = Git(path)
    assert StateLoader(git, cache=cache).load(head).desired == StateLoader(git).load(head).desired
    assert cache.counts(git.tree_of(head)) in {None, Counts(nodes=2, enclaves=1)}
    cache.close()


def test_a_document_of_another_blob_is_not_believed(tmp_path: Path) -> None:
    cache = DocumentCache(tmp_path / "cache", program="p")
    cache.remember({BLOB: ["{}"]})
    connection = cache._opened()
    connection.execute("UPDATE entries SET key = ?", (b"blob " + b"c" * 40,))
    connection.commit()
    assert cache.documents([BLOB, "c" * 40]) == {}
    cache.close()


def test_what_another_program_remembered_is_not_believed(tmp_path: Path) -> None:
    cache = DocumentCache(tmp_path / "cache", program="p")
    cache.remember({BLOB: ["{}", "[]"]})
    cache.remember_valid(TREE, counts=Counts(nodes=1, enclaves=2))
    assert cache.documents([BLOB]) == {BLOB: ("{}", "[]")}
    cache.close()
    other = DocumentCache(tmp_path / "cache", program="q")
    assert other.documents([BLOB]) == {}
    assert other.counts(TREE) is None
    other.close()


def test_two_repositories_share_one_cache(tmp_path: Path) -> None:
    cache = DocumentCache(tmp_path / "cache", program="p")
    first = make_repository(tmp_path / "first.git", FILES.items())
    second = make_repository(tmp_path / "second.git", {**FILES, "site/nodes/n3.yaml": node("n3", 3)}.items())
    for name, head in (("first.git", first), ("second.git", second)):
        git = Git(tmp_path / name)
        assert StateLoader(git, cache=cache).load(head).desired == StateLoader(git).load(head).desired
    # The same content in another place is another document, or a mistake.
    moved = add_commit(tmp_path / "first.git", {"site/nodes/n7.yaml": FILES[N1], N1: None}, parent=first)
    with pytest.raises(InputError, match="its place says n7"):
        StateLoader(Git(tmp_path / "first.git"), cache=cache).load(moved)
    cache.close()


def test_a_file_with_a_finding_is_not_remembered(tmp_path: Path) -> None:
    cache = DocumentCache(tmp_path / "cache", program="p")
    head = make_repository(tmp_path / "state.git", {**FILES, N1: FILES[N1] + b"extra: 1\n"}.items())
    git = Git(tmp_path / "state.git")
    for _ in range(2):
        with pytest.raises(InputError, match="there is no field extra"):
            StateLoader(git, cache=cache).load(head)
    assert cache.counts(git.tree_of(head)) is None
    cache.close()


def test_a_cache_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    cache = open_cache(folder)
    assert cache
    cache.remember({BLOB: ["{}"]})
    cache.close()
    for file in folder.iterdir():
        file.unlink()
    again = open_cache(folder)
    assert again
    assert again.documents([BLOB]) == {}
    again.close()


def test_a_cache_that_others_may_write_is_not_used(tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache")
    assert cache
    (file,) = (tmp_path / "cache").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o620)
    assert open_cache(tmp_path / "cache") is None
    file.chmod(0o600)
    (tmp_path / "cache").chmod(0o755)
    assert open_cache(tmp_path / "cache") is None


def test_a_cache_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    assert open_cache(tmp_path / "cache") is None


def test_an_older_cache_is_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    older = folder / "documents-0123456789abcdef.sqlite"
    older.write_bytes(b"")
    assert open_cache(folder)
    assert [file.name for file in folder.iterdir()] == [f"documents-{program_digest()[:16]}.sqlite"]


def test_a_cache_stands_where_the_environment_says() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/ringfence")
    assert cache_folder({"XDG_CACHE_HOME": "relative", "HOME": "/h"}) == Path("/h/.cache/ringfence")
    assert cache_folder({}) is None
    assert open_cache(None) is None
