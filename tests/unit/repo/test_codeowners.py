"""Code owners: whoever a forge takes for an owner may change the path by the trust rules as well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.errors.taxonomy import InputError
from reconciler.model.kinds import TrustRule
from reconciler.repo.authority import _compile, who_may_change
from reconciler.repo.codeowners import PLACES, codeowners, files_for, parse_handles
from reconciler.repo.globs import includes
from reconciler.repo.snapshot import read_directory
from reconciler.repo.template import create_repository
from tests.support.gitrepo import make_key

PATTERN = st.lists(st.sampled_from(["a", "b", "ab", "*", "**", "a*", "*.b", "a**"]), min_size=1, max_size=4).map(
    "/".join
)
PATH = st.lists(st.sampled_from(["a", "b", "ab", "aa", "a.b", "c"]), min_size=1, max_size=5).map("/".join)
RULES = st.lists(
    st.builds(
        lambda paths, signers: TrustRule(paths=tuple(paths), signers=tuple(signers)),
        st.lists(PATTERN, min_size=1, max_size=3),
        st.lists(st.sampled_from(["alice", "bob", "carol"]), min_size=1, max_size=2, unique=True),
    ),
    min_size=1,
    max_size=4,
)


def glob_owners(text: str, path: str) -> set[str]:
    """Return whom GitHub and GitLab take for the owners of ``path``: a model of their rules, apart from ours."""
    owners: set[str] = set()
    for line in text.splitlines():
        if line and not line.startswith("#"):
            pattern, *names = line.split()
            if glob_expression(pattern).fullmatch(path):
                owners = {name.removeprefix("@") for name in names}
    return owners


def glob_expression(pattern: str) -> re.Pattern[str]:
    """Return what a code owners' pattern matches: as in gitignore, but a last ``*`` does not reach into folders."""
    if pattern == "*":
        return re.compile(".*")
    assert pattern.startswith("/")
    found = ""
    segments = pattern[1:].split("/")
    for number, segment in enumerate(segments):
        is_last = number == len(segments) - 1
        if segment == "**":
            found += ".*" if is_last else "(?:.*/)?"
        else:
            found += re.sub(r"\*+", "[^/]*", re.escape(segment).replace(r"\*", "*")) + ("" if is_last else "/")
    return re.compile(found + ("" if segments[-1].endswith("*") else "(?:/.*)?"))


def regular_owners(text: str, path: str) -> set[str]:
    """Return whom Gitea takes for the owners of ``path``: everybody on a line whose whole expression matches."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {name.removeprefix("@") for expression, *names in lines for name in names if re.fullmatch(expression, path)}


@given(rules=RULES, path=PATH)
@example(rules=[TrustRule(paths=("a", "*"), signers=("alice",))], path="a/a")
def test_no_owner_is_one_whom_the_rules_do_not_let_change_the_path(rules: list[TrustRule], path: str) -> None:
    allowed = set(who_may_change(path, rules=rules))
    assert glob_owners(codeowners(rules, kind="github"), path) <= allowed
    assert regular_owners(codeowners(rules, kind="gitea"), path) == allowed


@given(wide=PATTERN, narrow=PATTERN, path=PATH)
def test_inclusion_of_patterns_holds_for_every_path(wide: str, narrow: str, path: str) -> None:
    if includes(wide, narrow) and _compile(narrow).fullmatch(path):
        assert _compile(wide).fullmatch(path)


@pytest.mark.parametrize(
    ("wide", "narrow", "is_included"),
    [
        ("**", "tenants/blue/**", True),
        ("tenants/**", "tenants/blue/*", True),
        ("tenants/*/**", "tenants/blue/x.yaml", True),
        ("tenants/*", "tenants/blue/x", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/*/b", "a/**/b", False),
        ("*", "**", False),
        ("**/x", "x", True),
        ("a", "a", True),
        ("a", "b", False),
    ],
)
def test_inclusion_is_decided(wide: str, narrow: str, *, is_included: bool) -> None:
    assert includes(wide, narrow) is is_included


def test_a_tenant_and_the_provider_share_a_narrow_path() -> None:
    rules = [
        TrustRule(paths=("tenants/blue/**",), signers=("bob",)),
        TrustRule(paths=("**",), signers=("alice@example.org",)),
        TrustRule(paths=("trust/**", "ringfence.yaml"), signers=("alice@example.org", "carol"), threshold=2),
    ]
    text = codeowners(rules, kind="github", handles={"bob": "@org/blue"})
    assert text.splitlines()[2:] == [
        "# trust/** ringfence.yaml: 2 must sign.",
        "",
        "* alice@example.org",
        "/tenants/blue/** @org/blue alice@example.org",
        "/trust/** @carol alice@example.org",
        "/ringfence.yaml @carol alice@example.org",
    ]


def test_a_pattern_that_names_a_folder_gives_nobody_its_content() -> None:
    text = codeowners([TrustRule(paths=("site",), signers=("bob",))], kind="gitlab")
    assert text.splitlines()[-2:] == ["/site @bob", "/site/**"]


def test_handles_are_read_and_mistakes_are_all_named() -> None:
    assert parse_handles(b"# who\nalice @al\nbob bob@example.org # home\n") == {
        "alice": "@al",
        "bob": "bob@example.org",
    }
    with pytest.raises(InputError) as caught:
        parse_handles(b"alice\nbob @b @c\ncarol @c\ncarol @d\ndave @!\n")
    assert [finding.line for finding in caught.value.findings] == [1, 2, 4, 5]


def test_rules_that_cannot_be_read_make_no_owners() -> None:
    for content in (b"", b"{", b"kind: Zone\n"):
        with pytest.raises(InputError) as caught:
            files_for({"ringfence.yaml": content})
        assert caught.value.hint


def test_a_new_repository_has_the_owners_that_its_rules_make(tmp_path: Path) -> None:
    keys = [make_key(tmp_path / name) for name in ("alice", "carol")]
    public = [key.with_name(f"{key.name}.pub") for key in keys]
    state = tmp_path / "state"
    create_repository(state, signers=public[:1], evidence_signers=public[1:])
    made = files_for(read_directory(state).files)
    assert {path: (state / path).read_bytes() for path in PLACES.values()} == made
    assert b"\n* @alice\n" in made[PLACES["github"]]
