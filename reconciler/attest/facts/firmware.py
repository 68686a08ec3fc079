"""PCR 0, 4 and 5 of a UEFI machine: how it was started, from what, and what it started.

A list of digests holds all that was measured into its PCR but separators and what short known texts explain: what an
event calls itself decides nothing, so nothing can be left out of the list by being renamed.

Source: TCG PC Client Platform Firmware Profile 1.06, 3.3.4 and 10.4.5.3; Intel's Boot Guard, as machines log it.
"""

from __future__ import annotations

from reconciler.attest.eventlog.log import Event
from reconciler.attest.facts.gpt import MAGIC, parse_gpt
from reconciler.attest.facts.labels import text_in
from reconciler.attest.facts.view import Outcome, View, is_text, problem
from reconciler.attest.reader import MalformedError

_S_CRTM_CONTENTS = 0x00000007
_S_CRTM_VERSION = 0x00000008
_GPT = frozenset({0x80000006, 0x8000000D})
_BOOT_GUARD = b"Boot Guard Measured S-CRTM"
_BOOT_GUARD_LOCALITY = 3
_HCRTM_LOCALITY = 4
_LOCALITIES = (0, _BOOT_GUARD_LOCALITY, _HCRTM_LOCALITY)
_MAX_LOGGED = 1024  # No firmware volume is that short, so data that long may be one in disguise.
_INVOKED = b"Exit Boot Services Invocation"
_SUCCEEDED = b"Exit Boot Services Returned with Success"
_FAILED = b"Exit Boot Services Returned with Failure"


def collect_start(view: View) -> Outcome:
    """Yield how the TPM was started: the only start of PCR 0 from which its events lead to its value.

    Boot Guard is what the first event says of itself, which counts only with locality 3: nothing but an authenticated
    code module starts a TPM from there. What it measured is the first of firmwareBlobs.
    """
    locality = view.start_of(0, starts=_LOCALITIES)
    if locality is None or view.replay.misplaced_localities:
        message = "no startup locality leads to the replayed value, or one is misplaced"
        yield problem("startupLocality", "hcrtm", "bootGuard", pcr=0, message=message)
        return
    is_boot_guard = locality == _BOOT_GUARD_LOCALITY and any(
        event.type == _S_CRTM_CONTENTS and event.data.rstrip(b"\0") == _BOOT_GUARD for event in view.events(0)[:1]
    )
    yield view.fact("startupLocality", value=locality, pcr=0)
    yield view.fact("hcrtm", value=locality == _HCRTM_LOCALITY, pcr=0)
    yield view.fact("bootGuard", value=is_boot_guard, pcr=0)


def collect_firmware(view: View) -> Outcome:
    """Yield the firmware's version, and the digests of all in PCR 0 that is not explained by its data."""
    blobs = [event for event in view.measured(0) if len(event.data) > _MAX_LOGGED or not event.is_verified]
    yield view.digests("firmwareBlobs", pcr=0, events=blobs)
    halves = view.halves(0)
    if halves is None:
        yield problem("scrtmVersion", pcr=0, message="PCR 0 does not have exactly one separator")
        return
    versions = [event for event in halves[0] if event.type == _S_CRTM_VERSION]
    for event in versions[1:]:
        yield problem("scrtmVersion", pcr=0, message="a second version of the S-CRTM", event=event)
    for event in versions[:1]:
        version = text_in(event.data) or event.data.hex()
        yield view.fact("scrtmVersion", value=version, pcr=0, events=[event], verified=event.is_verified)


def collect_boot_applications(view: View) -> Outcome:
    """Yield what was started, in order."""
    started = [event for event in view.measured(4) if not is_text(event)]
    yield view.digests("bootApplications", pcr=4, events=started)


def collect_boot_manager(view: View) -> Outcome:
    """Yield the partition tables, and whether the operating system took over."""
    configuration = [event for event in view.measured(5) if not is_text(event)]
    yield view.digests("gpt", pcr=5, events=configuration)
    yield from _disks(view, configuration=configuration)
    exits = view.places_of(5, texts=(_INVOKED, _SUCCEEDED, _FAILED))
    steps = [text for _, text in exits]
    if not steps or _is_orderly(steps):
        yield view.fact("exitBootServices", value=bool(steps), pcr=5, events=[event for event, _ in exits])
    else:
        message = "the firmware's boot services did not end in order"
        yield problem("exitBootServices", pcr=5, message=message, event=exits[-1][0])


def _is_orderly(steps: list[bytes]) -> bool:
    """Return whether each invocation has its outcome, and only the last succeeded: one that failed may be repeated."""
    tries = len(steps) // 2
    return steps == [_INVOKED, _FAILED] * (tries - 1) + [_INVOKED, _SUCCEEDED]


def _disks(view: View, *, configuration: list[Event]) -> Outcome:
    told = [event for event in configuration if event.data.startswith(MAGIC) or event.type in _GPT]
    disks = []
    for event in told:
        try:
            disks.append(parse_gpt(event.data)[0])
        except MalformedError as error:
            yield problem("gptDisks", pcr=5, message=str(error), event=event)
    is_proven = all(event.is_verified for event in configuration)
    yield view.fact("gptDisks", value=tuple(disks), pcr=5, events=told, verified=is_proven)
