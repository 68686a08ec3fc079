from reconciler.model.policy import FirmwareReference, NodeReference
from tests.support.appraisals import ALL_PCRS, MEASUREMENTS, booted, codes_of, expected_of, policy_with, rejected
from tests.support.softtpm import DEFAULT_PCRS, Challenge, SoftTpm

OTHER = "ab" * 32


def reference(profile: str = "ovmf", **pcrs: tuple[str, ...]) -> FirmwareReference:
    return FirmwareReference(profile=profile, pcrs={name.removeprefix("pcr"): values for name, values in pcrs.items()})


def test_a_firmware_other_than_the_profiles_names_the_pcr_and_both_values() -> None:
    tpm = SoftTpm("n1")
    tpm.boot(MEASUREMENTS, firmware_build="evil")
    good = booted().pcrs[0].hex()
    policy = policy_with(firmware=(reference(pcr0=(good, OTHER), pcr7=(tpm.pcrs[7].hex(),)),))
    (reason,) = rejected(tpm.evidence(), expected_of(tpm, policy=policy)).reasons
    assert (reason.code, reason.pcr, reason.bank) == ("FirmwareMismatch", 0, "sha256")
    assert (reason.expected, reason.found) == (f"{good} or {OTHER}", tpm.pcrs[0].hex())


def test_any_of_a_pcrs_values_will_do() -> None:
    tpm = booted()
    policy = policy_with(firmware=(reference(pcr0=(OTHER, tpm.pcrs[0].hex())),))
    assert codes_of(tpm.evidence(), expected_of(tpm, policy=policy)) == set()


def test_a_profile_that_the_policy_does_not_name_is_refused() -> None:
    tpm = booted()
    policy = policy_with(firmware=(reference("dell", pcr0=(OTHER,)), reference("hpe", pcr0=(OTHER,))))
    (reason,) = rejected(tpm.evidence(), expected_of(tpm, policy=policy)).reasons
    assert (reason.code, reason.expected, reason.found) == ("FirmwareProfileUnknown", "dell, hpe", "ovmf")


def test_two_references_for_one_profile_do_not_widen_each_other() -> None:
    tpm = booted()
    policy = policy_with(firmware=(reference(pcr0=(tpm.pcrs[0].hex(),)), reference(pcr0=(OTHER,))))
    assert codes_of(tpm.evidence(), expected_of(tpm, policy=policy)) == {"FirmwareMismatch"}


def test_a_reference_to_a_pcr_that_is_not_quoted_is_refused() -> None:
    tpm = booted()
    assert 6 not in DEFAULT_PCRS
    policy = policy_with(firmware=(reference(pcr6=(tpm.pcrs[6].hex(),)),))
    reasons = rejected(tpm.evidence(), expected_of(tpm, policy=policy)).reasons
    assert [reason.code for reason in reasons] == ["PolicyIncomplete", "FirmwareMismatch"]
    assert (reasons[1].pcr, reasons[1].found) == (6, "no value")


def test_one_nodes_pcr_1_is_held_against_its_own_value() -> None:
    tpm = booted()
    own = NodeReference(node="n1", pcrs={"1": (tpm.pcrs[1].hex(),)})
    policy = policy_with(pcrs=ALL_PCRS, nodes=(own,))
    asked = Challenge(pcrs=ALL_PCRS)
    assert codes_of(tpm.evidence(asked), expected_of(tpm, policy=policy)) == set()
    other = policy_with(pcrs=ALL_PCRS, nodes=(NodeReference(node="n1", pcrs={"1": (OTHER,)}),))
    (reason,) = rejected(tpm.evidence(asked), expected_of(tpm, policy=other)).reasons
    assert (reason.code, reason.pcr, reason.expected) == ("FirmwareMismatch", 1, OTHER)


def test_a_node_that_a_policy_with_nodes_does_not_name_is_refused() -> None:
    tpm = booted()
    stranger = NodeReference(node="n2", pcrs={"0": (tpm.pcrs[0].hex(),)})
    assert codes_of(tpm.evidence(), expected_of(tpm, policy=policy_with(nodes=(stranger,)))) == {"NodeReferenceMissing"}
