"""Edits of one field: everything else stays, character by character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors.taxonomy import InputError
from reconciler.repo.documents import Plain, parse_documents
from reconciler.repo.edit import delete_field, set_field

BLOCK = """\
# yaml-language-server: $schema=x
kind: Enclave   # what it is
metadata: {name: blue}
spec:
    nodes: {count: 2}       # any two
    keys:
    - one
    - two   # the second
    text: |
      a: 1

      b
    # above the last one
    reattest: 30s           # often
# the end
"""


def test_a_field_is_added_behind_the_others_with_their_indentation() -> None:
    edited = set_field(BLOCK.encode(), path=("spec", "suspend"), value=True).decode()
    expected = BLOCK.replace("# often\n", "# often\n    suspend: true\n")
    assert edited == expected
    assert delete_field(edited.encode(), path=("spec", "suspend")).decode() == BLOCK


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (("spec", "reattest"), "40s", "30s ", '"40s" '),
        (("spec", "nodes"), {"count": 3}, "{count: 2} ", "{count: 3} "),
        (("spec", "nodes", "count"), 3, "{count: 2}", "{count: 3}"),
        (("spec", "nodes", "spread"), "rack", "{count: 2}", '{count: 2, spread: "rack"}'),
        (("metadata", "labels"), {"a": "b"}, "{name: blue}", '{name: blue, labels: {a: "b"}}'),
        (("spec", "keys"), False, "    keys:\n    - one\n    - two   # the second\n", ""),
        (("spec", "text"), False, "    text: |\n      a: 1\n\n      b\n", ""),
    ],
)
def test_a_field_that_is_there_is_replaced(path: tuple[str, ...], value: Plain, old: str, new: str) -> None:
    edited = set_field(BLOCK.encode(), path=path, value=value).decode()
    expected = BLOCK.replace(old, new)
    if not new:
        expected = expected.replace("# often\n", f"# often\n    {path[-1]}: false\n")
    assert edited == expected


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a: {b: 1, c: 2, d: 3}  # x\n", ("a", "b"), "a: {c: 2, d: 3}  # x\n"),
        ("a: {b: 1, c: 2, d: 3}\n", ("a", "c"), "a: {b: 1, d: 3}\n"),
        ("a: {b: 1, c: 2, d: 3}\n", ("a", "d"), "a: {b: 1, c: 2}\n"),
        ("a: {b: 1}\n", ("a", "b"), "a: {}\n"),
        ("a:\n  b:\n  c: 1\n", ("a", "b"), "a:\n  c: 1\n"),
        ("a:\n  b:\n    e: {}\n  # of c\n  c: 1\n", ("a", "b"), "a:\n  # of c\n  c: 1\n"),
        ("a: 1\n", ("z",), "a: 1\n"),
        ("a: 1\nb: 2", ("b",), "a: 1"),
    ],
)
def test_a_field_is_taken_out_with_its_line_and_nothing_else(text: str, path: tuple[str, ...], expected: str) -> None:
    found = delete_field(text.encode(), path=path).decode()
    assert found.rstrip("\n") == expected.rstrip("\n")


def test_the_document_is_chosen_by_its_number() -> None:
    text = "a: {}\n---\na: {}\n"
    assert set_field(text.encode(), path=("a", "b"), value=1, document=1) == b"a: {}\n---\na: {b: 1}\n"


@pytest.mark.parametrize("text", ["", "a: [", "a: 1\n", "- a\n", "a: &x 1\n", "a:\n"])
def test_what_cannot_be_edited_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        set_field(text.encode(), path=("a", "b"), value=1)
    assert caught.value.reason == "EditRefused"


names = st.sampled_from("abcd")
plain: st.SearchStrategy[Plain] = st.one_of(st.integers(), st.booleans(), st.text("xyz: #'\"\n\\é-", max_size=8))
mappings = st.dictionaries(names, st.one_of(plain, st.dictionaries(names, plain, max_size=3)), max_size=4)


@given(document=mappings, name=names, value=plain, flow=st.booleans())
def test_setting_and_taking_out_leave_the_rest(
    document: dict[str, Plain], name: str, value: Plain, *, flow: bool
) -> None:
    import json

    lines = [f"    {key}: {json.dumps(own, ensure_ascii=False)}  # {key}\n" for key, own in document.items()]
    block = "".join(lines) if lines and not flow else ""
    text = f"spec:\n{block}more: 1\n" if block else f"spec: {json.dumps(document, ensure_ascii=False)}\nmore: 1\n"
    edited = set_field(text.encode(), path=("spec", name), value=value)
    raws, findings = parse_documents(edited, path="x")
    assert findings == []
    assert raws[0].value == {"spec": {**document, name: value}, "more": 1}
    if name not in document:
        assert delete_field(edited, path=("spec", name)).decode() == text
