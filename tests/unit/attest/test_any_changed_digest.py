"""A boot that differs in a single digest from a good one is rejected, and the reason names PCR and event.

The policy is the one that the good boot itself suggests, beside the image's measurements. Where the TPM was extended
with something else than its log says, nobody can know by which event: then the PCR is named.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.attest.eventlog.log import parse_event_log, replay_log
from reconciler.attest.facts.collect import collect_facts
from reconciler.attest.facts.suggest import suggest_assertions
from reconciler.model.families import Family
from reconciler.model.kinds import Measurements
from tests.support.appraisals import codes_of, expected_of, policy_with, rejected
from tests.support.firmware import LogEvent, encode
from tests.support.softtpm import Challenge, SoftTpm

LOG = (Path(__file__).parent / "eventlog" / "data" / "ovmf-uki.eventlog").read_bytes()
EVENTS = [LogEvent(pcr=e.pcr, type=e.type, data=e.data, digest=e.digest) for e in parse_event_log(LOG, bank="sha256")]
DIGESTS = {index: event.digest.hex() for index, event in enumerate(EVENTS, start=1)}
IMAGE = Measurements(
    pcr4=(DIGESTS[22], DIGESTS[31]),
    pcr9=(DIGESTS[32], DIGESTS[33]),
    pcr11=tuple(DIGESTS[index] for index in range(23, 31)),
)
PCRS = (0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 12)
SUGGESTED = tuple(
    suggest_assertions(collect_facts(replay_log(LOG, bank="sha256"), family=Family.UEFI, quoted=PCRS, bank="sha256"))
)
POLICY = policy_with(pcrs=PCRS, facts=SUGGESTED)


def booted(events: list[LogEvent]) -> SoftTpm:
    tpm = SoftTpm("n1")
    tpm.reset()
    tpm.measure(events)
    return tpm


def flipped(number: int) -> list[LogEvent]:
    event = EVENTS[number - 1]
    return [
        *EVENTS[: number - 1],
        replace(event, digest=bytes([event.digest[0] ^ 1]) + event.digest[1:]),
        *EVENTS[number:],
    ]


def test_the_good_boot_itself_is_accepted() -> None:
    tpm = booted(EVENTS)
    expectation = expected_of(tpm, policy=POLICY, measurements=IMAGE)
    assert codes_of(tpm.evidence(Challenge(pcrs=PCRS)), expectation) == set()


@pytest.mark.parametrize("number", range(1, len(EVENTS) + 1))
@pytest.mark.parametrize("where", ["measured and told", "told only"])
def test_a_changed_digest_names_its_pcr_and_its_event(number: int, where: str) -> None:
    tpm = booted(flipped(number) if where == "measured and told" else EVENTS)
    evidence = replace(tpm.evidence(Challenge(pcrs=PCRS)), event_log=encode(flipped(number)))
    reasons = rejected(evidence, expected_of(tpm, policy=POLICY, measurements=IMAGE)).reasons
    assert (EVENTS[number - 1].pcr, number) in {(reason.pcr, reason.event) for reason in reasons}, reasons


@pytest.mark.parametrize("number", range(1, len(EVENTS) + 1))
def test_a_digest_that_only_the_tpm_knows_names_its_pcr(number: int) -> None:
    tpm = booted(flipped(number))
    evidence = replace(tpm.evidence(Challenge(pcrs=PCRS)), event_log=LOG)
    (reason,) = rejected(evidence, expected_of(tpm, policy=POLICY, measurements=IMAGE)).reasons
    assert (reason.code, reason.pcr) == ("LogMismatch", EVENTS[number - 1].pcr)
