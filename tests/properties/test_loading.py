"""However a commit is come by, by difference, from the cache or from nothing, it says the same."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.states import add_commit, make_repository
from reconciler.errors.taxonomy import Finding, InputError
from reconciler.model.desired import DesiredState
from reconciler.repo.cache import DocumentCache
from reconciler.repo.desired import load_desired
from reconciler.repo.git import Git
from reconciler.repo.loading import StateLoader
from reconciler.repo.snapshot import read_commit
from tests.support.documents import FILES, node

N1, N2, N3, N4 = (f"site/nodes/n{number}.yaml" for number in (1, 2, 3, 4))
ENCLAVE = "tenants/blue/enclaves/blue.yaml"
BASE = {**FILES, N3: node("n3", 3), "site/zones/west.yaml": FILES["site/zones/east.yaml"].replace(b"east", b"west")}


def replaced(path: str, old: str, new: str) -> tuple[str, bytes]:
    assert old in BASE[path].decode(), (path, old)
    return path, BASE[path].replace(old.encode(), new.encode())


EDITS: list[tuple[str, bytes | None]] = [
    *((path, content) for path, content in BASE.items()),
    *((path, None) for path in BASE if path != "ringfence.yaml"),
    (N4, node("n4", 4)),
    (N4, node("n4", 1)),
    (N4, node("n3", 5)),
    (N4, None),
    (N3, node("n3", 1)),
    (N3, node("n3", 2)),
    (N3, node("n3", 7)),
    (N3, node("n3", 3) + b"---\n" + node("n4", 4)),
    (N1, node("n2", 2)),
    (N2, node("n1", 1)),
    (N1, b"# note\n" + node("n1", 1)),
    (N1, b"kind: [\n"),
    (N1, b"kind: Zone\n"),
    ("ringfence.yaml", None),
    ("site/nodes/n9.yml", b"a: b\n"),
    ("site/nodes/readme.txt", b"a\n"),
    replaced(N1, "zone: east", "zone: west"),
    replaced(N3, "zone: east", "zone: west"),
    replaced(N1, "zone: east", "zone: north"),
    replaced(N1, "switch: tor", "switch: tor2"),
    replaced(N1, "port: swp1", "port: swp9"),
    replaced(N1, "port: swp1", "port: swp2"),
    replaced(N1, "name: n1", "name: n1, labels: {rack: r1}"),
    replaced(N2, "vlan: 102", "vlan: 101"),
    replaced(N2, "52:54:00:00:03:02", "52:54:00:00:03:01"),
    replaced(ENCLAVE, "[n1]", "[n2]"),
    replaced(ENCLAVE, "[n1]", "[n1, n3]"),
    replaced(ENCLAVE, "[n1]", "[n5]"),
    replaced(ENCLAVE, "names: [n1]", "count: 1"),
    ("tenants/blue/enclaves/green.yaml", BASE[ENCLAVE].replace(b"name: blue", b"name: green")),
    ("tenants/blue/enclaves/green.yaml", BASE[ENCLAVE].replace(b"name: blue", b"name: green").replace(b"n1", b"n2")),
    ("site/zones/west.yaml", BASE["site/zones/west.yaml"] + b"# note\n"),
    replaced("site/zones/east.yaml", "parkingVlan: ", "parkingVlan: 1"),
    replaced("site/zones/east.yaml", "first: 1", "first: 2"),
]


@contextmanager
def repository() -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.git"
        yield path, make_repository(path, BASE.items())


def outcome(load: StateLoader | None, git: Git, commit: str) -> DesiredState | tuple[Finding, ...]:
    try:
        return load.load(commit).desired if load else load_desired(read_commit(git, commit))
    except InputError as error:
        return error.findings


def touched(edits: Mapping[str, bytes | None]) -> set[str]:
    """Return the names of all documents that stand in edited files, or stood there."""
    contents = b"".join(content or b"" for path, content in EDITS if path in edits)
    return {Path(path).stem for path in edits} | {name.decode() for name in re.findall(rb"name: (\w+)", contents)}


def assert_shared(old: DesiredState, new: DesiredState, *, edits: Mapping[str, bytes | None]) -> None:
    """Hold that documents of other files are the same objects, and that mappings are in the order of their names."""
    for field in fields(DesiredState):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if isinstance(after, Mapping):
            assert list(after) == sorted(after)
            if field.name not in {"policies", "owners"}:
                assert all(before[name] is after[name] for name in after.keys() - touched(edits))


@given(st.lists(st.lists(st.sampled_from(EDITS), min_size=1, max_size=4), min_size=1, max_size=4), st.booleans())
def test_loading_by_difference_says_what_loading_whole_says(
    history: list[list[tuple[str, bytes | None]]],
    has_cache: bool,  # noqa: FBT001  # Hypothesis draws it
) -> None:
    with repository() as (path, root):
        git, head = Git(path), root
        cache = DocumentCache(path.parent / "cache.sqlite", program="p") if has_cache else None
        loader = StateLoader(git, cache=cache)
        last = loader.load(head).desired
        for edits in history:
            commit = add_commit(path, dict(edits), parent=head)
            found = outcome(loader, git, commit)
            assert found == outcome(None, git, commit)
            assert found == outcome(StateLoader(git, cache=cache), git, commit)
            if isinstance(found, DesiredState):
                assert_shared(last, found, edits=dict(edits))
                # Mistakes are not built upon, so that most commits have something right to be compared with.
                last, head = found, commit
        if cache:
            cache.close()
