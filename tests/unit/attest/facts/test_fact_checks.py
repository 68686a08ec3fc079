import json
from typing import Any

import pytest

from reconciler.attest.codes import CODES
from reconciler.attest.facts.assertions import check_facts
from reconciler.attest.facts.document import facts_document, facts_text
from reconciler.attest.facts.suggest import suggest_assertions
from reconciler.attest.facts.values import Fact, Facts, FactValue, Problem
from reconciler.attest.verdict import Reason
from reconciler.model.facts import FACTS, FactAssertion
from reconciler.model.families import Family, Overlay

A, B, C = "a" * 64, "b" * 64, "c" * 64


def fact(name: str, value: FactValue, *, events: tuple[int, ...] = (5,), verified: bool = True) -> Fact:
    return Fact(
        name=name, value=value, pcr=FACTS[name].pcrs[0], bank="sha256", events=events, verified=verified, labels=("x",)
    )


ON = fact("secureBoot", value=True)
OFF = fact("secureBoot", value=False)


def facts(
    *found: Fact, problems: tuple[Problem, ...] = (), family: Family = Family.UEFI, quoted: range = range(24)
) -> Facts:
    return Facts(
        family=family,
        overlays=(),
        bank="sha256",
        quoted=tuple(quoted),
        found={entry.name: entry for entry in found},
        problems=problems,
    )


def reasons(known: Facts, *, profile: str | None = None, **fields: object) -> list[Reason]:
    assertion = FactAssertion.model_validate_json(json.dumps(fields))
    return list(check_facts(known, [assertion], profile=profile))


def codes(known: Facts, **fields: object) -> list[str]:
    return [reason.code for reason in reasons(known, **fields)]


@pytest.mark.parametrize(
    ("name", "value", "holds", "fails"),
    [
        ("secureBoot", True, {"equals": True}, {"equals": False}),
        ("sbatLevel", 2021, {"equals": 2021}, {"equals": 2022}),
        ("sbatLevel", 2021, {"atLeast": 2021}, {"atLeast": 2022}),
        ("startupLocality", 0, {"equals": 0}, {"equals": 3}),
        ("scrtmVersion", "1.2", {"equals": "1.2"}, {"equals": "1.3"}),
        ("scrtmVersion", "1.2", {"within": ["1.1", "1.2"]}, {"within": ["1.1"]}),
        ("mokList", A, {"within": [A, B]}, {"within": [B]}),
        ("drivers", (), {"within": []}, {"includes": [A]}),
        ("drivers", (A,), {"within": [A, B]}, {"within": []}),
        ("drivers", (A, B), {"includes": [B]}, {"includes": [C]}),
        ("bootApplications", (A, B), {"equals": [A, B]}, {"equals": [B, A]}),
        ("bootApplications", (A, B), {"equals": [A, B]}, {"equals": [A]}),
        ("bootApplications", (A, B), {"equals": [A, B]}, {"equals": [A, B, C]}),
        ("dbx", frozenset({A, B}), {"equals": [B, A]}, {"equals": [A]}),
        ("dbx", frozenset({A, B}), {"equals": [B, A]}, {"equals": [A, B, C]}),
        ("dbx", frozenset({A, B}), {"includes": [B]}, {"includes": [B, C]}),
        ("db", frozenset({A}), {"within": [A, B]}, {"within": [B]}),
        ("dbx", frozenset(), {"absent": True}, {"includes": [A]}),
        ("drivers", (), {"absent": True}, {"includes": [A]}),
        ("grubCommands", ("a", "b"), {"within": ["a", "b"]}, {"absent": True}),
        ("mokList", A, {"equals": A}, {"absent": True}),
        ("dbx", frozenset({A}), {"equals": [A]}, {"absent": True}),
        ("ukiSections", {".linux": A, ".osrel": B}, {"includes": {".linux": A}}, {"includes": {".linux": B}}),
        ("ukiSections", {".linux": A, ".osrel": B}, {"includes": {".linux": A}}, {"equals": {".linux": A}}),
        ("ukiSections", {".linux": A}, {"equals": {".linux": A}}, {"equals": {".linux": A, ".osrel": B}}),
        ("sbatGenerations", {"shim": 4}, {"atLeast": {"shim": 3}}, {"atLeast": {"shim": 5}}),
        ("sbatGenerations", {"shim": 4}, {"equals": {"shim": 4}}, {"atLeast": {"grub": 1}}),
        ("sbatGenerations", {"shim": 4}, {"equals": {"shim": 4}}, {"absent": True}),
    ],
)
def test_a_value_satisfies_what_it_is_and_nothing_else(
    name: str, value: FactValue, holds: dict[str, Any], fails: dict[str, Any]
) -> None:
    known = facts(fact(name, value, events=(5, 6)))
    assert codes(known, fact=name, **holds) == []
    assert set(codes(known, fact=name, **fails)) == {"FactMismatch"}


@pytest.mark.parametrize(
    "assertion",
    [{"equals": [A]}, {"within": [A, B]}, {"includes": [A]}, {"absent": True}],
)
def test_a_fact_that_is_unverified_or_ambiguous_never_satisfies(assertion: dict[str, Any]) -> None:
    unverified = facts(fact("dbx", frozenset({A}), verified=False))
    assert codes(unverified, fact="dbx", **assertion) == ["FactUnverified"]
    problem = Problem(facts=("db", "dbx"), pcr=7, message="measured twice", event=9)
    assert codes(facts(problems=(problem,)), fact="dbx", **assertion) == ["FactAmbiguous"]
    both = facts(fact("dbx", frozenset({A})), problems=(problem,))
    assert "FactAmbiguous" in codes(both, fact="dbx", **assertion)


def test_a_fact_that_nothing_proves_satisfies_absence_only() -> None:
    assert codes(facts(), fact="sbatLevel", atLeast=1) == ["FactMissing"]
    assert codes(facts(), fact="sbatLevel", absent=True) == []


@pytest.mark.parametrize("assertion", [{"equals": A}, {"absent": True}])
def test_a_fact_that_the_family_or_the_quote_does_not_have_satisfies_nothing(assertion: dict[str, Any]) -> None:
    (reason,) = reasons(facts(family=Family.HEADS), fact="mokList", **assertion)
    assert (reason.code, reason.message) == ("FactMissing", "there is no fact mokList in family heads")
    (reason,) = reasons(facts(quoted=range(8)), fact="mokList", **assertion)
    assert (reason.code, reason.message) == ("FactMissing", "mokList needs PCR 14, which is not quoted")


def test_a_launch_is_missing_without_its_overlay() -> None:
    assert codes(facts(), fact="txtLaunch", equals=False) == ["FactMissing"]


def test_an_assertion_is_asked_of_its_families_and_profiles_only() -> None:
    heads = facts(family=Family.HEADS)
    restricted: dict[str, Any] = {"fact": "mokList", "equals": A, "families": ["uefi"]}
    assert reasons(heads, **restricted) == []
    assert [reason.code for reason in reasons(facts(), **restricted)] == ["FactMissing"]
    for profile, expected in (("r650", 1), ("r750", 0), (None, 1)):
        found = reasons(facts(), profile=profile, fact="mokList", equals=A, profiles=["r650"])
        assert len(found) == expected


def test_reasons_name_the_entry_and_the_event_that_differ() -> None:
    known = facts(fact("drivers", (A, B, C), events=(11, 12, 13)))
    assert reasons(known, fact="drivers", within=[A, C]) == [
        Reason(
            code="FactMismatch",
            message="drivers is not as the policy asserts: within",
            pcr=2,
            bank="sha256",
            event=12,
            expected="one of 2 that are allowed",
            found=B,
        )
    ]
    (missing,) = reasons(known, fact="drivers", equals=[A, B, C, A])
    assert (missing.event, missing.expected, missing.found) == (None, A, None)
    (extra,) = reasons(known, fact="drivers", equals=[A, B])
    assert (extra.event, extra.expected, extra.found) == (13, None, C)
    (first, *_) = reasons(known, fact="drivers", within=[])
    assert (first.event, first.expected, first.found) == (11, "nothing", A)


def test_a_scalar_names_its_only_event() -> None:
    (reason,) = reasons(facts(OFF), fact="secureBoot", equals=True)
    assert (reason.pcr, reason.event, reason.expected, reason.found) == (7, 5, "true", "false")
    (reason,) = reasons(facts(fact("secureBoot", value=False, events=())), fact="secureBoot", equals=True)
    assert reason.event is None
    (reason,) = reasons(facts(fact("mokList", A)), fact="mokList", within=[B])
    assert (reason.event, reason.expected, reason.found) == (5, B, A)


def test_maps_name_the_entry_that_differs() -> None:
    (reason,) = reasons(facts(fact("sbatGenerations", {"shim": 2})), fact="sbatGenerations", atLeast={"shim": 4})
    assert (reason.expected, reason.found) == ("shim 4", "shim 2")
    (reason,) = reasons(facts(fact("ukiSections", {".linux": A})), fact="ukiSections", equals={})
    assert (reason.expected, reason.found) == (None, f".linux {A}")


def test_reasons_stay_few_and_short() -> None:
    many = frozenset(f"{number:064x}" for number in range(100))
    assert len(reasons(facts(fact("dbx", many)), fact="dbx", within=[])) == 16
    (reason,) = reasons(facts(fact("scrtmVersion", "x" * 1000)), fact="scrtmVersion", equals="y")
    assert reason.found == "x" * 255 + "…"


@pytest.mark.parametrize("assertion", [{"equals": {".linux": A}}, {"absent": True}])
def test_reasons_about_unproven_facts_say_what_was_asserted(assertion: dict[str, Any]) -> None:
    known = facts(fact("ukiSections", {".linux": B}, verified=False))
    (reason,) = reasons(known, fact="ukiSections", **assertion)
    assert reason.expected in {f"equals .linux {A}", "absent true"}
    assert reason.found == f".linux {B}"


def test_every_code_of_a_fact_has_a_hint() -> None:
    for name in ("FactMissing", "FactUnverified", "FactAmbiguous", "FactMismatch"):
        assert CODES[name].hint


def test_the_document_is_stable_json_in_the_tables_order() -> None:
    known = Facts(
        family=Family.UEFI,
        overlays=(Overlay.TBOOT,),
        bank="sha256",
        quoted=(0, 7),
        found={
            "dbx": fact("dbx", frozenset({B, A})),
            "secureBoot": ON,
            "drivers": fact("drivers", (B, A)),
            "sbatGenerations": fact("sbatGenerations", {"shim": 2, "grub": 3}),
        },
        problems=(Problem(facts=("pk",), pcr=7, message="measured twice", event=9),),
    )
    document = facts_document(known)
    assert list(document["facts"]) == ["drivers", "secureBoot", "dbx", "sbatGenerations"]
    assert json.loads(json.dumps(document)) == document
    assert document["facts"]["dbx"] == {
        "kind": "digest set",
        "value": [A, B],
        "pcr": 7,
        "bank": "sha256",
        "events": [5],
        "verified": True,
        "labels": ["x"],
    }
    assert document["facts"]["drivers"]["value"] == [B, A]
    assert list(document["facts"]["sbatGenerations"]["value"]) == ["grub", "shim"]
    assert document["problems"] == [{"facts": ["pk"], "pcr": 7, "event": 9, "message": "measured twice"}]
    assert (document["family"], document["overlays"], document["quoted"]) == ("uefi", ["tboot"], [0, 7])


KNOWN = facts(
    fact("startupLocality", 3, events=()),
    fact("scrtmVersion", "1.2", verified=False),
    fact("firmwareConfig", (A,)),
    fact("drivers", ()),
    fact("bootApplications", (A, B), events=(7, 9)),
    ON,
    fact("db", frozenset({B, A})),
    fact("dbx", frozenset({f"{number:064x}" for number in range(5)})),
    fact("sbatLevel", 2023012900),
    fact("sbatGenerations", {"shim": 2, "grub": 3}),
    problems=(
        Problem(facts=("pk", "kek"), pcr=7, message="measured twice", event=9),
        Problem(facts=("initrd",), pcr=9, message="not told apart"),
    ),
)


def test_facts_are_told_in_lines_with_their_place() -> None:
    assert facts_text(KNOWN) == (
        "startupLocality: 3 [PCR 0]\n"
        "scrtmVersion: 1.2 [PCR 0, event 5, not verified]\n"
        f"firmwareConfig: {A} [PCR 1, event 5]\n"
        "drivers: none [PCR 2, event 5]\n"
        f"bootApplications: {A}, {B} [PCR 4, event 7 to 9]\n"
        "secureBoot: true [PCR 7, event 5]\n"
        f"db: {A}, {B} [PCR 7, event 5]\n"
        "dbx: 5 entries [PCR 7, event 5]\n"
        "sbatLevel: 2023012900 [PCR 7, event 5]\n"
        "sbatGenerations: grub 3, shim 2 [PCR 7, event 5]\n"
        "not proven: pk, kek: measured twice [PCR 7, event 9]\n"
        "not proven: initrd: not told apart [PCR 9]\n"
    )


def test_what_a_boot_suggests_holds_of_it_and_leaves_out_what_is_its_own() -> None:
    suggested = list(suggest_assertions(KNOWN))
    assert {assertion.fact: assertion.operator[0] for assertion in suggested} == {
        "startupLocality": "equals",
        "drivers": "equals",
        "bootApplications": "equals",
        "secureBoot": "equals",
        "db": "equals",
        "dbx": "includes",
        "sbatLevel": "atLeast",
        "sbatGenerations": "atLeast",
    }
    assert list(check_facts(KNOWN, suggested)) == []


def test_revocations_that_are_empty_are_suggested_as_they_are() -> None:
    (suggested,) = suggest_assertions(facts(fact("dbx", frozenset())))
    assert suggested.operator == ("equals", ())
