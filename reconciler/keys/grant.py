"""Which keys may go to a node, and to which recipient.

A grant exists only by way of an ``Accepted`` verdict, so whoever holds one need not
ask again. Wrapping is the custodian's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.attest.verdict import Accepted
from reconciler.errors.taxonomy import TrustError


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One version of one key may be wrapped to ``recipient``, the quote-bound key of this boot of ``node``."""

    node: str
    name: str
    version: int
    recipient: str
    nonce: bytes


def grant(accepted: Accepted, *, enclave: str, keys: Sequence[str], versions: Mapping[str, int]) -> tuple[Grant, ...]:
    """Return a grant for each of ``keys`` (those of ``enclave``) at its current version.

    Raises TrustError if the verdict is about another enclave, or if a key has no version yet.
    """
    if accepted.enclave != enclave:
        raise _refusal(accepted, f"it was proven for enclave {accepted.enclave}, not for {enclave}")
    missing = [name for name in keys if name not in versions]
    if missing:
        raise _refusal(accepted, f"key {missing[0]} has no version with its custodian")
    return tuple(
        Grant(
            node=accepted.node,
            name=name,
            version=versions[name],
            recipient=accepted.ephemeral,
            nonce=accepted.nonce,
        )
        for name in keys
    )


def _refusal(accepted: Accepted, message: str) -> TrustError:
    return TrustError(
        f"node {accepted.node}",
        f"no key is released: {message}",
        reason="KeyRefused",
        hint="run: ringfence explain node/" + accepted.node,
    )
