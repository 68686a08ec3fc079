"""The digest over claimed values is that of the values that are claimed now, whatever was claimed before."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.algorithms import HASHERS, SHA256
from reconciler.attest.tpm.hashed import ClaimedDigest
from reconciler.attest.tpm.selection import require

REQUIRED = require([("sha256", (0, 7))])
OTHER = require([("sha256", (0,))])


def _values(zero: int, seven: int) -> dict[str, dict[int, bytes]]:
    return {"sha256": {0: bytes([zero]) * 32, 7: bytes([seven]) * 32}}


def _digest(zero: int, seven: int) -> bytes:
    return hashlib.sha256(bytes([zero]) * 32 + bytes([seven]) * 32).digest()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_digest_is_that_of_the_values_whatever_came_before(claims: list[tuple[int, int]]) -> None:
    claimed = ClaimedDigest(HASHERS[SHA256])
    for zero, seven in claims:
        assert claimed.over(_values(zero, seven), REQUIRED) == _digest(zero, seven)
        assert claimed.over(_values(zero, seven), OTHER) is None, "there is a value that is not asked for"


def test_values_that_change_after_they_were_hashed_are_hashed_again() -> None:
    claimed = ClaimedDigest(HASHERS[SHA256])
    values = _values(1, 2)
    assert claimed.over(values, REQUIRED) == _digest(1, 2)
    values["sha256"][7] = bytes(32)
    assert claimed.over(values, REQUIRED) == _digest(1, 0)
    del values["sha256"][7]
    assert claimed.over(values, REQUIRED) is None
    assert claimed.over({}, REQUIRED) is None
