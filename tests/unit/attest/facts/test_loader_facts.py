from dataclasses import replace

import pytest

from tests.support.firmware import EV_EVENT_TAG, EV_IPL, LogEvent, hashed, image_events, measurements_of, sha256
from tests.support.measured import blob, digest, facts_of, values_of

LINE = "/vmlinuz root=/dev/sda1 ro"
OPTIONS = b"\xed\x22\x3b\x8f\x1a\x00\x00\x00LOADED_IMAGE::LoadOptions\0"
INITRD = b"\xec\x22\x3b\x8f\x0d\x00\x00\x00Linux initrd\0"


def grub(text: str, *, prefix: str = "grub_cmd: ", terminator: bytes = b"") -> LogEvent:
    body = text.encode()
    return LogEvent(pcr=8, type=EV_IPL, data=prefix.encode() + body + b"\0", digest=sha256(body + terminator))


def kernel(line: str = LINE, *, prefix: str = "kernel_cmdline: ") -> LogEvent:
    return grub(line, prefix=prefix)


BOOT = [grub("set pager=1"), grub(f"linux {LINE}"), kernel(), grub("initrd /initrd.img")]


def test_a_kernels_command_line_is_what_a_loading_command_was_given() -> None:
    facts = facts_of(BOOT, quoted=(8,))
    assert values_of(facts) == {
        "kernelCommandLine": LINE,
        "grubCommands": ("set pager=1", f"linux {LINE}", "initrd /initrd.img"),
    }
    assert facts.found["kernelCommandLine"].events == (3,)
    assert facts.found["grubCommands"].events == (1, 2, 4)


def test_red_hats_grub_measures_commands_with_their_nul() -> None:
    events = [
        grub(f"linuxefi {LINE}", prefix="grub_cmd ", terminator=b"\0"),
        kernel(prefix="grub_kernel_cmdline "),
    ]
    assert values_of(facts_of(events, quoted=(8,)))["kernelCommandLine"] == LINE


@pytest.mark.parametrize(
    "events",
    [
        # The attack: a harmless line is run as a command and relabelled as the kernel's.
        [kernel("/vmlinuz root=good"), grub(f"linux {LINE}"), grub(LINE)],
        [grub("linux /vmlinuz root=good"), kernel("/vmlinuz root=good"), *BOOT],
        [grub("linux /vmlinuz quote='a b'"), *BOOT],
        [grub(f"linux {LINE}")],
    ],
)
def test_a_command_line_that_could_be_another_is_not_taken_for_it(events: list[LogEvent]) -> None:
    facts = facts_of(events, quoted=(8,))
    assert values_of(facts).get("kernelCommandLine") in {None, LINE}
    assert values_of(facts).get("kernelCommandLine") != "/vmlinuz root=good"


@pytest.mark.parametrize(
    "hidden",
    [
        blob(8, "linux /evil"),
        blob(8, "linux /evil", data=b"grub_cmd: set pager=1\0"),
        LogEvent(pcr=8, type=EV_IPL, data=b"grub_cmd: \xff", digest=sha256(b"\xff")),
        hashed(8, EV_IPL, b"linux /evil"),
    ],
)
def test_a_command_that_is_hidden_leaves_all_of_them_open(hidden: LogEvent) -> None:
    facts = facts_of([*BOOT, hidden], quoted=(8,))
    assert values_of(facts) == {}
    assert facts.problems_of("kernelCommandLine")[0].event == 5


def test_no_loader_means_no_commands_and_no_line() -> None:
    facts = facts_of([], quoted=(8,))
    assert values_of(facts) == {"grubCommands": ()}
    assert facts.problems == ()


@pytest.mark.parametrize("cut", [0, 1])
def test_an_older_stub_measured_its_command_line_in_utf_16(cut: int) -> None:
    whole = (LINE + "\0").encode("utf-16-le")
    event = LogEvent(pcr=8, type=EV_IPL, data=whole[: len(whole) - cut], digest=sha256(whole))
    assert values_of(facts_of([event], quoted=(8,))) == {"kernelCommandLine": LINE, "grubCommands": ()}
    other = hashed(8, EV_IPL, "other\0".encode("utf-16-le"))
    assert facts_of([event, other], quoted=(8,)).problems_of("kernelCommandLine")


def test_a_kernel_measures_its_options_and_then_its_initrd() -> None:
    events = [blob(9, "options", kind=EV_EVENT_TAG, data=OPTIONS), blob(9, "initrd", kind=EV_EVENT_TAG, data=INITRD)]
    assert values_of(facts_of(events, quoted=(9,))) == {
        "loadedFiles": (digest("options"), digest("initrd")),
        "loadOptions": digest("options"),
        "initrd": (digest("initrd"),),
    }
    older = facts_of(events[1:], quoted=(9,))
    assert values_of(older) == {"loadedFiles": (digest("initrd"),), "initrd": (digest("initrd"),)}


def test_one_measurement_does_not_prove_that_there_was_no_initrd() -> None:
    facts = facts_of([blob(9, "an older kernel's initrd", kind=EV_EVENT_TAG, data=OPTIONS)], quoted=(9,))
    assert "initrd" not in facts.found
    assert facts.problems_of("initrd")[0].event == 1
    assert values_of(facts_of([], quoted=(9,))) == {"loadedFiles": (), "initrd": ()}


@pytest.mark.parametrize(
    "events",
    [
        [blob(9, "file"), blob(9, "initrd", kind=EV_EVENT_TAG, data=INITRD)],
        [
            blob(9, "initrd", kind=EV_EVENT_TAG, data=INITRD),
            blob(9, "options", kind=EV_EVENT_TAG, data=OPTIONS),
        ],
    ],
)
def test_a_kernels_inputs_are_not_told_apart_where_others_measured(events: list[LogEvent]) -> None:
    facts = facts_of(events, quoted=(9,))
    assert values_of(facts).keys() == {"loadedFiles"}
    assert facts.problems_of("initrd")


def test_an_images_sections_are_told_by_their_digests_alone() -> None:
    image = measurements_of("blue")
    events = [replace(event, data=b"") for event in image_events(image) if event.pcr == 11]
    facts = facts_of(events, quoted=(11,))
    names = (".linux", ".osrel", ".cmdline", ".initrd")
    assert values_of(facts) == {"ukiSections": dict(zip(names, image.pcr11[1::2], strict=True))}
    assert facts.found["ukiSections"].events == (2, 4, 6, 8)


@pytest.mark.parametrize("change", [slice(1, None), slice(0, 7), [0, 1, 0, 1]])
def test_sections_out_of_form_are_no_fact(change: slice | list[int]) -> None:
    whole = [event for event in image_events(measurements_of("blue")) if event.pcr == 11]
    events = whole[change] if isinstance(change, slice) else [whole[place] for place in change]
    facts = facts_of(events, quoted=(11,))
    assert "ukiSections" not in facts.found
    assert facts.problems_of("ukiSections")


def test_without_an_image_there_are_no_sections_and_no_problem() -> None:
    facts = facts_of([], quoted=(11,))
    assert (facts.found, facts.problems) == ({}, ())


def test_what_is_handed_to_a_stub_is_a_list_and_a_command_line_if_it_is_one() -> None:
    line = hashed(12, EV_IPL, "console=tty0\0".encode("utf-16-le"))
    facts = facts_of([line, line], quoted=(12,))
    assert values_of(facts) == {"stubParameters": (line.digest.hex(),) * 2, "stubCommandLine": "console=tty0"}
    with_credentials = facts_of([line, blob(12, "credentials")], quoted=(12,))
    assert values_of(with_credentials) == {"stubParameters": (line.digest.hex(), digest("credentials"))}
    assert with_credentials.problems_of("stubCommandLine")


def mok(name: str) -> LogEvent:
    return blob(14, name, data=name.encode() + b"\0")


def test_shims_variables_are_told_by_shims_order() -> None:
    facts = facts_of([mok("MokList"), mok("MokListX"), mok("MokSBState"), mok("MokListTrusted")], quoted=(14,))
    assert values_of(facts) == {
        "mokState": tuple(digest(name) for name in ("MokList", "MokListX", "MokSBState", "MokListTrusted")),
        "mokList": digest("MokList"),
        "mokListX": digest("MokListX"),
        "mokListTrusted": digest("MokListTrusted"),
    }


@pytest.mark.parametrize("names", [("MokListX", "MokList"), ("MokList", "MokList"), ("MokList", "Other")])
def test_shims_variables_in_another_order_are_not_told_apart(names: tuple[str, str]) -> None:
    facts = facts_of([mok(name) for name in names], quoted=(14,))
    assert values_of(facts).keys() == {"mokState"}
    assert facts.problems_of("mokList")
