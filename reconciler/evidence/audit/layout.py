"""The places of the evidence branch, as the audit knows them: strictly, and on its own (docs/adr/0017)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from reconciler.evidence.audit.flaws import Findings

TRUSTED = "trusted.json"
OBSERVATION = "observation.json"
JOURNAL_HEAD = "journal/head.json"
FRONTIER = "log/frontier.json"
LATEST = "checkpoints/latest"
WRITER = "writer.json"
LINES = 256
"""How many lines a file of the log has."""

_PLAIN = "100644"


class Kind(Enum):
    """What a file of the branch is, by the form of its path."""

    STATEMENT = re.compile(r"statements/\d{4}(/\d\d){3}/[a-z0-9-]{1,63}-\d{1,19}\.dsse\.json", re.ASCII)
    ROUND = re.compile(r"rounds/\d{4}(/\d\d){3}/[0-9-]{1,20}\.dsse\.json", re.ASCII)
    RECORDS = re.compile(r"rounds/\d{4}(/\d\d){3}/[0-9-]{1,20}\.records", re.ASCII)
    JOURNAL = re.compile(r"journal/\d{4}/\d\d/\d{1,19}\.dsse\.json", re.ASCII)
    BLOB = re.compile(r"blobs/sha256/[0-9a-f]{2}/[0-9a-f]{62}")
    LOG = re.compile(r"log/\d{3,}/\d{3}", re.ASCII)
    CHECKPOINT = re.compile(r"checkpoints/(0|[1-9]\d{0,18})", re.ASCII)
    HEAD = re.compile(r"nodes/[a-z0-9-]{1,63}/head\.json")
    SUM = re.compile(
        r"trusted\.json|observation\.json|journal/head\.json|log/frontier\.json|checkpoints/latest|"
        r"writer\.json|opening\.json|checkpoints/closing"
    )


LOGGED = frozenset({Kind.STATEMENT, Kind.ROUND, Kind.JOURNAL})
"""What has a line in the log."""


def kind_of(path: str) -> Kind | None:
    """Return what belongs at ``path``, None if nothing does."""
    return next((kind for kind in Kind if kind.value.fullmatch(path)), None)


def log_path(part: int) -> str:
    """Return where the lines ``part * LINES`` and on of the log stand."""
    return f"log/{part // 1000:03d}/{part % 1000:03d}"


def blob_path(digest: str) -> str:
    """Return where the bytes with the bare SHA-256 ``digest`` stand."""
    return f"blobs/sha256/{digest[:2]}/{digest[2:]}"


def digest_of(path: str) -> str:
    """Return the bare SHA-256 that a blob's ``path`` says."""
    return path.removeprefix("blobs/sha256/").replace("/", "")


def head_path(node: str) -> str:
    """Return where the head of ``node`` stands."""
    return f"nodes/{node}/head.json"


@dataclass(slots=True, kw_only=True)
class Listing:
    """What is on the branch and was not met yet: paths by kind; ``sums`` are never taken off."""

    left: dict[Kind, set[str]] = field(default_factory=lambda: {kind: set() for kind in Kind})

    def take(self, kind: Kind, path: str) -> bool:
        """Take ``path`` off, and return whether it was there and not met before."""
        paths = self.left[kind]
        if path not in paths:
            return False
        paths.discard(path)
        return True


def list_files(files: list[tuple[str, str]], *, found: Findings) -> Listing:
    """Return what of ``files`` (path, mode) belongs on the branch; what does not is noted in ``found``."""
    listing = Listing()
    for path, mode in files:
        found.checked.files += 1
        kind = kind_of(path)
        if mode != _PLAIN:
            found.add(path, "ModeStray", f"it is no plain file: its mode is {mode}")
        if kind is None:
            found.add(path, "PlaceUnknown", "nothing that ringfence writes stands in this place")
        else:
            listing.left[kind].add(path)
    return listing
