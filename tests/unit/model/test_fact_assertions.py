import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.model.facts import FACTS, OPERATORS, PROOFS, FactAssertion, Kind, Proof
from reconciler.model.families import Family, Overlay

A, B = "a" * 64, "b" * 64


def read(**fields: object) -> FactAssertion:
    return FactAssertion.model_validate_json(json.dumps(fields))


def test_names_are_camel_case_and_every_row_says_what_it_means() -> None:
    for name, fact in FACTS.items():
        assert re.fullmatch(r"[a-z]+[A-Za-z]*", name)
        assert fact.name == name
        assert fact.meaning
        assert fact.pcrs
        assert fact.scopes


def test_every_kind_has_operators_and_every_proof_a_meaning() -> None:
    assert set(OPERATORS) == set(Kind)
    assert set(PROOFS) == set(Proof)
    assert {fact.kind for fact in FACTS.values()} == set(Kind)


@pytest.mark.parametrize(
    ("fields", "operator", "operand"),
    [
        ({"fact": "secureBoot", "equals": True}, "equals", True),
        ({"fact": "startupLocality", "equals": 3}, "equals", 3),
        ({"fact": "sbatLevel", "atLeast": 2023012900}, "atLeast", 2023012900),
        ({"fact": "sbatGenerations", "atLeast": {"shim": 4}}, "atLeast", {"shim": 4}),
        ({"fact": "scrtmVersion", "equals": "1.2"}, "equals", "1.2"),
        ({"fact": "scrtmVersion", "within": ["1.2", "1.3"]}, "within", ("1.2", "1.3")),
        ({"fact": "dbx", "includes": [A]}, "includes", (A,)),
        ({"fact": "drivers", "within": []}, "within", ()),
        ({"fact": "bootApplications", "equals": [A, A]}, "equals", (A, A)),
        ({"fact": "mokList", "within": [A, "c" * 40]}, "within", (A, "c" * 40)),
        ({"fact": "mokList", "absent": True}, "absent", True),
        ({"fact": "grubCommands", "includes": ["set pager=1"]}, "includes", ("set pager=1",)),
        ({"fact": "ukiSections", "includes": {".linux": A}}, "includes", {".linux": A}),
        ({"fact": "secureBoot", "equals": True, "families": ["uefi"], "profiles": ["r650"]}, "equals", True),
        ({"fact": "txtLaunch", "equals": True, "families": ["heads"]}, "equals", True),
    ],
)
def test_an_assertion_has_one_operator_that_fits_its_fact(
    fields: dict[str, Any], operator: str, operand: object
) -> None:
    assert read(**fields).operator == (operator, operand)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fact": "secureBot", "equals": True}, "there is no fact 'secureBot'; is it secureBoot?"),
        ({"fact": "???", "equals": True}, r"there is no fact '\?\?\?'$"),
        ({"fact": "secureBoot"}, "exactly one operator for secureBoot: equals"),
        ({"fact": "secureBoot", "equals": None}, "exactly one operator"),
        ({"fact": "dbx", "equals": [], "within": []}, "exactly one operator"),
        ({"fact": "secureBoot", "absent": True}, "secureBoot is a flag and takes equals, not absent"),
        ({"fact": "dbx", "atLeast": 3}, "dbx is a digest set and takes equals, within, includes, absent, not atLeast"),
        ({"fact": "secureBoot", "equals": "true"}, "equals of secureBoot is true or false"),
        ({"fact": "secureBoot", "equals": 1}, "equals of secureBoot is true or false"),
        ({"fact": "startupLocality", "equals": True}, "equals of startupLocality is a whole number"),
        ({"fact": "scrtmVersion", "equals": ["1"]}, "equals of scrtmVersion is a text"),
        ({"fact": "dbx", "includes": A}, "includes of dbx is a list of digests"),
        ({"fact": "dbx", "includes": ["abc"]}, "includes of dbx is a list of digests in lower-case hexadecimal"),
        ({"fact": "dbx", "includes": [A.upper()]}, "lower-case hexadecimal"),
        ({"fact": "mokList", "equals": "1"}, "equals of mokList is a digest in lower-case"),
        ({"fact": "mokList", "within": ["1"]}, "within of mokList is a list of digests"),
        ({"fact": "ukiSections", "equals": {".linux": 3}}, "equals of ukiSections is a map of names to digests"),
        ({"fact": "sbatGenerations", "atLeast": {"shim": "4"}}, "is a map of names to whole numbers"),
        ({"fact": "dbx", "includes": []}, "includes of dbx is empty, and would hold of anything"),
        ({"fact": "sbatGenerations", "atLeast": {}}, "would hold of anything"),
        ({"fact": "dbx", "equals": [A, A]}, "equals of dbx names something twice"),
        ({"fact": "drivers", "within": [A, A]}, "names something twice"),
        ({"fact": "secureBoot", "equals": True, "families": ["heads"]}, "family heads has no fact secureBoot"),
        ({"fact": "secureBoot", "equals": 1.5}, "a fact is compared with true or false"),
        ({"fact": "sbatGenerations", "equals": {"shim": True}}, "a fact is compared with"),
        ({"fact": "sbatGenerations", "equals": {"shim": "4", "grub": 3}}, "a fact is compared with"),
        ({"fact": "dbx", "equals": [1]}, "a fact is compared with"),
        ({"fact": "dbx", "absent": False}, "Input should be True"),
        ({"fact": "dbx", "absent": True, "families": []}, "at least 1"),
        ({"fact": "dbx", "absent": True, "unless": 1}, "Extra inputs"),
    ],
)
def test_an_assertion_that_does_not_fit_its_fact_is_refused_and_says_why(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(**fields)
    (error,) = refused.value.errors()
    assert re.search(message, error["msg"])


def test_families_and_overlays_have_different_names() -> None:
    assert not {str(family) for family in Family} & {str(overlay) for overlay in Overlay}
