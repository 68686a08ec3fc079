import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.ima import exclusion
from reconciler.attest.ima.exclusion import Exclusions

ATOMS = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", "a{2}", "b{1,3}", "c{0,}", "c{0}", "\\.", "[a-c]", "\\w", "b+?"]
)
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("({0[0]}|{0[1]})".format),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "*?"])).map("(?:{0[0]}){0[1]}".format),
    ),
    max_leaves=6,
)


@given(PATTERNS, st.lists(st.text("abc.\n", max_size=8), max_size=8))
def test_a_pattern_matches_the_same_whole_paths_as_pythons(pattern: str, paths: list[str]) -> None:
    ours, theirs = Exclusions([pattern]), re.compile(pattern)
    for path in paths:
        assert ours.has(path.encode()) is (theirs.fullmatch(path) is not None), path


def test_any_of_the_patterns_will_do() -> None:
    excluded = Exclusions(["^/srv/.*$", "/var/(log|cache)/.*", "/é+", "/x|/y|"])
    matching = ["/srv/", "/srv/a/b", "/var/log/x", "/var/cache/", "/éé", "/x", "/y", ""]
    assert [path for path in matching if not excluded.has(path.encode())] == []
    others = ["/srv", "/srv/\n", "x/srv/", "/var/lib/x", "/é\xff", "/xy", "/z"]
    assert [path for path in others if excluded.has(path.encode())] == []


def test_without_patterns_nothing_is_excluded() -> None:
    assert not Exclusions([]).has(b"")
    assert not Exclusions([]).has(b"/x")


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(a*)*b", "(.*)(.*)(.*)b"])
def test_a_pattern_that_would_backtrack_is_answered(pattern: str) -> None:
    assert not Exclusions([pattern]).has(b"a" * 4095)
    assert Exclusions([pattern]).has(b"a" * 4094 + b"b")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusion, "_MAX_STATES", 16)
    pattern = ".*a.{8}"
    excluded = Exclusions([pattern])
    for number in range(300):
        path = f"{number:b}".replace("0", "a").replace("1", "b") * 3
        assert excluded.has(path.encode()) is (re.fullmatch(pattern, path) is not None)
        assert len(excluded._known) <= 18
