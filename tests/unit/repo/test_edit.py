"""Editing documents in place: what is wanted is there, and nothing else has moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors.taxonomy import InputError
from reconciler.repo import house
from reconciler.repo.documents import Plain, parse_documents
from reconciler.repo.edit import delete_field, document_bytes, merge_document, merged, set_field

NODE = b"""\
# yaml-language-server: $schema=../../schemas/node.json
apiVersion: ringfence/v1alpha1
kind: Node   # a machine
metadata:
    name: n1
    labels: {rack:  r3,class: large}   # by the tenant's wish

# What it is.
spec:
  zone:    'east'
  bmc: {driver: ipmi, address: 10.0.3.7, credentials: bmc/n1}  # second switch
  interfaces:
  # the left one
  - name: eno1   # onboard
    mac: "52:54:00:00:03:07"
    switch: tor
    port: swp7
  - {name: eno2, mac: 52:54:00:00:03:08, switch: tor, port: swp8}
  tpm:
  note: |
    two
    lines
  # the end
"""

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12),
    st.sampled_from(
        ["0012e4", "52:54:00:12:34:56", "1e3", "0x1f", "yes", "~", "null", "- a", "a: b", "#", "a #b", "'"]
    ),
)
NAMES = st.one_of(st.sampled_from(["name", "spec", "a", "0", "on"]), st.text(max_size=6))
VALUES = st.recursive(
    SCALARS,
    lambda each: st.one_of(st.lists(each, max_size=4), st.dictionaries(NAMES, each, max_size=4)),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=5)


def parsed(content: bytes) -> Plain:
    raws, findings = parse_documents(content, path="x.yaml")
    assert not findings, findings
    assert len(raws) == 1
    return raws[0].value


def same(left: Plain, right: Plain) -> bool:
    """Compare as YAML does: 1, 1.0 and true are three things."""

    def key(value: Plain) -> object:
        if isinstance(value, dict):
            return sorted((name, key(each)) for name, each in value.items())
        return [key(each) for each in value] if isinstance(value, list) else repr(value)

    return repr(key(left)) == repr(key(right))


def write(value: dict[str, Plain], *, style: int, comments: bool) -> bytes:
    """Write ``value`` in one of a few layouts, with comments where they may stand."""
    lines = house.block(value, column=0, is_open=bool(style)) if style < 2 else [house.inline(value)]
    if comments:
        lines = [part for i, line in enumerate(lines) for part in (f"{line}  # {i}", f"# after {i}")]
    return ("\n".join(lines) + "\n").encode()


@given(old=MAPPINGS, new=MAPPINGS, style=st.integers(0, 2), comments=st.booleans())
def test_edited_document_is_exactly_what_was_wanted(
    old: dict[str, Plain], new: dict[str, Plain], style: int, *, comments: bool
) -> None:
    content = write(old, style=style, comments=comments)
    assert same(parsed(content), old)
    for name, value in new.items():
        content = set_field(content, path=(name,), value=value)
    assert same(parsed(content), {**old, **new})
    for name in new:
        content = delete_field(content, path=(name,))
    assert same(parsed(content), {name: value for name, value in old.items() if name not in new})


FEW = st.recursive(
    st.sampled_from([1, True, "a", "0012e4", None]),
    lambda each: st.one_of(
        st.lists(each, max_size=4), st.dictionaries(st.sampled_from(["a", "b", "c", "name"]), each, max_size=4)
    ),
    max_leaves=10,
)


@given(old=FEW, new=FEW, style=st.integers(0, 2), comments=st.booleans())
def test_value_is_brought_from_any_shape_to_any_other(old: Plain, new: Plain, style: int, *, comments: bool) -> None:
    content = write({"before": 1, "k": {"in": old}, "after": [2]}, style=style, comments=comments)
    edited = set_field(content, path=("k", "in"), value=new)
    assert same(parsed(edited), {"before": 1, "k": {"in": new}, "after": [2]})
    if comments and style < 2:
        assert all(line in edited.splitlines() for line in content.splitlines()[:2] + content.splitlines()[-2:])


@pytest.mark.parametrize(
    ("content", "path", "value", "edited"),
    [
        (b"a:\n- 1\n- 2  # two\nb: 3\n", ("a",), [1, 2, 3], b"a:\n- 1\n- 2  # two\n- 3\nb: 3\n"),
        (b"a:\n- 1\n- 2  # two\n- 3\n", ("a",), [1, 3], b"a:\n- 1\n- 3\n"),
        (b"a: [1, 2,  3] # x\n", ("a",), [1, 3], b"a: [1, 3] # x\n"),
        (b"a: [1, 2,  3] # x\n", ("a",), [1, 2], b"a: [1, 2] # x\n"),
        (b"a: [] # x\n", ("a",), [1], b"a: [1] # x\n"),
        (b"a: {} # x\n", ("a", "b"), 1, b"a: {b: 1} # x\n"),
        (b"a: 1 # x\nb: 2\n", ("a",), [{"c": [1]}], b"a: # x\n  - c: [1]\nb: 2\n"),
        (b"a: # x\n  - 1\n  # in it\n  - 2\nb: 2\n", ("a",), "y z", b'a: "y z" # x\nb: 2\n'),
        (b"a: # x\n  - 1\nb: 2\n", ("a",), {"c": {"d": {}, "e": [[1], 2]}},
         b"a: # x\n  c:\n    d: {}\n    e:\n      - [1]\n      - 2\nb: 2\n"),
        (b"- a: 1 # x\n- b\n", (1,), {"c": {"d": [{"e": 1}]}}, b"- a: 1 # x\n- c:\n    d:\n      - {e: 1}\n"),
        (b"a: 1", ("b",), 2, b"a: 1\nb: 2"),
        (b"a: >-\n  b\n  c\n\n# end\n", ("d",), 2, b"a: >-\n  b\n  c\nd: 2\n\n# end\n"),
    ],
)  # fmt: skip
def test_edit_in_a_list_or_of_another_shape_is_made_where_it_stands(
    content: bytes, path: tuple[str | int, ...], value: Plain, edited: bytes
) -> None:
    assert set_field(content, path=path, value=value) == edited


@pytest.mark.parametrize(
    ("content", "path", "value"),
    [
        (b"a: {b: , c: 1} # x\n", ("a", "b"), 2),
        (b"a: {b, c: 1} # x\n", ("a", "b"), 2),
        (b"# x\n-\n- 1\n", (0,), 2),
        (b"# x\n? a\n: 1\n", ("a",), [[2]]),
        (b"# x\n- - 1\n  - 2\n", (0,), [2]),
    ],
)
def test_unusual_layout_is_edited_all_the_same(content: bytes, path: tuple[str | int, ...], value: Plain) -> None:
    edited = set_field(content, path=path, value=value)
    found = parsed(edited)
    for name in path:
        found = found[name]  # type: ignore[index,call-overload]
    assert found == value
    assert b"# x" in edited


@given(old=MAPPINGS, value=SCALARS)
def test_lines_of_other_fields_keep_their_bytes(old: dict[str, Plain], value: Plain) -> None:
    before = {**old, "subject": "x"}
    content = write(before, style=1, comments=True)
    edited = set_field(content, path=("subject",), value=value)
    at = content.splitlines().index(next(line for line in content.splitlines() if line.startswith(b"subject:")))
    kept = content.splitlines()
    assert edited.splitlines()[:at] == kept[:at]
    assert edited.splitlines()[at + 1 :] == kept[at + 1 :]
    assert edited.splitlines()[at].endswith(kept[at].rpartition(b"  # ")[2])


def changed_lines(edited: bytes) -> list[bytes]:
    return [line for line in edited.splitlines() if line not in NODE.splitlines()]


def kept(edited: bytes) -> bool:
    return all(comment in edited for line in NODE.splitlines() if (comment := b"#".join(line.split(b"#")[1:])))


@pytest.mark.parametrize(
    ("path", "value", "lines"),
    [
        (("spec", "zone"), "west", [b"  zone:    'west'"]),
        (("spec", "bmc", "port"), 624, [
            b"  bmc: {driver: ipmi, address: 10.0.3.7, credentials: bmc/n1, port: 624}  # second switch"]),
        (("spec", "interfaces", 0, "mac"), "52:54:00:00:03:09", [b'    mac: "52:54:00:00:03:09"']),
        (("spec", "interfaces", 1, "port"), "swp9", [
            b"  - {name: eno2, mac: 52:54:00:00:03:08, switch: tor, port: swp9}"]),
        (("spec", "interfaces", 0, "speed"), 25, [b"    speed: 25"]),
        (("spec", "tpm", "endorsement"), "sha256:00", [b'  tpm: {endorsement: "sha256:00"}']),
        (("metadata", "labels", "rack"), "0012e4", [
            b'    labels: {rack:  "0012e4",class: large}   # by the tenant\'s wish']),
        (("spec", "note"), "one line", [b'  note: "one line"']),
        (("spec", "airlock"), {"vlan": 101}, [b"  airlock: {vlan: 101}"]),
    ],
)  # fmt: skip
def test_edit_touches_the_lines_of_its_field_only(
    path: tuple[str | int, ...], value: Plain, lines: list[bytes]
) -> None:
    edited = set_field(NODE, path=path, value=value)
    assert changed_lines(edited) == lines
    assert kept(edited)


def test_field_is_taken_out_and_comments_beside_it_stay() -> None:
    edited = delete_field(NODE, path=("spec", "tpm"))
    assert edited == NODE.replace(b"  tpm:\n", b"")
    assert delete_field(NODE, path=("spec", "interfaces", 0, "name")).count(b"- mac:") == 1
    assert delete_field(NODE, path=("spec", "nothing")) == NODE
    assert parsed(delete_field(b"a: {b: 1}\n", path=("a", "b"))) == {"a": {}}
    assert parsed(delete_field(b"a:\n  b: 1\nc: 2\n", path=("a", "b"))) == {"a": {}, "c": 2}


def test_line_ends_and_byte_order_mark_are_kept() -> None:
    windows = b"\xef\xbb\xbf" + NODE.replace(b"\n", b"\r\n")
    edited = set_field(windows, path=("spec", "airlock"), value={"vlan": 101})
    assert edited.startswith(b"\xef\xbb\xbf#")
    assert edited.count(b"\n") == edited.count(b"\r\n")
    assert edited.replace(b"  airlock: {vlan: 101}\r\n", b"") == windows


def test_merging_what_is_there_already_changes_no_byte() -> None:
    document = parsed(NODE)
    assert isinstance(document, dict)
    assert merge_document(NODE, document) == NODE


def test_merge_keeps_what_it_does_not_name_and_never_adds_a_second_document() -> None:
    other = b"kind: Node\nmetadata: {name: n0}\nspec: {zone: east}\n---\n"
    new: dict[str, Plain] = {
        "kind": "Node",
        "metadata": {"name": "n1", "labels": {"arch": "x86_64"}},
        "spec": {"interfaces": [{"name": "eno2", "mac": "52:54:00:00:03:0a"}], "tpm": {"endorsement": "sha256:1"}},
    }
    edited = merge_document(other + NODE, new)
    raws, _ = parse_documents(edited, path="x")
    assert [raw.value for raw in raws] == [parsed(other.removesuffix(b"---\n")), merged(parsed(NODE), new)]
    assert b"# by the tenant's wish" in edited
    assert edited.startswith(other)


def test_merge_adds_a_document_that_is_not_there() -> None:
    new: dict[str, Plain] = {"kind": "Zone", "metadata": {"name": "east"}, "spec": {"parkingVlan": 999}}
    assert merge_document(None, new) == document_bytes(new)
    raws, findings = parse_documents(merge_document(NODE, new), path="x")
    assert not findings
    assert len(raws) == 2
    assert parsed(merge_document(b"# nothing yet\n", new)) == parsed(document_bytes(new))


def test_new_document_is_in_house_form() -> None:
    document: dict[str, Plain] = {
        "kind": "Node",
        "spec": {
            "zone": "east",
            "bmc": {"driver": "ipmi", "address": "10.0.3.7", "port": 624, "credentials": "bmc/n1"},
            "interfaces": [{"name": "eno1", "mac": "52:54:00:00:03:07", "switch": "tor", "port": "swp7"}],
        },
        "metadata": {"name": "0012e4", "labels": {"rack": "r3", "slot": "7"}},
    }
    assert document_bytes(document).decode() == (
        "# yaml-language-server: $schema=../../schemas/node.json\n"
        "apiVersion: ringfence/v1alpha1\n"
        "kind: Node\n"
        "metadata:\n"
        '  name: "0012e4"\n'
        '  labels: {rack: r3, slot: "7"}\n'
        "spec:\n"
        "  zone: east\n"
        "  bmc: {driver: ipmi, address: 10.0.3.7, port: 624, credentials: bmc/n1}\n"
        "  interfaces:\n"
        '    - {name: eno1, mac: "52:54:00:00:03:07", switch: tor, port: swp7}\n'
    )


def test_what_cannot_be_edited_is_refused() -> None:
    with pytest.raises(InputError, match="anchor"):
        set_field(b"a: &x 1\nb: *x\n", path=("a",), value=2)
    with pytest.raises(InputError, match="no place"):
        set_field(b"a: 1\n", path=("a", "b"), value=2)
    with pytest.raises(InputError, match="no place"):
        set_field(b"a: [1]\n", path=("a", 5), value=2)
