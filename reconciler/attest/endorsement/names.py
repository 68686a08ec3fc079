"""Distinguished names: as text for people, and in a form in which equal names are equal.

The text follows RFC 4514; what a terminal would not show is written in hexadecimal. Names
are only used to *find* candidates: whether one certificate issued another is decided by
the signature. Candidates whose name is equal byte for byte come first; then those whose
name is equal after RFC 5280's normalisation (any string type, case folded, white space
collapsed, NFKC), of which stringprep's tables of forbidden characters are left out.

Source: RFC 5280, 4.1.2.4 and 7.1; RFC 4514, 2.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator

from reconciler.attest.endorsement import der
from reconciler.attest.endorsement.oids import dotted
from reconciler.attest.reader import MalformedError

_WHAT = "name"
_MAX_TEXT = 256
_ENCODINGS = {0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii"}
_WIDE = {0x1C: "utf-32-be", 0x1E: "utf-16-be"}
_KEYWORDS = {
    "2.5.4.3": "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.25": "DC",
    "2.23.133.2.1": "tpmManufacturer",
    "2.23.133.2.2": "tpmModel",
    "2.23.133.2.3": "tpmVersion",
}
Attribute = tuple[str, der.Element]


def relative_names(name: bytes) -> Iterator[list[Attribute]]:
    """Yield the relative distinguished names of a DER Name, each a list of dotted types and values."""
    for group in der.elements(der.only_element(name, tag=der.SEQUENCE, what=_WHAT).content, what=_WHAT):
        if group.tag != der.SET:
            raise MalformedError(_WHAT, "holds something else than sets of attributes")
        yield [_attribute(pair) for pair in der.elements(group.content, what=_WHAT)]


def _attribute(pair: der.Element) -> Attribute:
    children = der.elements(pair.content, what=_WHAT)
    kind = der.expect(children, tag=der.OBJECT_IDENTIFIER, what=_WHAT)
    value = next(children, None)
    if value is None:
        raise MalformedError(_WHAT, "holds an attribute without a value")
    der.finish(children, what=_WHAT)
    return dotted(kind.content), value


def text_of(value: der.Element) -> str | None:
    """Return the characters of a string element, or None if it is no string or not in its encoding."""
    encoding = _ENCODINGS.get(value.tag) or _WIDE.get(value.tag)
    if encoding is None:
        return None
    try:
        return value.content.decode(encoding)
    except UnicodeDecodeError:
        return None


def name_text(name: bytes) -> str:
    """Return a DER Name as RFC 4514 text of at most 256 characters; a malformed one as ``#`` and hexadecimal digits."""
    try:
        groups = list(relative_names(name))
    except MalformedError:
        return f"#{name.hex()}"[:_MAX_TEXT]
    text = ",".join("+".join(_shown(*attribute) for attribute in group) for group in reversed(groups))
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"


def _shown(kind: str, value: der.Element) -> str:
    text = text_of(value)
    shown = f"#{value.raw.hex()}" if text is None else escaped(text)
    return f"{_KEYWORDS.get(kind, kind)}={shown}"


def escaped(text: str) -> str:
    """Return ``text`` with RFC 4514's special characters, and those that are not printable, escaped."""
    last = len(text) - 1
    return "".join(_character(one, is_edge=at in {0, last}, is_first=at == 0) for at, one in enumerate(text))


def _character(one: str, *, is_edge: bool, is_first: bool) -> str:
    if one in '"+,;<>\\' or (one == " " and is_edge) or (one == "#" and is_first):
        return f"\\{one}"
    if one.isprintable():
        return one
    return "".join(f"\\{octet:02X}" for octet in one.encode("utf-8", "surrogatepass"))


@functools.lru_cache(maxsize=4096)
def normal_form(name: bytes) -> bytes:
    """Return a value that is equal for names that RFC 5280, 7.1 calls equal; a malformed name stands for itself."""
    try:
        groups = [sorted(_normal(*attribute) for attribute in group) for group in relative_names(name)]
    except MalformedError:
        return name
    return repr(groups).encode("utf-8", "surrogatepass")


def _normal(kind: str, value: der.Element) -> tuple[str, str]:
    text = text_of(value)
    if text is None:
        return kind, f"#{value.raw.hex()}"
    # Folding may denormalise, so it is normalised again.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return kind, " " + " ".join(folded.split())
