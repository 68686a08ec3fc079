import ast
import re
from pathlib import Path

import pytest

import reconciler.attest
from reconciler.attest.claims import Claim
from reconciler.attest.codes import CODES
from reconciler.attest.eventlog.variables import GLOBAL, parse_variable
from reconciler.attest.explain import explain, place_of
from reconciler.attest.reader import MalformedError
from reconciler.attest.verdict import Reason, Vector
from tests.support.firmware import variable

ROOM = Path(reconciler.attest.__file__).parent


def codes_in_the_source() -> set[str]:
    trees = [ast.parse(path.read_text()) for path in ROOM.rglob("*.py") if path.name != "codes.py"]
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and text in CODES}


def given_codes() -> set[str]:
    found = set()
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                found.add(node.value.value)
    return found


def test_every_code_that_is_given_is_in_the_table_and_every_entry_is_given() -> None:
    assert given_codes() <= CODES.keys()
    assert codes_in_the_source() == set(CODES)


@pytest.mark.parametrize("name", CODES)
def test_every_code_has_a_meaning_a_hint_and_a_claim(name: str) -> None:
    code = CODES[name]
    assert re.fullmatch(r"[A-Z][A-Za-z]+", name)
    assert code.meaning
    assert code.hint
    assert code.claims


def test_claims_are_the_vectors_fields() -> None:
    assert {str(claim) for claim in Claim} == set(Vector.__dataclass_fields__)


def test_reasons_are_told_with_their_place_digests_and_hint() -> None:
    reasons = [
        Reason(
            code="MeasurementMismatch",
            message="something else was measured than the image",
            pcr=4,
            bank="sha256",
            event=22,
            event_type="EV_EFI_BOOT_SERVICES_APPLICATION",
            expected="aa",
            found="bb",
        ),
        Reason(code="OfAnotherRelease", message="unknown here"),
    ]
    assert explain(reasons) == (
        "MeasurementMismatch: something else was measured than the image"
        " [PCR 4 (sha256), event 22 EV_EFI_BOOT_SERVICES_APPLICATION]\n"
        "  expected: aa\n"
        "  found:    bb\n"
        f"  hint: {CODES['MeasurementMismatch'].hint}\n"
        "  page: docs/reasons/MeasurementMismatch.md\n"
        "OfAnotherRelease: unknown here\n"
    )


def test_a_place_may_be_a_pcr_or_an_event_alone() -> None:
    assert place_of(Reason(code="X", message="x", pcr=4)) == "PCR 4"
    assert place_of(Reason(code="X", message="x", event=3)) == "event 3"


def test_a_variable_is_read_to_its_last_byte() -> None:
    found = parse_variable(variable("SecureBoot", b"\1"))
    assert (found.vendor, found.name, found.content) == (GLOBAL, "SecureBoot", b"\1")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends within"),
        (variable("SecureBoot", b"\1") + b"\0", "too many"),
        (variable("SecureBoot", b"\1")[:-1], "ends within"),
        (variable("x" * 1025, b""), "at most 1024"),
        (bytes(16) + b"\1" + bytes(15) + b"\x00\xd8", "not text"),
    ],
)
def test_a_malformed_variable_is_refused_and_says_why(data: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        parse_variable(data)
