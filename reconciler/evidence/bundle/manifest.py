"""The manifest of a bundle: whom it is about, and each part with its size and digest. It claims nothing else.

Nobody signs it, and anybody could write it anew: it is there so that damage is found, and for people with sha256sum.
That the parts show what they should follows from their signatures (``verify``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from reconciler.errors.taxonomy import InputError, TrustError, cut
from reconciler.evidence.bundle.container import MANIFEST, read_tar, tar_blocks
from reconciler.evidence.canonical import canonical_value, is_canonical, to_json
from reconciler.model.base import HexDigest, Value

_MAX_MANIFEST = 64 << 20


class Part(Value):
    """One part: how many bytes it has, and their SHA-256."""

    size: Annotated[int, Field(ge=0)]
    sha256: HexDigest


class Manifest(Value):
    """What a bundle is about, and its parts by name."""

    format: Literal["urn:ringfence:bundle:v1"] = "urn:ringfence:bundle:v1"
    subject: Annotated[str, Field(pattern=r"^(node|enclave)/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
    parts: dict[str, Part]


class Parts:
    """The parts of a bundle, each read when it is asked for; what nobody asked for is known in the end."""

    def __init__(self, contents: Mapping[str, memoryview | bytes]) -> None:
        """Hold ``contents`` by name."""
        self._contents = contents
        self._unread = set(contents)

    def read(self, name: str) -> bytes | None:
        """Return the part ``name``, None if there is none."""
        content = self._contents.get(name)
        self._unread.discard(name)
        return None if content is None else bytes(content)

    def under(self, folder: str) -> list[str]:
        """Return the names of the parts in ``folder`` (``statements/``), ascending; none counts as read by that."""
        return sorted(name for name in self._contents if name.startswith(folder))

    def unread(self) -> list[str]:
        """Return the names of the parts that nobody asked for, ascending."""
        return sorted(self._unread)


def check_subject(text: str) -> str:
    """Return ``text`` if it is ``node/NAME`` or ``enclave/NAME``; InputError otherwise."""
    try:
        return Manifest(subject=text, parts={}).subject
    except ValidationError:
        hint = "write node/NAME or enclave/NAME"
        raise InputError(
            cut(text), "there is no evidence of such a thing", reason="SubjectUnknown", hint=hint
        ) from None


def bundle_blocks(subject: str, parts: Mapping[str, bytes]) -> Iterator[bytes]:
    """Yield the bytes of the bundle about ``subject`` with ``parts``: the same bytes for the same parts."""
    listed = {name: Part(size=len(content), sha256=_digest(content)) for name, content in parts.items()}
    manifest = canonical_value(Manifest(subject=subject, parts=listed))
    return tar_blocks({**parts, MANIFEST: manifest})


def open_bundle(data: bytes) -> tuple[Manifest, Parts]:
    """Return the manifest in ``data`` and the parts it names; TrustError unless these are all, and undamaged."""
    contents = read_tar(data)
    manifest = _parse(bytes(contents.pop(MANIFEST, b"")[:_MAX_MANIFEST]))
    if manifest.parts.keys() != contents.keys():
        raise _malformed("it holds other parts than its manifest names")
    for name, content in contents.items():
        if (len(content), _digest(content)) != (manifest.parts[name].size, manifest.parts[name].sha256):
            raise _malformed(f"{name} is not the part that its manifest names")
    return manifest, Parts(contents)


def _parse(content: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        manifest = None
    if manifest is None or not is_canonical(content, to_json(manifest)):
        raise _malformed("it has no manifest that ringfence writes")
    return manifest


def _digest(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def _malformed(message: str) -> TrustError:
    hint = "it was damaged or altered, or a newer ringfence wrote it; take another copy"
    return TrustError("bundle", message, reason="BundleMalformed", hint=hint)
