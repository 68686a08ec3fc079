"""A policy's IMA section, made ready: what is looked up for every entry is computed once for many logs.

``accepted`` holds the very bytes that an entry without a signature is made of, for each path and digest that the
policy names. An entry that is among them needs no parsing: path, algorithm and digest are all equal, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from reconciler.attest.ima.aggregate import NAME
from reconciler.attest.ima.exclusion import Exclusions
from reconciler.attest.ima.signatures import Keyring
from reconciler.attest.ima.templates import Entry, join
from reconciler.model.ima import ImaPolicy

NO_SIGNATURE = bytes(4)
"""How template data ends whose last field, a signature, is empty."""


class ImaReference:
    """What ``policy`` allows; ``digest`` tells it from every other policy."""

    __slots__ = ("accepted", "digest", "excluded", "has_keys", "keyring", "policy")

    def __init__(self, policy: ImaPolicy) -> None:
        """Prepare ``policy``; takes time and memory in proportion to it."""
        self.policy = policy
        self.digest = hashlib.sha256(policy.model_dump_json().encode()).hexdigest()
        self.accepted = frozenset(
            _template_data(path, digest)
            for path, digests in policy.digests.items()
            if path.encode() != NAME
            for digest in digests
            if not digest.startswith("verity:") and (policy.unsafe_allow_sha1 or not is_weak(digest))
        )
        self.excluded = Exclusions(policy.excludes)
        self.keyring = Keyring(policy.keys)
        self.has_keys = bool(policy.keys)

    def file_digests(self, path: bytes) -> Sequence[str]:
        """Return the digests that a file at ``path`` may have; none if the policy does not name it."""
        return self.policy.digests.get(_text(path), ())

    def buffer_digests(self, name: bytes) -> Sequence[str]:
        """Return the digests that a buffer called ``name`` may have."""
        return self.policy.buffers.get(_text(name), ())

    def ignores(self, keyring: bytes) -> bool:
        """Return whether any key may have been loaded onto ``keyring``."""
        return _text(keyring) in self.policy.ignored_keyrings


def named(entry: Entry) -> str:
    """Return the digest of ``entry`` as a policy writes it."""
    prefix = "verity:" if entry.kind == "verity" else ""
    return f"{prefix}{entry.algorithm}:{entry.digest.hex()}"


def is_weak(digest: str) -> bool:
    """Return whether ``digest``, as a policy writes it, is by SHA-1."""
    return "sha1:" in digest


def _text(path: bytes) -> str:
    # A path that is not UTF-8 is in no policy: policies are text. Its stray bytes become what no text holds.
    return path.decode("utf-8", "surrogateescape")


def _template_data(path: str, digest: str) -> bytes:
    algorithm, _, value = digest.partition(":")
    return join([algorithm.encode() + b":\0" + bytes.fromhex(value), path.encode() + b"\0"])
