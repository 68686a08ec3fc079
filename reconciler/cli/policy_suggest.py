"""``ringfence policy suggest``: the assertions that hold of one good boot, for somebody to review."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reconciler.model.facts import FactAssertion

_THE_IMAGES = frozenset({"bootApplications", "loadedFiles", "loadOptions", "initrd", "ukiSections", "stubParameters"})


def suggest(
    file: Annotated[Path, typer.Argument(help="The event log of a boot that you know to be good.")],
    family: Annotated[str, typer.Option(help="uefi, coreboot, heads or linuxboot.")] = "uefi",
    everything: Annotated[
        bool, typer.Option("--everything", help="Also what was booted, which `image: derived` covers as a rule.")
    ] = False,
    name: Annotated[str, typer.Option(help="The name in the AppraisalPolicy document.")] = "suggested",
) -> None:
    """Print what a good boot's log proves as an AppraisalPolicy that others can include. A log alone proves nothing."""
    from reconciler.attest.eventlog.log import MAX_LOG, replay_log
    from reconciler.attest.facts.collect import collect_facts
    from reconciler.attest.facts.suggest import suggest_assertions
    from reconciler.attest.reader import MalformedError
    from reconciler.cli.policy import read_bounded
    from reconciler.errors.taxonomy import InputError
    from reconciler.model.families import Family

    if family not in set(Family):
        raise InputError(family, "is no family of firmware", reason="FamilyUnknown", hint=", ".join(Family))
    data = read_bounded(file, limit=MAX_LOG, reason="LogUnreadable", hint="name an event log in the kernel's form")
    try:
        replayed = replay_log(data, bank="sha256")
    except MalformedError as error:
        hint = "look at it with: ringfence inspect eventlog"
        raise InputError(str(file), str(error), reason="LogMalformed", hint=hint) from None
    quoted = [pcr for pcr, events in replayed.extended.items() if events]
    facts = collect_facts(replayed, family=Family(family), quoted=quoted, bank="sha256")
    found = [made for made in suggest_assertions(facts) if everything or made.fact not in _THE_IMAGES]
    typer.echo(policy_of(found, name=name), nl=False)


def policy_of(assertions: Sequence[FactAssertion], *, name: str) -> str:
    """Return a policy of ``assertions`` in YAML; each is one line of JSON, which YAML includes."""
    from reconciler.cli.policy import quoted
    from reconciler.model.facts import FACTS

    pcrs = sorted({pcr for assertion in assertions for pcr in FACTS[assertion.fact].pcrs})
    lines = [
        "# yaml-language-server: $schema=../schemas/appraisalpolicy.json",
        "apiVersion: ringfence/v1alpha1",
        "kind: AppraisalPolicy",
        f"metadata: {{name: {quoted(name)}}}",
        "spec:",
        f"  pcrs: [{', '.join(map(str, pcrs))}]",
        "  facts:" if assertions else "  facts: []",
    ]
    rows = (assertion.model_dump(mode="json", by_alias=True, exclude_none=True) for assertion in assertions)
    return "\n".join([*lines, *(f"    - {json.dumps(row)}" for row in rows)]) + "\n"
