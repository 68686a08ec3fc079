"""Where things stand on the evidence branch (docs/adr/0017)."""

from __future__ import annotations

import re

TRUSTED_PATH = "trusted.json"
OBSERVATION_PATH = "observation.json"
WRITER_PATH = "writer.json"
"""The lease: who writes the branch, and until when."""
JOURNAL_HEAD = "journal/head.json"
PARTED = "refs/ringfence/parted/"
"""Refs below it keep records of ours that another writer's takeover left beside the branch."""
LATEST_CHECKPOINT = "checkpoints/latest"
FRONTIER = "log/frontier.json"
CLOSING = "checkpoints/closing"
OPENING = "opening.json"
LOG_LINES = 256
"""How many lines a file of the log has."""

STATEMENT_FOLDERS = ("statements/", "rounds/", "journal/")
_STATEMENT = re.compile(
    r"(statements|rounds|journal)/([A-Za-z0-9][A-Za-z0-9._-]{0,127}/){0,6}[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
)
_RECORDS = re.compile(r"rounds/([0-9]{2,4}/){4}[0-9-]{1,20}\.records")
_NODE = re.compile(r"[a-z0-9-]{1,63}")


def blob_path(digest: str) -> str:
    """Return where the bytes with the bare SHA-256 ``digest`` stand."""
    return f"blobs/sha256/{digest[:2]}/{digest[2:]}"


def head_path(node: str) -> str:
    """Return where the head of ``node`` stands."""
    return f"nodes/{node}/head.json"


def log_path(part: int) -> str:
    """Return where the lines ``part * LOG_LINES`` and on of the log stand."""
    return f"log/{part // 1000:03d}/{part % 1000:03d}"


def checkpoint_path(size: int) -> str:
    """Return where the tree head of ``size`` stands, if it is one that stays."""
    return f"checkpoints/{size}"


def is_statement(path: str) -> bool:
    """Return whether a statement may stand at ``path``."""
    return _STATEMENT.fullmatch(path) is not None and ".." not in path


def is_attachment(path: str) -> bool:
    """Return whether the records of a round may stand at ``path``."""
    return _RECORDS.fullmatch(path) is not None


def is_node(name: str) -> bool:
    """Return whether ``name`` may be a node's."""
    return _NODE.fullmatch(name) is not None


def is_rewritten(path: str) -> bool:
    """Return whether the file at ``path`` is one that is written anew, as a sum of what was only added."""
    sums = {TRUSTED_PATH, OBSERVATION_PATH, WRITER_PATH, JOURNAL_HEAD, LATEST_CHECKPOINT, FRONTIER}
    return path in sums or path.startswith(("nodes/", "log/"))
