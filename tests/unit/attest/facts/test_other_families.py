from dataclasses import replace

import pytest

from reconciler.attest.eventlog.log import Event, Replay
from reconciler.attest.facts.collect import COLLECTED, collect_facts
from reconciler.attest.facts.values import Facts
from reconciler.model.facts import FACTS, is_fact_of
from reconciler.model.families import Family, Overlay
from tests.support.firmware import EV_EFI_VARIABLE_DRIVER_CONFIG, EV_IPL, hashed, sha256, variable
from tests.support.measured import blob, digest, facts_of, separator, values_of


def launched(extended: dict[int, list[str]], *, start: bytes = bytes(32)) -> Replay:
    """Return a replay in which PCR 17 to 22 started at ``start``, as after a dynamic launch."""
    events: dict[int, tuple[Event, ...]] = {}
    values = {}
    for pcr in range(24):
        value = start if 17 <= pcr <= 22 else bytes(32)
        found = []
        for index, name in enumerate(extended.get(pcr, [])):
            event = Event(index=index, pcr=pcr, type=0x402, digest=sha256(name.encode()), data=b"")
            value = sha256(value + event.digest)
            found.append(event)
        events[pcr], values[pcr] = tuple(found), value
    return Replay(values=values, extended=events, misplaced_localities=())


def tboot(replayed: Replay, overlay: Overlay = Overlay.TBOOT, *, quoted: range = range(17, 23)) -> Facts:
    return collect_facts(replayed, family=Family.UEFI, overlays=[overlay], quoted=quoted, bank="sha256")


def test_every_fact_of_the_table_is_looked_for() -> None:
    assert FACTS.keys() == COLLECTED


@pytest.mark.parametrize("family", Family)
def test_a_family_has_its_own_facts_and_no_others(family: Family) -> None:
    found = facts_of([separator(pcr) for pcr in range(8)], family=family).found
    assert all(is_fact_of(name, scopes=frozenset({family})) for name in found)


def test_heads_has_no_secure_boot_whatever_its_log_says() -> None:
    events = [hashed(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable("SecureBoot", b"\x01")), blob(7, "gpg key")]
    facts = facts_of(events, family=Family.HEADS)
    assert "secureBoot" not in facts.found
    assert values_of(facts)["cbfsUserFiles"] == (events[0].digest.hex(), digest("gpg key"))


def test_heads_measures_from_coreboot_to_the_disks() -> None:
    events = [blob(2, "bootblock"), blob(2, "payload"), blob(4, "generic"), blob(5, "usb.ko"), blob(6, "luks")]
    assert values_of(facts_of(events, family=Family.HEADS)) == {
        "cbfsContents": (digest("bootblock"), digest("payload")),
        "bootPath": (digest("generic"),),
        "recoveryEntered": False,
        "kernelModules": (digest("usb.ko"),),
        "luksHeaders": (digest("luks"),),
        "cbfsUserFiles": (),
    }


@pytest.mark.parametrize("text", ["recovery", "recovery\n"])
def test_a_recovery_shell_is_seen_by_its_digest(text: str) -> None:
    facts = facts_of([blob(4, text, data=b"")], family=Family.HEADS)
    assert values_of(facts)["recoveryEntered"] is True


def test_coreboots_contents_are_digests_and_never_the_texts_beside_them() -> None:
    event = blob(2, "romstage", data=b"FMAP: COREBOOT CBFS: fallback/romstage")
    facts = facts_of([event, blob(3, "mrc.cache")], family=Family.COREBOOT)
    assert values_of(facts)["cbfsContents"] == (digest("romstage"),)
    assert values_of(facts)["runtimeData"] == (digest("mrc.cache"),)
    assert facts.found["cbfsContents"].labels == ("FMAP: COREBOOT CBFS: fallback/romstage",)
    relabelled = facts_of([replace(event, data=b"FMAP: COREBOOT CBFS: other")], family=Family.COREBOOT)
    assert values_of(relabelled)["cbfsContents"] == (digest("romstage"),)


def test_linuxboot_measures_files_configurations_and_variables() -> None:
    events = [blob(7, "kernel"), blob(7, "initramfs"), blob(8, "config", kind=EV_IPL), blob(9, "BootOrder")]
    values = values_of(facts_of(events, family=Family.LINUXBOOT))
    assert values["measuredFiles"] == (digest("kernel"), digest("initramfs"))
    assert values["bootConfigs"] == (digest("config"),)
    assert values["nvramVariables"] == (digest("BootOrder"),)
    assert "secureBoot" not in values


def test_pcrs_that_are_not_quoted_give_no_facts() -> None:
    facts = facts_of([separator(pcr) for pcr in range(8)], quoted=())
    assert (facts.found, facts.problems) == ({}, ())


def test_no_launch_is_a_fact_only_with_all_six_registers() -> None:
    untouched = launched({}, start=b"\xff" * 32)
    facts = tboot(untouched)
    assert values_of(facts) == {"txtLaunch": False, "tbootModules": ()}
    assert "txtLaunch" not in tboot(untouched, quoted=range(17, 22)).found


def test_tboots_own_map() -> None:
    replayed = launched({17: ["sinit", "policy"], 18: ["tboot", "xen"], 19: ["dom0", "initrd"]})
    assert values_of(tboot(replayed)) == {
        "txtLaunch": True,
        "sinit": digest("sinit"),
        "tbootPolicy": digest("policy"),
        "mle": digest("tboot"),
        "tbootFirstModule": digest("xen"),
        "tbootModules": (digest("dom0"), digest("initrd")),
    }


def test_the_map_of_details_and_authorities() -> None:
    replayed = launched({17: ["sinit", "mle"], 18: ["sinit key"]})
    assert values_of(tboot(replayed, Overlay.TBOOT_DA)) == {
        "txtLaunch": True,
        "txtDetails": (digest("sinit"), digest("mle")),
        "txtAuthorities": (digest("sinit key"),),
    }


@pytest.mark.parametrize(
    "replayed",
    [
        launched({17: ["sinit", "policy"], 18: ["tboot", "xen"]}, start=b"\xff" * 32),
        launched({17: ["sinit"], 18: ["tboot", "xen", "more"]}),
    ],
)
def test_a_launch_in_another_form_leaves_its_parts_open(replayed: Replay) -> None:
    facts = tboot(replayed)
    assert facts.found.keys() & {"sinit", "tbootPolicy", "mle", "tbootFirstModule"} == set()
    assert facts.problems_of("sinit")
    assert facts.problems_of("mle")


def test_registers_that_were_extended_without_a_launch_prove_neither() -> None:
    facts = tboot(launched({17: ["forged"]}, start=b"\xff" * 32))
    assert facts.problems_of("txtLaunch")
    reset = tboot(launched({}))
    assert reset.problems_of("txtLaunch")


def test_without_the_overlay_nobody_asks_about_a_launch() -> None:
    assert "txtLaunch" not in facts_of([]).found
