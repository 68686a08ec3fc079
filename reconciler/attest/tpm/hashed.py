"""The digest over claimed PCR values; a node that claims the same values as before costs no hashing.

One set of values is remembered, as a copy: whoever changes what was given changes nothing here.
"""

from __future__ import annotations

from reconciler.attest.algorithms import Hasher
from reconciler.attest.tpm.selection import Requirement, Values


class ClaimedDigest:
    """What a TPM hashes for a quote, as one key's hash does it."""

    __slots__ = ("_hasher", "_last")

    def __init__(self, hasher: Hasher) -> None:
        """Remember nothing; ``hasher`` is the key's."""
        self._hasher = hasher
        self._last: tuple[Requirement, Values, bytes] | None = None

    def over(self, values: Values, requirement: Requirement) -> bytes | None:
        """Return the digest over exactly the required ``values``; None if they are not all there, or are none."""
        last = self._last
        if last is not None and last[0] is requirement and last[1] == values:
            return last[2]
        joined = requirement.join(values)
        if not joined:
            return None
        digest = self._hasher(joined).digest()
        self._last = (requirement, {bank: dict(claimed) for bank, claimed in values.items()}, digest)
        return digest
