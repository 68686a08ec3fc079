"""A real evidence branch, doctored: by anybody, or by somebody who holds the evidence key and does it well.

Rules: ``Branch`` is the files of the tip. ``rewrite`` makes statements, rounds, chains, heads, log and tree heads anew,
in their right places and signed with the real key, so that only what the changed records *say* can give them away. What
is committed is what is in ``files``: on top of the branch, or as a history of its own.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.canonical import canonical, canonical_value, digest
from reconciler.evidence.envelope import seal
from reconciler.evidence.fold import fold
from reconciler.evidence.note import Checkpoint, checkpoint_body, sign_note
from reconciler.evidence.round import parse_line, records_bytes, records_path, round_bytes, round_path
from reconciler.evidence.statement import Record, parse_statement, statement_bytes, statement_path
from reconciler.model.record import Event, Head
from reconciler.repo.places import head_path
from tests.support.branches import ORIGIN, SigningKey, logged
from tests.support.estate import Estate
from tests.support.runner import EVIDENCE_KEY

STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of the log: a statement, a round or a journal entry, and the records in it."""

    path: str
    records: tuple[Record, ...] = ()
    is_round: bool = False


@dataclass(kw_only=True)
class Branch:
    """The files of the evidence branch, to be doctored."""

    estate: Estate
    files: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, estate: Estate) -> Branch:
        """Return what is on the branch."""
        git, tip = estate.git, estate.git.head("evidence")
        assert tip is not None
        entries = git.files(tip)
        contents = git.objects(entry.object_id for entry in entries)
        return cls(estate=estate, files={entry.path.decode(): contents[entry.object_id] for entry in entries})

    def copy(self) -> Branch:
        """Return the same files."""
        return replace(self, files=dict(self.files), modes={})

    def lines(self) -> list[str]:
        """Return the paths on the log, in order."""
        parts = sorted(path for path in self.files if path.startswith("log/0"))
        return [line.split(" ")[1] for path in parts for line in self.files[path].decode().splitlines()]

    def items(self) -> list[Item]:
        """Return everything on the log, in order."""
        return [self._item(path) for path in self.lines()]

    def _item(self, path: str) -> Item:
        if path.startswith("rounds/"):
            lines = self.files[records_path(path)].splitlines()
            return Item(path=path, records=tuple(parse_line(line) for line in lines), is_round=True)
        if path.startswith("journal/"):
            return Item(path=path)
        return Item(path=path, records=(parse_statement(self.payload(path)).predicate,))

    def payload(self, path: str) -> bytes:
        """Return the payload of the envelope at ``path``."""
        return base64.b64decode(json.loads(self.files[path])["payload"])

    def first(self, event: Event, *, node: str | None = None) -> str:
        """Return the path of the first statement of ``event``."""
        return next(
            item.path
            for item in self.items()
            if not item.is_round and item.records and item.records[0].event is event
            if node in {None, item.records[0].node}
        )

    def reword(self, path: str, old: bytes, new: bytes) -> None:
        """Change words in the payload at ``path`` and keep its signature."""
        assert old in self.payload(path)
        document = json.loads(self.files[path])
        payload = base64.b64encode(self.payload(path).replace(old, new)).decode()
        self.files[path] = canonical(document | {"payload": payload})

    def seal(self, path: str, payload: bytes, *, key: Ed25519PrivateKey = EVIDENCE_KEY) -> None:
        """Put ``payload`` at ``path``, signed with ``key`` in the name of the real one."""
        self.files[path] = seal(payload, sign=key.sign, key_id=self.estate.key.key_id)

    def relog(self, lines: Sequence[str] | None = None) -> None:
        """Make log and tree heads anew, for ``lines`` or for what is on it already, with the real key."""
        paths = self.lines() if lines is None else list(lines)
        for path in [path for path in self.files if path.startswith(("log/", "checkpoints/"))]:
            del self.files[path]
        self.files |= logged([(path, self.files.get(path, b"")) for path in paths])

    def put_head(self, path: str, *, size: int, root: bytes, key: Ed25519PrivateKey = EVIDENCE_KEY) -> None:
        """Put a tree head at ``path``, signed with ``key``."""
        body = checkpoint_body(Checkpoint(origin=ORIGIN, size=size, root=root))
        self.files[path] = sign_note(body, name=ORIGIN, public=SigningKey(key).public, sign=key.sign)

    def rewrite(self, items: Sequence[Item]) -> None:
        """Make everything anew as if ``items`` had been recorded, one after the other; gone are those left out."""
        kept = {item.path for item in items if not item.records}
        for path in [path for path in self.lines() if path not in kept]:
            self.files.pop(path, None)
            self.files.pop(records_path(path), None)
        heads: dict[str, Head] = {}
        paths = []
        for item in items:
            if item.is_round:
                paths.append(self._write_round(item.records, heads))
            elif item.records:
                paths.append(self._write_statement(item.records[0], heads))
            else:
                paths.append(item.path)
        for path in [path for path in self.files if path.startswith("nodes/")]:
            del self.files[path]
        self.files |= {head_path(node): canonical_value(head) for node, head in heads.items()}
        self.relog(paths)

    def change(self, path: str, *, index: int = 0, **changes: Any) -> None:  # noqa: ANN401 - Record's own
        """Change one record and make everything anew around it."""

        def changed(item: Item) -> Item:
            if item.path != path:
                return item
            records = list(item.records)
            records[index] = records[index].model_copy(update=changes)
            return replace(item, records=tuple(records))

        self.rewrite([changed(item) for item in self.items()])

    def _write_statement(self, record: Record, heads: dict[str, Head]) -> str:
        chained = _chained(record, heads.get(record.node))
        payload = statement_bytes(chained, endorsement=self._endorsement(record.node))
        self.seal(statement_path(chained), payload)
        _advance(heads, chained, payload)
        return statement_path(chained)

    def _write_round(self, records: Sequence[Record], heads: dict[str, Head]) -> str:
        lines, first, path = [], records[0], round_path(records[0].recorded_at)
        for record in records:
            chained = _chained(record, heads.get(record.node))
            lines.append(canonical_value(chained))
            _advance(heads, chained, lines[-1])
        made = {"recorded_at": first.recorded_at, "commit": first.commit, "tree": first.tree}
        self.seal(path, round_bytes(lines, **made, verifier=first.verifier))
        self.files[records_path(path)] = records_bytes(lines)
        return path

    def _endorsement(self, node: str) -> str:
        nodes = self.estate.world.desired.nodes
        return nodes[node].spec.tpm.endorsement if node in nodes else "sha256:" + "0" * 64

    def commit(self, *, signer: str | None = "evidence", is_anew: bool = True) -> None:
        """Commit ``files`` as the branch, as a history of its own or on top of what is there."""
        repo, git = self.estate.repo, self.estate.git
        tip = git.head("evidence") or ""
        contents: dict[str | bytes, Any] = {
            path: (self.modes[path], data) if path in self.modes else data for path, data in self.files.items()
        }
        if not is_anew:
            gone = {entry.path.decode() for entry in git.files(tip)} - contents.keys()
            contents |= dict.fromkeys(gone)
        repo.point("evidence", repo.commit(contents, signer=signer, parents=[] if is_anew else [tip]))


def _chained(record: Record, head: Head | None) -> Record:
    link = {"sequence": head.sequence + 1, "previous": head.digest} if head else {"sequence": 1, "previous": None}
    return record.model_copy(update=link)


def _advance(heads: dict[str, Head], record: Record, data: bytes) -> None:
    try:
        heads[record.node] = fold(heads.get(record.node), record, digest=digest(data))
    except RingfenceError:
        update = {"sequence": record.sequence, "digest": digest(data)}
        if record.node in heads:
            heads[record.node] = heads[record.node].model_copy(update=update)


Attack = Callable[[Branch], None]
