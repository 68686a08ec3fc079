"""All facts that a replayed log proves, for a machine of a declared family.

1. Only quoted PCRs give facts. 2. The family and its overlays say which facts there are, so what a PCR means on one
machine is never read into another. 3. A fact about which the log is not clear is left out, and the problem recorded.
4. A fact that needs several PCRs needs all of them quoted.

Not checked here: that the replay leads to the quoted values. An event that was appended, left out or changed shows
there, and until it is shown no fact means anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from reconciler.attest.eventlog.log import Replay
from reconciler.attest.facts import firmware, loaders, other, secure_boot
from reconciler.attest.facts.values import Fact, Facts, Problem
from reconciler.attest.facts.view import Outcome, View
from reconciler.model.facts import FACTS, is_fact_of
from reconciler.model.families import Family, Overlay

_Collector = Callable[[View], Outcome]

_COLLECTORS: tuple[tuple[tuple[str, ...], _Collector], ...] = (
    (("startupLocality", "hcrtm", "bootGuard"), firmware.collect_start),
    (("scrtmVersion", "firmwareBlobs"), firmware.collect_firmware),
    (("bootApplications",), firmware.collect_boot_applications),
    (("gpt", "gptDisks", "exitBootServices"), firmware.collect_boot_manager),
    (
        (
            "secureBoot", "pk", "kek", "db", "dbx", "authoritiesBeforeSeparator", "authoritiesAfterSeparator",
            "sbatLevel", "sbatGenerations", "uefiDebugMode", "dmaProtectionDisabled",
        ),
        secure_boot.collect_secure_boot,
    ),
    (("kernelCommandLine", "grubCommands"), loaders.collect_commands),
    (("loadedFiles",), loaders.collect_files),
    (("loadOptions", "initrd"), loaders.collect_kernel_inputs),
    (("ukiSections",), loaders.collect_sections),
    (("stubParameters", "stubCommandLine"), loaders.collect_stub),
    (("mokState", "mokList", "mokListX", "mokListTrusted"), loaders.collect_mok),
    (("recoveryEntered",), other.collect_recovery),
    (("txtLaunch",), other.collect_launch),
    (("sinit", "tbootPolicy"), other.collect_tboot_17),
    (("mle", "tbootFirstModule"), other.collect_tboot_18),
)  # fmt: skip
"""Which facts are read by what; those of one row stand in the same PCRs and exist for the same machines."""

_WHOLE = (
    "firmwareConfig", "drivers", "driverConfig", "cbfsContents", "runtimeData", "bootPath", "kernelModules",
    "luksHeaders", "cbfsUserFiles", "nvramVariables", "measuredFiles", "bootConfigs", "tbootModules", "txtDetails",
    "txtAuthorities",
)  # fmt: skip
"""Facts that are all of a PCR but its separators, in order."""

COLLECTED = frozenset(name for names, _ in _COLLECTORS for name in names) | frozenset(_WHOLE)
"""Every fact that is looked for; a test holds that it is every fact of the table."""


def collect_facts(
    replay: Replay, *, family: Family, overlays: Collection[Overlay] = (), quoted: Collection[int], bank: str
) -> Facts:
    """Return what ``replay``, of the quoted ``bank``, proves on a machine of ``family`` with ``overlays``."""
    view = View(replay=replay, bank=bank, quoted=quoted)
    scopes: frozenset[Family | Overlay] = frozenset({family, *overlays})
    found: dict[str, Fact] = {}
    problems: list[Problem] = []
    for outcome in _collect(view, scopes=scopes):
        if isinstance(outcome, Fact):
            found[outcome.name] = outcome
        else:
            problems.append(outcome)
    unclear = {name for problem in problems for name in problem.facts}
    return Facts(
        family=family,
        overlays=tuple(sorted(overlays)),
        bank=bank,
        quoted=tuple(sorted(quoted)),
        found={name: found[name] for name in FACTS if name in found and name not in unclear},
        problems=tuple(problems),
    )


def _collect(view: View, *, scopes: frozenset[Family | Overlay]) -> Iterator[Fact | Problem]:
    for names, collector in _COLLECTORS:
        if _is_asked(names[0], scopes=scopes, view=view):
            yield from collector(view)
    for name in _WHOLE:
        if _is_asked(name, scopes=scopes, view=view):
            (pcr,) = FACTS[name].pcrs
            yield view.digests(name, pcr=pcr, events=view.measured(pcr))


def _is_asked(name: str, *, scopes: frozenset[Family | Overlay], view: View) -> bool:
    return is_fact_of(name, scopes=scopes) and set(FACTS[name].pcrs) <= set(view.quoted)
