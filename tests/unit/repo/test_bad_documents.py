"""Documents that are not what they should be: each mistake is told with its place, its code and what to do."""

from __future__ import annotations

import pytest

from reconciler.repo.documents import MAX_FILE_BYTES, parse_documents
from tests.support.documents import FILES, changed
from tests.support.mistakes import BLUE, N1, NET, POLICY, SWITCH, TOP, ZONE, Mistake, findings

YAML_MISTAKES = [
    Mistake("tag", changed(N1, "swp1", "!!str swp1"), f"{N1}:11:13", "TagRefused", "the tag tag:yaml.org", "delete it"),
    Mistake("own tag", changed(N1, "swp1", "!x swp1"), f"{N1}:11:13", "TagRefused", "is not allowed here", "delete it"),
    Mistake("anchor", changed(N1, "swp1", "&a swp1"), f"{N1}:11:13", "AnchorRefused", "&a", "delete it"),
    Mistake("alias", changed(N1, "swp1", "*a"), f"{N1}:11:13", "AliasRefused", "*a is not allowed", "write it out"),
    Mistake(
        "duplicate key",
        changed(N1, "      port: swp1\n", "      port: swp1\n      mac: 52:54:00:00:03:99\n"),
        f"{N1}:12:7",
        "DuplicateKey",
        "mac stands here a second time",
        "the first is in line 9",
    ),
    Mistake("key that is a number", changed(N1, "eno1", "eno1\n      5: x"), f"{N1}:9:7", "KeyNotText", "5", '"5"'),
    Mistake(
        "key that is a list", changed(N1, "eno1", "eno1\n      ? [a]\n      : b"), f"{N1}:9:9", "KeyNotText", "list"
    ),
    Mistake("merge key is just a key", changed(N1, "eno1", "eno1\n      <<: {}"), f"{N1}:9:7", "UnknownField", "<<"),
    Mistake("too deep", changed(N1, "eno1", "[" * 40 + "]" * 40), f"{N1}:8:42", "TooDeep", "deeper than 32 levels"),
    Mistake("not YAML", changed(BLUE, "[n1]", "[n1"), f"{BLUE}:5:21", "NotYaml", "is not YAML:"),
    Mistake("tab", changed(N1, "  zone", "\tzone"), f"{N1}:5:1", "NotYaml", "is not YAML: a tab"),
    Mistake("control character", changed(N1, "eno1", "en\x01o1"), N1, "NotYaml", "is not YAML:"),
    Mistake("not UTF-8", {**FILES, N1: b"a: b\nc: \xff\n"}, f"{N1}:2:4", "NotUtf8", "is not UTF-8", "as UTF-8"),
    Mistake("half a character", changed(N1, "eno1", '"\\ud800"'), f"{N1}:8:13", "NotText", "surrogate"),
    Mistake("directive", {**FILES, N1: b"%YAML 1.1\n---\n" + FILES[N1]}, f"{N1}:2:1", "DirectiveRefused", "directive"),
    Mistake("too large", {**FILES, N1: b"#" * (MAX_FILE_BYTES + 1)}, N1, "TooLarge", "the limit is 1048576", "split"),
    Mistake("long number", changed(N1, "vlan: 101", f"vlan: {'1' * 99}"), f"{N1}:14:19", "NumberTooLong", "digits"),
    Mistake("empty file", {**FILES, N1: b"# nothing\n"}, N1, "NoDocument", "holds no document", "write a Node"),
]

FIELD_MISTAKES = [
    Mistake(
        "unknown field",
        changed(N1, "  zone: east", "  zome: x\n  zone: east"),
        f"{N1}:5:3",
        "UnknownField",
        "there is no field spec.zome",
        "did you mean zone?",
    ),
    Mistake(
        "unknown inner field",
        changed(N1, "{vlan", "{vlam: 1, vlan"),
        f"{N1}:14:13",
        "UnknownField",
        "spec.airlock.vlam",
        "did you mean vlan?",
    ),
    Mistake(
        "unknown field in a list",
        changed(N1, "name: eno1", "name: eno1\n      prot: x"),
        f"{N1}:9:7",
        "UnknownField",
        "spec.interfaces[0].prot",
        "did you mean port?",
    ),
    Mistake(
        "snake case",
        changed(TOP, "  evidence", "  boot_deadline: 5m\n  evidence"),
        f"{TOP}:9:3",
        "UnknownField",
        "boot_deadline",
        "did you mean bootDeadline?",
    ),
    Mistake(
        "nothing like it",
        changed(N1, "  zone: east", "  qqq: x\n  zone: east"),
        f"{N1}:5:3",
        "UnknownField",
        "spec.qqq",
        "delete it",
    ),
    Mistake(
        "missing field",
        changed(N1, "      port: swp1\n", ""),
        f"{N1}:8:7",
        "MissingField",
        "spec.interfaces[0].port is missing",
        "add it",
    ),
    Mistake(
        "missing section", {**FILES, NET: FILES[NET].split(b"spec")[0]}, f"{NET}:1:1", "MissingField", "spec is missing"
    ),
    Mistake(
        "number for a name",
        changed(N1, "port: swp1", "port: 0012e4"),
        f"{N1}:11:13",
        "WrongType",
        "is a number; text is wanted",
        'put it in quotes: "0012e4"',
    ),
    Mistake(
        "true for a name",
        changed(N1, "port: swp1", "port: true"),
        f"{N1}:11:13",
        "WrongType",
        "is true or false; text",
        'quotes: "true"',
    ),
    Mistake(
        "text for a number",
        changed(N1, "vlan: 101", 'vlan: "101"'),
        f"{N1}:14:19",
        "WrongType",
        "is text; a whole number",
        "without quotes: 101",
    ),
    Mistake(
        "fraction for a number",
        changed(N1, "vlan: 101", "vlan: 101.5"),
        f"{N1}:14:19",
        "WrongType",
        "a whole number is wanted",
    ),
    Mistake(
        "infinity for a number",
        changed(N1, "vlan: 101", "vlan: .inf"),
        f"{N1}:14:19",
        "WrongType",
        "a whole number is wanted",
    ),
    Mistake(
        "no value", changed(N1, "vlan: 101", "vlan: "), f"{N1}:14:13", "WrongType", "is empty; a whole number is wanted"
    ),
    Mistake(
        "text for a list",
        changed(SWITCH, "[swp1, swp2, swp3]", "swp1"),
        f"{SWITCH}:9:10",
        "WrongType",
        "is text; a list is wanted",
        "in brackets: [swp1]",
    ),
    Mistake(
        "list for a mapping",
        changed(N1, "{vlan: 101}", "[101]"),
        f"{N1}:14:12",
        "WrongType",
        "is a list; a mapping is wanted",
    ),
    Mistake(
        "number for a duration",
        changed(TOP, "  evidence", "  interval: 30\n  evidence"),
        f"{TOP}:9:13",
        "WrongType",
        "a duration is wanted",
        "30s, 5m, 2h",
    ),
    Mistake(
        "bad duration",
        changed(TOP, "  evidence", "  interval: 30 s\n  evidence"),
        f"{TOP}:9:13",
        "BadValue",
        "a whole number and one of s, m, h",
    ),
    Mistake(
        "VLAN out of range",
        changed(NET, "vlan: 200", "vlan: 4095"),
        f"{NET}:6:9",
        "OutOfRange",
        "spec.vlan is 4095; the most is 4094",
    ),
    Mistake(
        "VLAN nought",
        changed(NET, "vlan: 200", "vlan: 0"),
        f"{NET}:6:9",
        "OutOfRange",
        "spec.vlan is 0; the least is 1",
    ),
    Mistake(
        "bad MAC",
        changed(N1, "52:54:00:00:03:01", "52-54-00-00-03-01"),
        f"{N1}:9:12",
        "BadValue",
        "is not a MAC address",
        "lower case with colons",
    ),
    Mistake(
        "bad name",
        changed(N1, "port: swp1", "port: swp 1"),
        f"{N1}:11:13",
        "BadValue",
        "is not a switch port",
        "without spaces",
    ),
    Mistake(
        "bad name of a zone",
        changed(SWITCH, "zone: east", "zone: East_1"),
        f"{SWITCH}:5:9",
        "BadValue",
        "is not a name",
        "lower-case letters",
    ),
    Mistake(
        "driver and address do not fit",
        changed(SWITCH, "tcp:127.0.0.1:6640", "ssh:127.0.0.1:830"),
        f"{SWITCH}:5:3",
        "BadValue",
        "the address of driver openvswitch begins with tcp:",
    ),
    Mistake(
        "bad address", changed(SWITCH, "tcp:127", "udp:127"), f"{SWITCH}:7:12", "BadValue", "is not a switch's address"
    ),
    Mistake(
        "wrong version",
        changed(N1, "v1alpha1", "v1"),
        f"{N1}:1:13",
        "BadValue",
        "is ringfence/v1, which is not known",
        "did you mean ringfence/v1alpha1?",
    ),
    Mistake(
        "wrong choice",
        changed(POLICY, "derived", "derivd"),
        f"{POLICY}:6:10",
        "BadValue",
        "is derivd, which",
        "did you mean derived?",
    ),
    Mistake(
        "far-off choice", changed(POLICY, "derived", "x"), f"{POLICY}:6:10", "BadValue", "is x, which", "write derived"
    ),
    Mistake(
        "empty list",
        changed(SWITCH, "[swp1, swp2, swp3]", "[]"),
        f"{SWITCH}:9:10",
        "BadValue",
        "is empty",
        "at least one",
    ),
    Mistake(
        "list too long",
        changed(BLUE, "[blue-net]", "[blue-net, blue-net]"),
        f"{BLUE}:8:13",
        "BadValue",
        "is too long; the most is 1",
    ),
    Mistake(
        "rule of the model",
        changed(ZONE, "first: 100, last: 199", "first: 199, last: 100"),
        f"{ZONE}:6:17",
        "BadValue",
        "last is smaller than first",
    ),
    Mistake(
        "PCR missing from a policy",
        changed(POLICY, "0, 1, ", ""),
        f"{POLICY}:5:3",
        "PolicyIncomplete",
        "pcrs lacks 0",
        "add it to the policy",
    ),
    Mistake(
        "bad key of a mapping",
        changed(POLICY, "  image", '  firmware: [{profile: x, pcrs: {"9": [' + "a" * 64 + "]}}]\n  image"),
        f"{POLICY}:6:34",
        "BadValue",
        "not the number of a firmware PCR",
        "from 0 to 7",
    ),
    Mistake(
        "unknown kind",
        changed(N1, "kind: Node", "kind: Nod"),
        f"{N1}:2:7",
        "UnknownKind",
        "there is no kind Nod",
        "did you mean Node?",
    ),
    Mistake(
        "no such kind",
        changed(N1, "kind: Node", "kind: 5"),
        f"{N1}:2:7",
        "UnknownKind",
        "there is no kind 5",
        "kinds are Repository",
    ),
    Mistake("no kind", changed(N1, "kind: Node\n", ""), f"{N1}:1:1", "MissingField", "kind is missing", "say one of"),
    Mistake(
        "a list as document", {**FILES, N1: b"- a\n"}, f"{N1}:1:1", "WrongType", "is a list; a document is a mapping"
    ),
]

MISTAKES = [*YAML_MISTAKES, *FIELD_MISTAKES]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_mistake_is_told_with_its_place_and_a_hint(mistake: Mistake) -> None:
    found = findings(mistake.files)
    assert [finding.code for finding in found][:1] == [mistake.code], found
    first = found[0]
    assert first.place == mistake.place, found
    assert mistake.message in first.message
    assert mistake.hint in first.hint


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_mistake_has_no_echo(mistake: Mistake) -> None:
    """One mistake, one finding: a broken node does not make everything that mentions it look wrong."""
    assert len(findings(mistake.files)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("yes", "yes"),
        ("0o17", 15),
        ("0x1F", 31),
        ("012", 12),
        ("1_000", "1_000"),
        ("2026-01-02", "2026-01-02"),
        ("'1'", "1"),
        ("~", None),
        ("TRUE", True),
        ("-1.5e3", -1500.0),
        ("-.inf", float("-inf")),
        ("0b1", "0b1"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    documents, wrong = parse_documents(f"a: {text}\n".encode(), path="x.yaml")
    assert not wrong
    assert documents[0].value == {"a": value}
