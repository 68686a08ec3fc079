"""Git objects in memory: trees that are edited, and the pack that carries new objects to git.

Rules: ids are git's (SHA-1 over type, size and content); a tree keeps every entry that is not edited; directories
of a path are made as needed. Source: gitformat-pack(5). Nothing is read or written here.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reconciler.errors.taxonomy import InvariantError

_PACK_TYPES = {"commit": 1, "tree": 2, "blob": 3}
_TINY = 64
_STORED = b"\x78\x01\x01"
"""A zlib header and the mark of a last block that is not compressed: a folder with one file is no smaller otherwise."""
_SMALL = 4096
_SMALL_BITS, _SMALL_MEMORY = 12, 5
"""A window of as many bytes as a small object has at most."""
_FOLDER = b"40000"
_FILE = b"100644"

Tree = dict[bytes, tuple[bytes, bytes]]
"""Mode and binary id by name."""


@dataclass(slots=True, kw_only=True)
class NewObjects:
    """Objects that git does not have yet, by id, in the order in which they were made."""

    contents: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def add(self, kind: str, content: bytes) -> str:
        """Remember an object and return its id."""
        header = f"{kind} {len(content)}\0".encode("ascii")
        object_id = hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
        self.contents[object_id] = (kind, content)
        return object_id

    def to_pack(self) -> bytes:
        """Return all of them as one pack."""
        parts = [b"PACK", (2).to_bytes(4, "big"), len(self.contents).to_bytes(4, "big")]
        for kind, content in self.contents.values():
            parts += [_entry_header(kind, size=len(content)), _deflate(content)]
        pack = b"".join(parts)
        return pack + hashlib.sha1(pack, usedforsecurity=False).digest()


def _deflate(content: bytes) -> bytes:
    if len(content) <= _TINY:
        return _STORED + _stored_block(content) + zlib.adler32(content).to_bytes(4, "big")
    if len(content) > _SMALL:
        return zlib.compress(content, 1)
    packer = zlib.compressobj(1, zlib.DEFLATED, _SMALL_BITS, _SMALL_MEMORY)  # Begins five times as fast.
    return packer.compress(content) + packer.flush()


def _stored_block(content: bytes) -> bytes:
    size = len(content)
    return size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + content


def _entry_header(kind: str, *, size: int) -> bytes:
    """Return type and size, four bits and then seven at a time, least significant first."""
    byte = _PACK_TYPES[kind] << 4 | size & 0x0F
    size >>= 4
    header = bytearray()
    while size:
        header.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    header.append(byte)
    return bytes(header)


def parse_tree(content: bytes) -> Tree:
    """Return the entries of a tree object."""
    entries: Tree = {}
    at = 0
    while at < len(content):
        space = content.index(b" ", at)
        end = content.index(b"\0", space)
        entries[content[space + 1 : end]] = (content[at:space], content[end + 1 : end + 21])
        at = end + 21
    return entries


def folders_of(paths: Iterable[str]) -> list[str]:
    """Return every folder above ``paths``, the top (an empty name) included, deepest first."""
    folders = {""}
    for path in paths:
        segments = path.split("/")[:-1]
        folders |= {"/".join(segments[:depth]) for depth in range(1, len(segments) + 1)}
    return sorted(folders, key=lambda folder: (-folder.count("/") if folder else 1, folder))


def write_tree(
    new: NewObjects,
    *,
    trees: Mapping[str, Tree],
    files: Mapping[str, bytes],
    kept: Mapping[str, tuple[bytes, bytes]] = MappingProxyType({}),
) -> tuple[str, dict[str, Tree]]:
    """Add ``files`` by path to ``trees`` (the existing folders above them, by path); ``kept`` are entries that exist.

    Return the new root's id, and every folder that is another one now.
    """
    edited = {folder: dict(trees.get(folder, {})) for folder in folders_of([*files, *kept])}
    for path, entry in kept.items():
        folder, _, name = path.rpartition("/")
        edited[folder][name.encode()] = entry
    for path, content in files.items():
        folder, _, name = path.rpartition("/")
        edited[folder][name.encode()] = (_FILE, bytes.fromhex(new.add("blob", content)))
    for folder, entries in edited.items():
        tree_id = new.add("tree", _format_tree(entries))
        if not folder:
            return tree_id, edited
        parent, _, name = folder.rpartition("/")
        edited[parent][name.encode()] = (_FOLDER, bytes.fromhex(tree_id))
    raise InvariantError("tree", "has no top", reason="NoTopFolder")


def _format_tree(entries: Tree) -> bytes:
    def order(item: tuple[bytes, tuple[bytes, bytes]]) -> bytes:
        name, (mode, _) = item
        return name + b"/" if mode == _FOLDER else name

    return b"".join(b"%b %b\0%b" % (mode, name, id_) for name, (mode, id_) in sorted(entries.items(), key=order))
