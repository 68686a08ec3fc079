"""The image store: a folder of ``<sha256>.efi``, hashed before it is believed.

A digest that was computed is remembered with the file's size, time and inode; if any of
them is different, the file is hashed again. Whoever can set those back can also
replace the file: what finally counts is what the node's firmware measures.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from reconciler.drivers.spool.database import Database
from reconciler.errors.taxonomy import InputError

_PREFIX = "sha256:"


class ImageStore:
    """Images by digest (``sha256:…``)."""

    def __init__(self, folder: Path, *, database: Database) -> None:
        """Look into ``folder``; what was hashed is remembered in ``database``."""
        self._folder = folder
        self._database = database

    def verified(self, image: str) -> Path:
        """Return the file whose bytes have the digest ``image``; raise InputError if there is none."""
        wanted = image.removeprefix(_PREFIX)
        path = self._folder / f"{wanted}.efi"
        try:
            print_ = _fingerprint(path)
            if self._remembered(wanted) != print_:
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if found != wanted or _fingerprint(path) != print_:
                    raise InputError(
                        f"image {image}",
                        f"the stored file is something else ({_PREFIX}{found})",
                        reason="ImageDigestMismatch",
                        hint="put the image into the store again",
                    )
                self._remember(wanted, print_)
        except OSError as error:
            raise InputError(
                f"image {image}",
                "is not in the image store",
                reason="ImageMissing",
                hint=f"put it there as {wanted}.efi (ringfence image build says which digest it has)",
            ) from error
        return path

    def _remembered(self, digest: str) -> tuple[int, int, int] | None:
        with self._database.read() as sql:
            row = sql.execute("SELECT size, modified_ns, inode FROM images WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else (row["size"], row["modified_ns"], row["inode"])

    def _remember(self, digest: str, fingerprint: tuple[int, int, int]) -> None:
        with self._database.write() as sql:
            sql.execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?)", (digest, *fingerprint))


def _fingerprint(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino
