"""``ringfence node``: machines of the inventory, one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.operate import Repository, SettingsFile
from reconciler.cli.signing_key import chosen_key

if TYPE_CHECKING:
    from reconciler.repo.git import Git
    from reconciler.repo.snapshot import Snapshot

app = typer.Typer(name="node", help="Machines of the inventory.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Machines of the inventory."""


@app.command()
def add(  # the options of a command
    name: Annotated[str, typer.Argument(metavar="NAME", help="The machine's name, as in: r3u07.")],
    *,
    zone: Annotated[str, typer.Option(help="The zone that it stands in.")],
    bmc: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS[:PORT][,KEY=VALUE…]",
            help="Where its BMC is; keys are driver, certificate, system, networkBoot.",
        ),
    ],
    credentials: Annotated[str, typer.Option(help="The name of the BMC's login; never the login.")],
    interface: Annotated[
        list[str], typer.Option(metavar="NAME=MAC@SWITCH:PORT", help="A cable: eno1=52:54:00:00:03:07@tor:swp7.")
    ],
    profile: Annotated[str, typer.Option(help="Machine type and firmware, as policies name it: dell-r340.")],
    family: Annotated[str, typer.Option(help="What its measurements mean.")] = "uefi",
    ek_certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="Its EK certificate, PEM or DER.")] = None,
    endorsement: Annotated[str | None, typer.Option(metavar="sha256:…", help="Or the digest of its EK.")] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A label to select it by.")] = None,
    airlock_vlan: Annotated[int | None, typer.Option(help="By default the lowest that is free.")] = None,
    branch: Annotated[str | None, typer.Option(help="By default add/NAME.")] = None,
    key: Annotated[Path | None, typer.Option(help="Private SSH key to sign with, instead of the settings'.")] = None,
    repo: Repository = Path(),
    settings: SettingsFile = None,
) -> None:
    """Add one machine to the inventory, as a signed commit on a branch of its own. The working tree stays as it is."""
    from reconciler.daemon.adopt.enrol import NewNode, enrol
    from reconciler.repo.branches import commit_on_branch
    from reconciler.repo.git import Git

    git = Git(repo)
    base, snapshot = _base(git)
    new = NewNode(
        name=name,
        zone=zone,
        bmc=bmc,
        credentials=credentials,
        interfaces=interface,
        endorsement=_endorsement(snapshot, ek_certificate=ek_certificate, endorsement=endorsement),
        family=family,
        profile=profile,
        labels=_labels(label or []),
        airlock_vlan=airlock_vlan,
    )
    files, desired = enrol(snapshot, new)
    target = branch or f"add/{name}"
    commit = commit_on_branch(
        git,
        base=base,
        branch=target,
        files=files,
        message=f"site: add node {name}\n",
        signing_key=chosen_key(key, settings=settings),
    )
    vlan = desired.nodes[name].spec.airlock.vlan
    typer.echo(f"node {name} is commit {commit[:12]} on branch {target}: {', '.join(sorted(files))}")
    typer.echo(f"its airlock is VLAN {vlan} of zone {zone}; its services need a listener there (docs/settings.md)")
    typer.echo(f"next: git push origin {target}, then open a pull request; once merged, reconcile parks its ports")


def _base(git: Git) -> tuple[str, Snapshot]:
    from reconciler.errors.taxonomy import InputError
    from reconciler.repo.snapshot import read_commit

    current = git.current_branch()
    base = git.head(current) if current else None
    if base is None:
        hint = "check out the branch that holds the desired state: git switch main"
        raise InputError(f"repository {git.path.name}", "has no commit to add to", reason="NoCommit", hint=hint)
    return base, read_commit(git, base)


def _endorsement(snapshot: Snapshot, *, ek_certificate: Path | None, endorsement: str | None) -> str:
    """Return the pin; with both given they must agree."""
    from reconciler.cli.wiring import now
    from reconciler.daemon.adopt.endorsed import anchors_of, pin_of_file
    from reconciler.errors.taxonomy import InputError

    if ek_certificate is None and endorsement is None:
        hint = "give --ek-certificate FILE (tpm2_getekcertificate on the machine), or --endorsement sha256:…"
        raise InputError("node add", "needs to know which TPM is the node's", reason="EndorsementMissing", hint=hint)
    if ek_certificate is None:
        return endorsement or ""
    pin = pin_of_file(ek_certificate, anchors=anchors_of(snapshot), at=now())
    if endorsement is not None and endorsement != pin:
        hint = "one of the two is another machine's"
        message = f"is that of {pin}, not of {endorsement}"
        raise InputError(f"EK certificate {ek_certificate.name}", message, reason="EndorsementMismatch", hint=hint)
    return pin


def _labels(words: list[str]) -> dict[str, str]:
    from reconciler.errors.taxonomy import InputError

    labels: dict[str, str] = {}
    for word in words:
        name, found, value = word.partition("=")
        if not found or not name:
            raise InputError(f"--label {word}", "is no label", reason="BadLabel", hint="write KEY=VALUE")
        labels[name] = value
    return labels
