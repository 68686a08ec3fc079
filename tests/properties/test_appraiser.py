"""An appraiser with a memory says what ``appraise`` says, whatever it was asked before and however little it keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.appraise import appraise
from reconciler.attest.appraiser import Appraiser
from reconciler.attest.expectation import Expectation
from reconciler.attest.verdict import Accepted, Rejected
from reconciler.model.facts import FactAssertion
from reconciler.model.submission import Evidence
from tests.support.appraisals import MEASUREMENTS, booted, expected_of, policy_with
from tests.support.firmware import measurements_of
from tests.support.softtpm import NOW, Challenge, Lie

_AGES = [timedelta(0), timedelta(seconds=1), timedelta(days=400), timedelta(days=36500), timedelta(days=-36500)]
_CASES: list[tuple[Evidence, Expectation]] = []


def _cases() -> list[tuple[Evidence, Expectation]]:
    """Return honest and lying evidence of several TPMs, held against several rules at several times; made once."""
    if not _CASES:
        policies = [policy_with(), policy_with(facts=(FactAssertion(fact="secureBoot", equals=True),)), policy_with()]
        for name, options in (("n1", {}), ("n2", {}), ("n3", {"ek": "rsa"})):
            tpm = booted(name, **options)
            for lie in (None, None, *Lie):
                asked = Challenge(node=name, nonce=bytes([len(_CASES) % 256]) * 32)
                evidence = tpm.evidence(asked, lie=lie)
                for policy in policies:
                    for age in _AGES:
                        rules = {"node": name, "policy": policy, "judged_at": NOW + age}
                        _CASES.append((replace(evidence, challenged_at=NOW + age), expected_of(tpm, **rules)))
                other = expected_of(tpm, node=name, measurements=measurements_of("another"))
                _CASES.append((evidence, other))
                _CASES.append((evidence, replace(other, measurements=MEASUREMENTS, ek_roots=())))
                _CASES.append((replace(evidence, ak_public=b""), other))
    return _CASES


@given(data=st.data(), kept=st.sampled_from((1, 2, 1000)))
def test_an_appraiser_that_remembers_gives_the_same_verdicts(data: st.DataObject, kept: int) -> None:
    cases = _cases()
    appraiser = Appraiser(kept=kept)
    for index in data.draw(st.lists(st.integers(0, len(cases) - 1), min_size=1, max_size=12)):
        evidence, expectation = cases[index]
        for _ in range(2):
            assert appraiser.appraise(evidence, expectation=expectation) == appraise(evidence, expectation=expectation)


def test_the_cases_hold_acceptances_and_rejections_of_many_kinds() -> None:
    verdicts = [appraise(evidence, expectation=expectation) for evidence, expectation in _cases()]
    assert sum(isinstance(verdict, Accepted) for verdict in verdicts) >= 6
    codes = {reason.code for verdict in verdicts if isinstance(verdict, Rejected) for reason in verdict.reasons}
    assert len(codes) > 20


def test_all_of_them_in_one_order_and_in_the_other() -> None:
    appraiser = Appraiser()
    for evidence, expectation in [*_cases(), *reversed(_cases())]:
        assert appraiser.appraise(evidence, expectation=expectation) == appraise(evidence, expectation=expectation)
