"""The log, read line by line, and the tree over it: what is wrong with either is noted, and reading goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from reconciler.evidence.audit.archive import Branch
from reconciler.evidence.audit.flaws import Findings
from reconciler.evidence.audit.layout import LINES, Kind, Listing, log_path
from reconciler.evidence.merkle import Frontier

_LINE = re.compile(rb"([0-9a-f]{64}) ([\x21-\x7e]{1,512})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the log: which it is (from 0), the file that it stands in, the leaf's hash and the path it names."""

    number: int
    part: str
    leaf: bytes
    path: str


@dataclass(slots=True, kw_only=True)
class Tree:
    """The tree over the lines that were read: ``roots`` are kept of the sizes that were asked for."""

    frontier: Frontier = field(default_factory=Frontier)
    roots: dict[int, bytes] = field(default_factory=dict)

    def ask(self, size: int) -> None:
        """Ask for the root of the first ``size`` lines, before they are read."""
        self.roots[size] = b""
        if size == self.frontier.size:
            self.roots[size] = self.frontier.root()

    def grow(self, leaf: bytes) -> None:
        """Add a line's leaf hash."""
        self.frontier = self.frontier.append(leaf)
        if self.frontier.size in self.roots:
            self.roots[self.frontier.size] = self.frontier.root()


def read_log(branch: Branch, *, listing: Listing, tree: Tree, found: Findings) -> Iterator[Line]:
    """Yield every line of the log, from where ``tree`` ends, and grow ``tree`` by it."""
    part = tree.frontier.size // LINES
    while listing.take(Kind.LOG, path := log_path(part)):
        content = branch.read(path) or b""
        lines = content.split(b"\n")
        if lines.pop() or not lines or len(lines) > LINES:
            found.add(path, "LogMalformed", f"it is not 1 to {LINES} lines, each with its end")
        if len(lines) < LINES and log_path(part + 1) in listing.left[Kind.LOG]:
            found.add(path, "LogMalformed", f"it has {len(lines)} lines, and another file of the log follows")
        skipped = tree.frontier.size - part * LINES
        for line in lines[skipped:]:
            read = _LINE.fullmatch(line)
            if read is None:
                found.add(path, "LogMalformed", f"line {tree.frontier.size} is no hash and path")
                tree.grow(b"\0" * 32)
                continue
            leaf = bytes.fromhex(read[1].decode())
            yield Line(number=tree.frontier.size, part=path, leaf=leaf, path=read[2].decode())
            tree.grow(leaf)
        part += 1
    for path in sorted(listing.left[Kind.LOG]):
        found.add(path, "LogMalformed", "the log ends before this file of it")


def count_lines(branch: Branch, *, listing: Listing) -> int:
    """Return how many lines the log seems to have, for telling how far one is."""
    parts = len(listing.left[Kind.LOG])
    if parts == 0:
        return 0
    return (parts - 1) * LINES + (branch.read(log_path(parts - 1)) or b"").count(b"\n")
