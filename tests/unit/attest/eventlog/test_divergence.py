"""Where a boot went another way than a good one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.eventlog.banks import digest_of
from reconciler.attest.eventlog.divergence import DivergenceKind, divergences, first_divergence
from reconciler.attest.eventlog.log import Event, replay

IPL = 0xD


def boot(*measured: tuple[int, str]) -> list[Event]:
    """Return a boot that measured ``measured``: PCR and text, in the order of the log."""
    return [
        Event(index=index, pcr=pcr, type=IPL, digest=digest_of(text.encode(), bank="sha256"), data=text.encode())
        for index, (pcr, text) in enumerate(measured, start=1)
    ]


GOOD = boot((0, "crtm"), (4, "shim"), (7, "keys"), (4, "grub"), (8, "command"), (4, "kernel"))


def without(place: int) -> list[Event]:
    kept = [(event.pcr, event.data.decode()) for event in GOOD]
    del kept[place]
    return boot(*kept)


def inserted(place: int, pcr: int, text: str) -> list[Event]:
    kept = [(event.pcr, event.data.decode()) for event in GOOD]
    kept.insert(place, (pcr, text))
    return boot(*kept)


def changed(place: int, text: str) -> list[Event]:
    kept = [(event.pcr, event.data.decode()) for event in GOOD]
    kept[place] = (kept[place][0], text)
    return boot(*kept)


def test_the_same_boot_has_no_divergence_whatever_its_texts_say() -> None:
    assert first_divergence(GOOD, GOOD) is None
    assert first_divergence(replay(GOOD), [replace(event, data=b"other text", type=1) for event in GOOD]) is None


def test_the_order_of_the_log_across_pcrs_is_not_measured() -> None:
    other = boot((4, "shim"), (0, "crtm"), (8, "command"), (4, "grub"), (4, "kernel"), (7, "keys"))
    assert first_divergence(GOOD, other) is None


@pytest.mark.parametrize(
    ("found", "kind", "pcr", "expected", "seen"),
    [
        (changed(3, "evil"), DivergenceKind.CHANGED, 4, b"grub", b"evil"),
        (without(3), DivergenceKind.MISSING, 4, b"grub", b"kernel"),
        (without(5), DivergenceKind.MISSING, 4, b"kernel", None),
        (without(4), DivergenceKind.MISSING, 8, b"command", None),
        (inserted(3, 4, "evil"), DivergenceKind.EXTRA, 4, b"grub", b"evil"),
        (inserted(6, 4, "evil"), DivergenceKind.EXTRA, 4, None, b"evil"),
        (inserted(6, 12, "evil"), DivergenceKind.EXTRA, 12, None, b"evil"),
        (boot((0, "crtm"), (4, "grub"), (4, "shim")), DivergenceKind.CHANGED, 4, b"shim", b"grub"),
    ],
)
def test_a_divergence_says_whether_an_event_is_missing_extra_or_changed(
    found: list[Event], kind: DivergenceKind, pcr: int, expected: bytes | None, seen: bytes | None
) -> None:
    divergence = first_divergence(GOOD, found)
    assert divergence is not None
    assert (divergence.kind, divergence.pcr) == (kind, pcr)
    assert (divergence.expected.data if divergence.expected else None) == expected
    assert (divergence.found.data if divergence.found else None) == seen


def test_what_comes_first_in_the_found_log_is_the_first_divergence() -> None:
    found = boot((0, "crtm"), (4, "shim"), (7, "other keys"), (4, "evil"), (8, "command"), (4, "kernel"))
    first = first_divergence(GOOD, found)
    assert first is not None
    assert (first.pcr, first.found and first.found.index) == (7, 3)
    assert [divergence.pcr for divergence in divergences(GOOD, found)] == [4, 7]


def test_an_absent_event_stands_after_what_came_before_it() -> None:
    early = boot((0, "crtm"), (4, "shim"), (4, "grub"), (8, "command"), (4, "evil"))
    first = first_divergence(GOOD, early)
    assert first is not None
    assert (first.kind, first.pcr) == (DivergenceKind.MISSING, 7)
    nothing = first_divergence(GOOD, [])
    assert nothing is not None
    assert (nothing.pcr, nothing.position) == (0, 0)


def test_only_quoted_pcrs_are_compared() -> None:
    assert first_divergence(GOOD, changed(4, "evil"), quoted=(0, 4, 7)) is None
    assert first_divergence(GOOD, changed(4, "evil"), quoted=(8,)) is not None


def test_another_start_is_a_divergence_of_its_own() -> None:
    locality = Event(index=1, pcr=0, type=3, digest=bytes(32), data=b"StartupLocality\0\3")
    first = first_divergence(GOOD, [locality, *GOOD])
    assert first is not None
    assert (first.kind, first.pcr) == (DivergenceKind.START, 0)
    assert "starts at another value" in first.describe()


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (changed(3, "evil"), "PCR 4: expected event 4 EV_IPL (grub) {good}; found event 4 EV_IPL (evil) {evil}"),
        (without(5), "PCR 4: missing event 6 EV_IPL (kernel) {kernel}; found nothing instead"),
        (inserted(6, 12, "evil"), "PCR 12: event 7 EV_IPL (evil) {evil} was not expected; expected nothing"),
        (
            boot((0, "crtm"), (4, "shim"), (7, "")),
            "PCR 7: expected event 3 EV_IPL (keys) {keys}; found event 3 EV_IPL {no}",
        ),
    ],
)
def test_a_divergence_reads_as_one_line(found: list[Event], expected: str) -> None:
    texts = {"good": "grub", "evil": "evil", "kernel": "kernel", "keys": "keys", "no": ""}
    digests = {name: digest_of(text.encode(), bank="sha256").hex()[:16] for name, text in texts.items()}
    divergence = first_divergence(GOOD, found)
    assert divergence is not None
    assert divergence.describe() == expected.format(**digests)


MEASURED = st.lists(st.tuples(st.integers(0, 9), st.text("ab", max_size=2)), max_size=12)


@given(MEASURED, MEASURED)
def test_two_boots_part_exactly_where_a_pcr_holds_another_value(
    one: list[tuple[int, str]], two: list[tuple[int, str]]
) -> None:
    good, found = replay(boot(*one)), replay(boot(*two))
    parted = {divergence.pcr for divergence in divergences(good, found)}
    assert parted == {pcr for pcr in range(24) if good.values[pcr] != found.values[pcr]}
    first = first_divergence(good, found)
    assert (first is None) == (not parted)
