"""Whoever writes the log can change types, texts and data, and append events; facts must not follow."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.attest.eventlog.events import NAMES, UNEXTENDED
from reconciler.attest.eventlog.log import parse_event_log, replay
from reconciler.attest.eventlog.measured import check_replay
from reconciler.attest.facts.values import Facts
from reconciler.model.facts import FACTS, Proof
from tests.support.firmware import (
    EV_EFI_ACTION,
    EV_EFI_VARIABLE_DRIVER_CONFIG,
    EV_EVENT_TAG,
    EV_IPL,
    EV_NO_ACTION,
    EV_S_CRTM_VERSION,
    SECURITY_DATABASE,
    LogEvent,
    change_digest,
    encode,
    hashed,
    image_events,
    measurements_of,
    sha256,
    variable,
)
from tests.support.firmware import replay as values_after
from tests.support.measured import (
    EV_AUTHORITY,
    EV_DRIVER,
    OWNER,
    SBAT,
    SHIM,
    X509,
    blob,
    certificate,
    facts_of,
    partition_table,
    separator,
    signature_list,
)

CONFIG = EV_EFI_VARIABLE_DRIVER_CONFIG
LINE = b"/vmlinuz ro"
COMMAND = b"linux " + LINE
OPTIONS = b"\xed\x22\x3b\x8f\x1a\x00\x00\x00LOADED_IMAGE::LoadOptions\0"
LOG = [
    LogEvent(pcr=0, type=EV_NO_ACTION, data=b"StartupLocality\0\x03", digest=bytes(32)),
    blob(0, "boot block", kind=0x7, data=b"Boot Guard Measured S-CRTM\0"),
    hashed(0, EV_S_CRTM_VERSION, "edk2-1\0".encode("utf-16-le")),
    blob(0, "volume", kind=0x80000008),
    blob(1, "setup", kind=0x1),
    hashed(7, CONFIG, variable("SecureBoot", b"\x01")),
    hashed(7, CONFIG, variable("PK", signature_list(X509, certificate("pk")))),
    hashed(7, CONFIG, variable("KEK", signature_list(X509, certificate("kek")))),
    hashed(7, CONFIG, variable("db", signature_list(X509, certificate("ca")), guid=SECURITY_DATABASE)),
    hashed(7, CONFIG, variable("dbx", signature_list(X509, certificate("bad")), guid=SECURITY_DATABASE)),
    hashed(7, EV_AUTHORITY, variable("db", OWNER + certificate("rom ca"), guid=SECURITY_DATABASE)),
    hashed(7, EV_EFI_ACTION, b"DMA Protection Disabled"),
    blob(2, "driver", kind=EV_DRIVER),
    blob(3, "settings", kind=0x1),
    *(separator(pcr) for pcr in range(8)),
    hashed(7, EV_AUTHORITY, variable("db", OWNER + certificate("ca"), guid=SECURITY_DATABASE)),
    hashed(7, EV_AUTHORITY, variable("SbatLevel", SBAT, guid=SHIM)),
    hashed(5, 0x80000006, partition_table()),
    blob(4, "application", kind=0x80000003),
    LogEvent(pcr=8, type=EV_IPL, data=b"grub_cmd: " + COMMAND + b"\0", digest=sha256(COMMAND)),
    LogEvent(pcr=8, type=EV_IPL, data=b"kernel_cmdline: " + LINE + b"\0", digest=sha256(LINE)),
    blob(9, "options", kind=EV_EVENT_TAG, data=OPTIONS),
    blob(9, "initrd", kind=EV_EVENT_TAG, data=b"\xec\x22\x3b\x8f\x0d\x00\x00\x00Linux initrd\0"),
    *(event for event in image_events(measurements_of("blue")) if event.pcr == 11),
    hashed(12, EV_IPL, "console=tty0\0".encode("utf-16-le")),
    *(blob(14, name, data=name.encode() + b"\0") for name in ("MokList", "MokListX", "MokListTrusted")),
    hashed(5, EV_EFI_ACTION, b"Exit Boot Services Invocation"),
    hashed(5, EV_EFI_ACTION, b"Exit Boot Services Returned with Success"),
]
HONEST = facts_of(LOG)
CARRIED = [(name, index) for name, fact in HONEST.found.items() for index in sorted(set(fact.events))]
TOLD_BY_TYPE = {"scrtmVersion", "bootGuard", "gptDisks", "loadOptions", "initrd"}


def told(facts: Facts, name: str) -> tuple[object, bool] | None:
    fact = facts.found.get(name)
    return None if fact is None else (fact.value, fact.verified)


def changed(index: int, event: LogEvent) -> Facts:
    return facts_of([*LOG[: index - 1], event, *LOG[index:]])


def test_the_honest_log_proves_every_fact_of_its_family_without_a_problem() -> None:
    assert HONEST.problems == ()
    expected = {name for name, fact in FACTS.items() if "uefi" in fact.scopes}
    assert HONEST.found.keys() == expected
    assert all(fact.verified for fact in HONEST.found.values())


@pytest.mark.parametrize(("name", "index"), CARRIED)
def test_a_changed_digest_never_leaves_the_fact_that_it_carried(name: str, index: int) -> None:
    assert told(changed(index, change_digest(LOG[index - 1])), name) != told(HONEST, name)


@pytest.mark.parametrize(("name", "index"), CARRIED)
@given(data=st.data())
def test_changed_data_never_leaves_a_fact_that_data_proved(name: str, index: int, data: st.DataObject) -> None:
    event = LOG[index - 1]
    at = data.draw(st.integers(0, len(event.data) - 1))
    flipped = bytes([*event.data[:at], event.data[at] ^ data.draw(st.integers(1, 255)), *event.data[at + 1 :]])
    before, after = told(HONEST, name), told(changed(index, replace(event, data=flipped)), name)
    if FACTS[name].proof is not Proof.DATA:
        # The digest is the value: another text beside it may leave the fact out, but never make it another.
        assert after in [before, None] or name in {"firmwareBlobs", "gpt", "initrd"}
    elif event.pcr != 8 or at >= len(b"kernel_cmdline: "):
        assert after != before
    else:
        # GRUB's prefix is not measured; another of its prefixes tells the same line.
        assert after in [before, None]


@given(st.data())
def test_other_types_never_prove_another_value(data: st.DataObject) -> None:
    places = data.draw(st.sets(st.integers(1, len(LOG) - 1), max_size=8))
    kinds = st.sampled_from([kind for kind in NAMES if kind not in UNEXTENDED])
    retyped = [replace(event, type=data.draw(kinds)) if at in places else event for at, event in enumerate(LOG)]
    # A type that the replay heeds, such as an H-CRTM's, shows in the replay.
    replayed = replay(parse_event_log(encode(retyped), bank="sha256"))
    assume(not list(check_replay(replayed, values=values_after(LOG), quoted=range(24), bank="sha256")))
    facts = facts_of(retyped)
    for name in FACTS.keys() - TOLD_BY_TYPE:
        assert told(facts, name) == told(HONEST, name)


@given(
    pcr=st.integers(0, 7),
    kind=st.sampled_from([kind for kind in NAMES if kind not in UNEXTENDED]),
    content=st.sampled_from([event.data for event in LOG]) | st.binary(max_size=64),
)
def test_an_appended_event_breaks_the_replay_before_its_facts_could_count(pcr: int, kind: int, content: bytes) -> None:
    # Facts trust the replay. That it leads to the quoted values is judged by check_replay, and is what stops this.
    quoted = values_after(LOG)
    replayed = replay(parse_event_log(encode([*LOG, hashed(pcr, kind, content)]), bank="sha256"))
    reasons = list(check_replay(replayed, values=quoted, quoted=range(24), bank="sha256"))
    assert [(reason.code, reason.pcr) for reason in reasons] == [("LogMismatch", pcr)]


@given(
    kind=st.sampled_from([kind for kind in NAMES if kind not in UNEXTENDED]),
    names=st.sampled_from(["SecureBoot", "PK", "KEK", "dbx"]),
    content=st.sampled_from([b"\0", b"\x01", b"", signature_list(X509, certificate("evil"))]),
)
def test_a_variable_that_was_really_extended_later_is_never_taken_for_the_firmwares(
    kind: int, names: str, content: bytes
) -> None:
    guid = {"guid": SECURITY_DATABASE} if names == "dbx" else {}
    facts = facts_of([*LOG, hashed(7, kind, variable(names, content, **guid))])
    fact = names[0].lower() + names[1:] if names == "SecureBoot" else names.lower()
    assert fact not in facts.found
    assert facts.problems_of(fact)
