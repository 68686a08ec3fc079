"""The memory of an appraiser: what recurs is computed once, dates are minded, and it stays within its bounds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.appraise import appraise
from reconciler.attest.appraiser import Appraiser
from reconciler.attest.memory import Memory
from reconciler.attest.parts import Parts
from reconciler.attest.verdict import Accepted, Rejected
from tests.support.appraisals import booted, expected_of
from tests.support.pki import authority, ek, revocations
from tests.support.softtpm import NOW, Challenge, Lie


def test_what_recurs_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict[str, int] = {}
    for name in ("endorsement", "attestation_key", "activation", "boot", "lacks", "weakenings", "requirement"):
        plain = getattr(Parts, name)

        def counted(self: Parts, *args: Any, _name: str = name, _plain: Any = plain, **more: Any) -> Any:  # noqa: ANN401
            calls[_name] = calls.get(_name, 0) + 1
            return _plain(self, *args, **more)

        monkeypatch.setattr(Parts, name, counted)
    tpm, judge = booted(), Appraiser()
    expectation = expected_of(tpm)
    for number in range(5):
        evidence = tpm.evidence(Challenge(nonce=bytes([number]) * 32))
        assert isinstance(judge.appraise(evidence, expectation=expectation), Accepted)
    assert set(calls.values()) == {1}


def test_an_endorsement_is_judged_anew_where_a_date_may_make_a_difference() -> None:
    tpm, judge = booted(), Appraiser()
    evidence = tpm.evidence()
    for days in (0, 1, -20000, 20000, 1, 0, 20000):
        at = NOW + timedelta(days=days)
        expectation = expected_of(tpm, judged_at=at)
        given = replace(evidence, challenged_at=at)
        verdict = judge.appraise(given, expectation=expectation)
        assert verdict == appraise(given, expectation=expectation)
        assert isinstance(verdict, Accepted if abs(days) < 2 else Rejected)


def test_what_is_refused_is_judged_each_time_and_without_a_key_too() -> None:
    tpm, judge = booted(), Appraiser(kept=1)
    expectation = expected_of(tpm)
    for lie in (Lie.STRANGER, Lie.FORGED_EK, Lie.GARBAGE, None, Lie.GARBAGE, Lie.FORGED_EK):
        evidence = tpm.evidence(lie=lie)
        assert judge.appraise(evidence, expectation=expectation) == appraise(evidence, expectation=expectation)


def test_a_memory_keeps_the_newest_and_no_more() -> None:
    memory: Memory[str, int] = Memory(2)
    assert memory.find("a") is None
    assert memory.get("a", lambda: 1) == 1
    assert memory.get("a", lambda: 2) == 1
    memory.put("b", 2)
    assert memory.find("a") == 1
    memory.put("c", 3)
    assert (memory.find("b"), memory.find("a"), len(memory)) == (None, 1, 2)


def _at(begin: int, end: int) -> dict[str, Any]:
    return {"begin": NOW + timedelta(days=begin), "end": NOW + timedelta(days=end)}


_ROOT = authority("Root")
_OTHERS = [authority("Middle", by=_ROOT, serial=serial, **_at(*days)) for serial, days in ((2, (-9, 9)), (3, (-5, 20)))]
_LISTS = (revocations(_ROOT, due=NOW + timedelta(days=12)), revocations(_OTHERS[0], due=NOW + timedelta(days=7)))


@pytest.mark.parametrize("lists", [(), _LISTS])
@given(days=st.lists(st.sampled_from(range(-12, 25)), min_size=1, max_size=8), seconds=st.sampled_from((-1, 0, 1)))
def test_dates_of_everything_that_might_be_on_a_path_are_minded(
    lists: tuple[bytes, ...], days: list[int], seconds: int
) -> None:
    tpm, judge = booted(), Appraiser()
    tpm.ek_certificate = ek(_OTHERS[0], **_at(-7, 15))
    anchors: dict[str, Any] = {
        "ek_roots": (_ROOT.pem,),
        "ek_intermediates": tuple(one.pem for one in _OTHERS),
        "ek_crls": lists,
    }
    for day in (*days, -6, -8, 14, 16):
        at = NOW + timedelta(days=day, seconds=seconds)
        evidence = replace(tpm.evidence(), challenged_at=at)
        expectation = expected_of(tpm, judged_at=at, **anchors)
        assert judge.appraise(evidence, expectation=expectation) == appraise(evidence, expectation=expectation)
