"""Canonical bytes of any JSON value are those of RFC 8785, whichever way they were made."""

from __future__ import annotations

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from reconciler.evidence.canonical import canonical

_LARGEST = (1 << 53) - 1
LEAVES = st.none() | st.booleans() | st.integers(-_LARGEST, _LARGEST) | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    LEAVES | TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
)


@given(VALUES)
def test_any_value_has_the_bytes_of_the_rfc(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)
