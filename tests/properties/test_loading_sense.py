"""What is checked over a whole repository is found by difference as well: labels, firmware, selections and quotas.

The repository stands on edges: most edits alone, or two of them, make an enclave that nobody could serve, or mend it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.states import add_commit, make_repository
from reconciler.errors.taxonomy import Finding, InputError
from reconciler.model.desired import DesiredState
from reconciler.repo.desired import load_desired
from reconciler.repo.git import Git
from reconciler.repo.loading import StateLoader
from reconciler.repo.snapshot import read_commit
from tests.support.documents import FILES, node

A, B = ("0123456789abcdef" * 4, "fedcba9876543210" * 4)
ROOT, POLICY, TENANT = "ringfence.yaml", "policies/measured-boot.yaml", "tenants/blue/tenant.yaml"
BLUE, GREEN = (f"tenants/blue/enclaves/{name}.yaml" for name in ("blue", "green"))
EAST, WEST = FILES["site/zones/east.yaml"], FILES["site/zones/east.yaml"].replace(b"east", b"west")
Edit = tuple[str, bytes | None]


def machine(number: int, *, labels: str = "", profile: str = "ovmf", zone: str = "east") -> tuple[str, bytes]:
    name = f"n{number}"
    text = node(name, number).decode().replace(f"name: {name}}}", f"name: {name}, labels: {{{labels}}}}}")
    text = text.replace("profile: ovmf", f"profile: {profile}").replace("zone: east", f"zone: {zone}")
    if zone == "west":
        text = text.replace("switch: tor", "switch: far")
    return f"site/nodes/{name}.yaml", text.encode()


def enclave(path: str, nodes: str, more: str = "") -> tuple[str, bytes]:
    name = Path(path).stem
    text = FILES[BLUE].decode().replace("name: blue}", f"name: {name}}}").replace("{names: [n1]}", f"{{{nodes}}}")
    return path, (text + more).encode()


def policy(more: str) -> tuple[str, bytes]:
    return POLICY, FILES[POLICY] + more.encode()


def windows(day: str) -> str:
    return f'  maintenance: [{{days: [{day}], start: "22:00", duration: 2h}}]\n'


OVMF, DELL = (f'  firmware: [{{profile: {profile}, pcrs: {{"0": ["{A}"]}}}}]\n' for profile in ("ovmf", "dell"))
BASE = {
    **FILES,
    "site/zones/west.yaml": WEST,
    "site/switches/far.yaml": FILES["site/switches/tor.yaml"].replace(b"tor", b"far").replace(b"east", b"west"),
    "site/networks/far-net.yaml": FILES["site/networks/blue-net.yaml"]
    .replace(b"blue", b"far")
    .replace(b"east", b"west"),
    **dict([machine(1, labels="rack: r1"), machine(2, labels="rack: r2, row: a"), machine(3, profile="dell")]),
    **dict([policy(OVMF), enclave(BLUE, "count: 1, select: {rack: r1}", windows("mon"))]),
}
EDITS: list[Edit] = [
    *((path, BASE[path]) for path in (ROOT, POLICY, TENANT, BLUE, *(f"site/nodes/n{i}.yaml" for i in (1, 2, 3)))),
    machine(1, labels="rack: r2"),
    machine(1, labels="row: a"),
    machine(1),
    machine(1, labels="rack: r1", profile="dell"),
    machine(1, labels="rack: r1", zone="west"),
    machine(2, labels="rack: r1, row: a"),
    machine(2, labels="rack: r2, row: a", profile="dell"),
    machine(2, labels="rack: r2", zone="west"),
    machine(3, labels="rack: r1"),
    machine(3, labels="rack: r1", profile="dell"),
    *((f"site/nodes/n{number}.yaml", None) for number in (1, 2, 3)),
    *(
        enclave(path, nodes)
        for path in (BLUE, GREEN)
        for nodes in (
            "count: 1, select: {rack: r2}",
            "count: 1, select: {rack: r2, row: a}",
            "count: 1, select: {rack: r1, row: a}",
            "count: 0, select: {rack: r9}",
            "count: 4",
            "names: [n2]",
            "names: [n3]",
        )
    ),
    (BLUE, enclave(BLUE, "count: 1")[1]),
    (BLUE, enclave(BLUE, "count: 1")[1].replace(b"blue-net", b"far-net")),
    (GREEN, None),
    enclave(BLUE, "count: 1, select: {rack: r1}", windows("tue")),
    enclave(BLUE, "count: 1, select: {rack: r1}", "  reattest: 1s\n"),
    (ROOT, FILES[ROOT] + windows("mon").encode()),
    (ROOT, FILES[ROOT] + windows("tue").encode()),
    (ROOT, FILES[ROOT] + b"  bootDeadline: 1s\n"),
    (TENANT, FILES[TENANT].replace(b"maxNodes: 4", b"maxNodes: 1")),
    (TENANT, FILES[TENANT].replace(b"maxNodes: 4", b"maxNodes: 9")),
    policy(""),
    policy(DELL),
    policy(OVMF.replace("firmware: [{profile: ovmf", "nodes: [{node: n1")),
    policy(f"{OVMF}  facts: [{{fact: cmdline, equals: a}}]\n"),
]


@contextmanager
def repository() -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.git"
        yield path, make_repository(path, BASE.items())


def by_difference(loader: StateLoader, commit: str) -> DesiredState | tuple[Finding, ...]:
    try:
        return loader.load(commit).desired
    except InputError as error:
        return error.findings


def whole(git: Git, commit: str) -> DesiredState | tuple[Finding, ...]:
    try:
        return load_desired(read_commit(git, commit))
    except InputError as error:
        return error.findings


def test_each_change_alone_is_judged_like_the_whole() -> None:
    with repository() as (path, root):
        git = Git(path)
        loader = StateLoader(git)
        codes = set()
        for edit in EDITS:
            loader.load(root)
            commit = add_commit(path, dict([edit]), parent=root)
            found = by_difference(loader, commit)
            assert found == whole(git, commit), edit
            codes |= set() if isinstance(found, DesiredState) else {finding.code for finding in found}
        # Not met by one edit: NeverOpen, which takes windows in two files.
        assert codes >= {"SelectsNothing", "PolicyRefuses", "QuotaExceeded", "OutOfRange"}


@given(st.lists(st.lists(st.sampled_from(EDITS), min_size=1, max_size=3), min_size=1, max_size=6))
def test_histories_of_labels_and_selections_are_judged_like_the_whole(history: list[list[Edit]]) -> None:
    with repository() as (path, root):
        git, head = Git(path), root
        loader = StateLoader(git)
        loader.load(head)
        for edits in history:
            commit = add_commit(path, dict(edits), parent=head)
            found = by_difference(loader, commit)
            assert found == whole(git, commit)
            if isinstance(found, DesiredState):
                head = commit
