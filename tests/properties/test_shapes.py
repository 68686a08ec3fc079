"""Reading by shape is never anything but a quicker way to the same values."""

from __future__ import annotations

import json
import string

from hypothesis import given
from hypothesis import strategies as st

from reconciler.repo.documents import parse_documents
from reconciler.repo.shapes import read_by_shape
from tests.support.documents import FILES

SCALARS = st.sampled_from(
    [
        *("a", "n1", "yes", "no", "on", "null", "~", "Null", "true", "TRUE", "False", "y", "x0x", "x1x", "=", "<<"),
        *(
            "1",
            "-1",
            "+1",
            "010",
            "0o17",
            "0x1F",
            "0b1",
            "1_000",
            "1:30",
            "190:20:30",
            "1.5",
            "1e3",
            "1e999",
            ".5",
            ".",
        ),
        *(".inf", "-.INF", ".nan", "5.", "+.1", "1" * 39, "1" * 41, "0x" + "f" * 60, "2024-01-01", "12e4", "0012e4"),
        *("52:54:00:12:34:56", "tcp:127.0.0.1:6640", "sha256:" + "ab" * 32, "a:b", "a: b", "a:", ":a", "::", "a::b"),
        *(
            "a b",
            "a  b",
            "a - b",
            "- b",
            "-b",
            "--",
            "---",
            "...",
            "-",
            "?",
            "? a",
            "a ?",
            "a#b",
            "a #b",
            "#b",
            "%a",
            "@",
        ),
        *(
            '""',
            '"a"',
            '"a b"',
            '"a: b"',
            '"a # b"',
            '"x0x"',
            '"1"',
            '"\\n"',
            '"é"',
            '"“”…"',
            '"a',
            'a"',
            '"a"b',
            '"#"',
        ),
        *("''", "'a'", "'1'", "'it''s'", "'a\"b'", "'{'", '"{[,]}"', "é", "a\u0085b", '"\u2028"', '"\ufeff"', "a\tb"),
        *(
            "&a",
            "*a",
            "!a",
            "!!str 1",
            "|",
            ">",
            "|-",
            ">+",
            "`a",
            "a,b",
            "a]",
            "[",
            "]",
            "{",
            "}",
            "[a]",
            "{a: b}",
            "{a}",
        ),
        *(
            "[a, b]",
            "[ a , b ]",
            "[a,b]",
            "{a: 1, b: }",
            "{a: b, a: c}",
            "{a : b}",
            "[[a], {b: c}]",
            "[a: b]",
            "[,]",
            "[]",
        ),
        *(
            "{}",
            "{mac: 52:54:00, b: 1:2}",
            '{"a": b}',
            '{"a":b}',
            "{a:b}",
            "[a #b\n  , c]",
            "[a,\n b]",
            "{a: b,\n}",
            "",
        ),
        *(
            "a\n  b",
            "a\nb",
            '"a\n  b"',
            '"a\n # b"',
            "a # b\n  c",
            "- a",
            "- a: b",
            "x" * 400,
            "x " * 600,
            '"' + "y" * 998 + '"',
        ),
    ]
)
PLAIN = st.text(alphabet=string.ascii_letters + string.digits + " :-_./+~=@%#,[]{}\"'&*!|>?`\\\t", max_size=12)
VALUES = st.one_of(SCALARS, SCALARS, PLAIN)
KEYS = st.sampled_from(
    ["a", "b", "c", "a", "x0x", "x1x", "yes", "1", '"q"', "a b", "a-b", "- a", "a:b", "? a", "é", "{a: b}", "~"]
)
INDENTS = st.sampled_from(["", "", "  ", "  ", "    ", "   ", " ", "- ", "  - ", "- - ", "\t", "# "])
ENDS = st.sampled_from(
    ["", "", "", " ", " # note", "# note", " #", " # don't", ' # "', " # é\u2028", "  # x", "\r", " ,", ":"]
)


@st.composite
def files(draw: st.DrawFn) -> str:
    lines = []
    for _ in range(draw(st.integers(1, 8))):
        form = draw(st.integers(0, 9))
        indent, key, value, end = draw(INDENTS), draw(KEYS), draw(VALUES), draw(ENDS)
        if form <= 6:
            lines.append(f"{indent}{key}: {value}{end}")
        elif form == 7:
            lines.append(f"{indent}{key}:{end}")
        elif form == 8:
            lines.append(f"{indent}{value}{end}")
        else:
            lines.append(
                draw(st.sampled_from(["---", "...", "--- a", "--- # x", "", "# note", "  # note", "%YAML 1.2"]))
            )
    return "\n".join(lines) + draw(st.sampled_from(["\n", "", "\n\n", "\n#"]))


def holds(content: bytes) -> bool:
    """Compare both readers; return whether the quick one answered."""
    quick = read_by_shape(content)
    if quick is None:
        return False
    documents, findings = parse_documents(content, path="x.yaml")
    assert findings == []
    assert quick == [json.dumps(document.value) for document in documents]
    return True


@given(files())
def test_what_is_read_by_shape_is_what_the_careful_reader_reads(text: str) -> None:
    holds(text.encode("utf-8", "surrogatepass"))


@given(path=st.sampled_from(sorted(path for path in FILES if path.endswith(".yaml"))), data=st.data())
def test_a_changed_document_is_read_as_the_careful_reader_reads_it(path: str, data: st.DataObject) -> None:
    text = FILES[path].decode()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 6)))
        text = text[:start] + data.draw(st.one_of(VALUES, ENDS, INDENTS)) + text[end:]
    holds(text.encode("utf-8", "surrogatepass"))


@given(
    old=SCALARS,
    new=SCALARS,
    frame=st.sampled_from(["a: {}\n", "a: [{}, b]\n", "- {{a: {}}}\n", "a:\n- {}\n  b: c\n", "a: {}\n  \n"]),
)
def test_a_scalar_in_the_place_of_another_is_read_for_itself(old: str, new: str, frame: str) -> None:
    holds(frame.format(old).encode())
    holds(frame.format(new).encode())


@given(st.lists(st.sampled_from(["a: b\n", "a: [x, y]\n", "c:\n  - d: 1\n", "# é\n", "---\n", "e: 'f'\n"]), max_size=6))
def test_ordinary_files_are_read_by_shape(lines: list[str]) -> None:
    text = "".join(f"{line}" for line in lines).encode()
    documents, findings = parse_documents(text, path="x.yaml")
    assert holds(text) == (bool(documents) and not findings)
