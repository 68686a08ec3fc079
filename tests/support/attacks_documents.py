"""Attacks by documents: signed by somebody who may, and not to be followed all the same."""

from __future__ import annotations

from tests.support.attack import Attack, by
from tests.support.attackrepo import NODE, TENANT, tenant
from tests.support.documents import FILES

_NODE = FILES[NODE]


def bomb(levels: int = 9) -> bytes:
    """Return anchors that stand for ten to the power of ``levels`` values."""
    first = b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"
    more = (b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, levels))
    return b"\n".join([first, *more])


def nested(levels: int = 50_000) -> bytes:
    """Return lists in lists."""
    return b"a: " + b"[" * levels + b"]" * levels


def documents(name: str, content: bytes, reason: str, message: str = "", *, path: str = NODE) -> Attack:
    return Attack(name, by("alice", {path: content}), reason, message, "documents")


HUGE = _NODE + b"#" * (2 << 20)
MANY_ANCHORS = b"\n".join(b"k%d: &a%d x" % (number, number) for number in range(20_000))
ATTACKS = (
    documents("a huge document", HUGE, "TooLarge", "the limit is"),
    documents("a deeply nested document", nested(), "TooDeep", "deeper than"),
    documents("deeply nested mappings", b"{a: " * 50_000, "TooDeep"),
    documents("anchors that explode", bomb(), "AnchorRefused", "&a0"),
    documents("twenty thousand anchors", MANY_ANCHORS, "AnchorRefused"),
    documents("an alias to nothing", _NODE + b"x: *nothing\n", "AliasRefused"),
    documents("an anchor that contains itself", b"a: &a [*a]", "AnchorRefused"),
    documents("a key twice", _NODE + b"kind: Node\n", "DuplicateKey", "second time"),
    documents("a tag that runs a program", b"a: !!python/object/apply:os.system [true]", "TagRefused"),
    documents("a tag of its own", _NODE.replace(b"zone: east", b"zone: !secret east"), "TagRefused"),
    documents("a directive", b"%YAML 1.1\n---\n" + _NODE, "DirectiveRefused"),
    documents("a tag directive", b"%TAG ! tag:evil.example,2000:\n---\n" + _NODE, "DirectiveRefused"),
    documents("bytes that are not UTF-8", _NODE + b"# \xff\n", "NotUtf8"),
    documents("UTF-16", _NODE.decode().encode("utf-16"), "NotUtf8"),
    documents("half a character", _NODE.replace(b"zone: east", b'zone: "\\ud800"'), "NotText"),
    documents("a number without end", _NODE.replace(b"vlan: 101", b"vlan: " + b"1" * 5000), "NumberTooLong"),
    documents("a list as a key", b"? [a, b]\n: c\n", "KeyNotText"),
    documents("a document that is not there", b"", "NoDocument", path="site/zones/east.yaml"),
    documents("an unknown field", tenant(4) + b"extra: 1\n", "UnknownField", path=TENANT),
    documents("another kind in this place", FILES["images/worker.yaml"], "WrongPlace", path=NODE),
    documents("a node of this name elsewhere", _NODE, "WrongName", path="site/nodes/n9.yaml"),
    documents("a document where nothing reads it", _NODE, "StrayFile", path="site/n9.yaml"),
)
