"""The log of the evidence branch: a line for each statement in the order of writing, and the signed head of their tree.

Rules: lines are only added; a file of the log is full before the next one begins; the head that is signed is that of
all lines, the new ones included. What is found is checked against itself (the frontier's root is the signed one, the
last file has as many lines as the size says) before it is gone on from.
Source: RFC 9162 (tree), C2SP tlog-checkpoint and signed-note (head).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical
from reconciler.evidence.merkle import Frontier, leaf_hash, parse_frontier
from reconciler.evidence.note import Checkpoint, checkpoint_body, parse_checkpoint, parse_note, sign_note
from reconciler.repo.places import FRONTIER, LATEST_CHECKPOINT, LOG_LINES, checkpoint_path, log_path
from reconciler.repo.signing import EvidenceKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What of the log it takes to go on: the tree's frontier, the lines of its last file, and the last day on it."""

    frontier: Frontier = field(default_factory=Frontier)
    tail: bytes = b""
    day: date | None = None


def read_log(read: Callable[[Sequence[str]], Mapping[str, bytes]], *, origin: str) -> Log:
    """Return the end of the log whose files ``read`` gives by path; TrustError if its parts do not fit together."""
    found = read((FRONTIER, LATEST_CHECKPOINT))
    frontier_json, note = found.get(FRONTIER), found.get(LATEST_CHECKPOINT)
    if frontier_json is None and note is None:
        return Log()
    if frontier_json is None or note is None:
        raise _broken("is not whole")
    frontier, signed = parse_frontier(frontier_json), parse_checkpoint(parse_note(note).body)
    if (signed.origin, signed.size, signed.root) != (origin, frontier.size, frontier.root()):
        raise _broken("has another head than the signed one")
    part, rest = divmod(frontier.size, LOG_LINES)
    tail = read((log_path(part),)).get(log_path(part), b"") if rest else b""
    if tail.count(b"\n") != rest:
        raise _broken("has not as many lines as its head says")
    return Log(frontier=frontier, tail=tail)


def extend(
    log: Log, statements: Sequence[tuple[str, bytes]], *, origin: str, key: EvidenceKey, today: date
) -> tuple[Log, Mapping[str, bytes]]:
    """Return the log with ``statements`` (path, envelope) added, and the files that say so.

    The first head of a day stays, as ``checkpoints/<size>``.
    """
    files: dict[str, bytes] = {}
    hashes = [leaf_hash(envelope) for _, envelope in statements]
    size = log.frontier.size
    tail = log.tail
    for digest, (path, _) in zip(hashes, statements, strict=True):
        tail += f"{digest.hex()} {path}\n".encode()
        size += 1
        files[log_path((size - 1) // LOG_LINES)] = tail
        if size % LOG_LINES == 0:
            tail = b""
    frontier = log.frontier.extend(hashes)
    body = checkpoint_body(Checkpoint(origin=origin, size=frontier.size, root=frontier.root()))
    note = sign_note(body, name=origin, public=key.public, sign=key.sign)
    files[FRONTIER] = canonical(frontier.to_json())
    files[LATEST_CHECKPOINT] = note
    if today != log.day:
        files[checkpoint_path(frontier.size)] = note
    return replace(log, frontier=frontier, tail=tail, day=today), files


def _broken(message: str) -> TrustError:
    hint = "run ringfence audit; nothing is recorded until the branch is repaired"
    return TrustError("evidence log", message, reason="EvidenceBroken", hint=hint)
