"""``ringfence lab``: the virtual metal's commands.

Rendering only; every decision is in ``reconciler.lab``. What is imported at the top is
what every call needs: start-up time matters.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reconciler.lab.layout import StateDir
    from reconciler.lab.light import Place

app = typer.Typer(
    name="lab",
    help="A data centre in miniature: machines, TPMs, BMCs and a switch in one namespace of their own.",
    no_args_is_help=True,
)

State = Annotated[
    Path,
    typer.Option("--state", envvar="RINGFENCE_LAB", metavar="DIR", help="Where the lab keeps its files."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NodeName = Annotated[str, typer.Argument(metavar="NODE", help="The machine, as in: n1.")]
DEFAULT_STATE = Path(".lab")
_INVENTORY = "lab: inventory\n\nRingfence-Confirm: trust\n"
"""The lab's TPM maker becomes trusted by it, which a commit says."""


def _state(path: Path) -> StateDir:
    from reconciler.lab import layout

    return layout.state_dir(path)


def _show(state: StateDir, *, as_json: bool) -> None:
    import dataclasses

    from reconciler.lab import lifecycle

    found = lifecycle.status(state)
    if as_json:
        print(json.dumps(dataclasses.asdict(found), sort_keys=True))
        return
    if not found.up:
        print(f"lab {found.state}: down")
        return
    machines = [node for node in found.nodes if not node.light]
    sizes = [f"{len(machines)} nodes of {found.memory_mib} MiB"] if machines else []
    if len(machines) < len(found.nodes):
        sizes.append(f"{len(found.nodes) - len(machines)} light nodes")
    print(f"lab {found.state}: up, {', '.join(sizes)}")
    for node in found.nodes:
        port = f"vlan {node.vlan}" if node.vlan is not None else "TRUNK"
        tampered = ", tampered" if node.tampered else ""
        print(f"  {node.name}: {node.power}, {port}, boots {node.boots}{tampered}")
    print(f"  services: {', '.join(sorted(found.services))}")


@app.command()
def up(
    *,
    nodes: Annotated[int, typer.Option(help="How many machines: n1, n2, …")] = 3,
    light: Annotated[int, typer.Option(help="How many light nodes, which relive a recorded boot: l1, l2, …")] = 0,
    memory: Annotated[int, typer.Option(help="MiB for each; PCR 0 depends on it.")] = 256,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Bring the lab up; when it is up already, say so and change nothing."""
    from reconciler.lab import lifecycle

    home = _state(state)
    fresh = lifecycle.up(home, nodes=nodes, light_nodes=light, memory_mib=memory)
    if not as_json:
        print("the lab is up" if fresh else "the lab was up already; nothing was changed")
    _show(home, as_json=as_json)


@app.command()
def down(
    *,
    keep_logs: Annotated[bool, typer.Option("--keep-logs", help="Keep the folder of logs.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Take the lab down, or clean up after one that crashed."""
    from reconciler.lab import lifecycle

    there = lifecycle.down(_state(state), keep_logs=keep_logs)
    print("the lab is down" if there else "there was no lab")


@app.command()
def status(*, state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Show what stands: power, VLAN and boots of every machine."""
    _show(_state(state), as_json=as_json)


@app.command(
    name="exec",
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
)
def exec_(
    command: Annotated[list[str], typer.Argument(metavar="CMD [ARG…]", help="What to run.")],
    *,
    namespace: Annotated[str, typer.Option("--ns", help="mgmt, svc, tenant, probe-nX or node-lX.")] = "mgmt",
    state: State = DEFAULT_STATE,
) -> None:
    """Run a command inside the lab, in this directory, with its exit status."""
    from reconciler.lab import enter

    enter.replace(_state(state), command, namespace=namespace)


@app.command()
def tamper(
    node: NodeName,
    *,
    uki: Annotated[Path | None, typer.Option(metavar="FILE", help="The image to change a copy of.")] = None,
    pcr: Annotated[int | None, typer.Option(help="Have its workload extend this PCR instead.")] = None,
    event: Annotated[
        int | None, typer.Option(metavar="N", help="Of a light node: flip a bit of this event's digest instead.")
    ] = None,
    where: Annotated[
        str, typer.Option("--in", metavar="both|sent|extended", help="With --event: in the log, in the TPM, or both.")
    ] = "both",
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Do to a node what an attacker would: from its next boot on, a changed image or another measurement."""
    from reconciler.lab import tamper as attacks

    home = _state(state)
    if undo:
        attacks.undo(home, node)
        print(f"{node} boots its assigned image again")
    elif event is not None:
        attacks.tamper_event(home, node, event=event, place=_place(where))
        print(f"{node} relives its log with event {event} changed ({where}) from its next power-on")
    elif pcr is not None:
        attacks.tamper_pcr(home, node, pcr=pcr)
        print(f"{node}'s workload will extend PCR {pcr}")
    else:
        attacks.tamper_image(home, node, uki=uki)
        print(f"{node} boots a tampered image from now on")


def _place(text: str) -> Place:
    from reconciler.errors.taxonomy import InputError
    from reconciler.lab.light import Place

    try:
        return Place(text)
    except ValueError as error:
        hint = f"say one of {', '.join(Place)}"
        raise InputError(f"--in {text}", "is no place of a log", reason="LabPlaceUnknown", hint=hint) from error


@app.command()
def relive(
    node: Annotated[str, typer.Argument(metavar="NODE", help="The light node, as in: l1.")],
    *,
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="A recorded event log with SHA-256 digests.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="The lab's own log and the fetched image again.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Have a light node relive another recorded log from its next power-on, exactly as it is in the file."""
    from reconciler.errors.taxonomy import InputError
    from reconciler.lab import tamper as attacks

    if undo == (log is not None):
        raise InputError("lab relive", "needs --log FILE or --undo", reason="LabLogMissing", hint="give one of the two")
    attacks.relive_log(_state(state), node, file=log)
    print(f"{node} relives {log or 'the log of the lab'} from its next power-on")


@app.command()
def probe(
    node: NodeName,
    *,
    to: Annotated[str, typer.Option(metavar="ADDRESS[:PORT]", help="What to reach, or another node's cable: n2.")],
    timeout: Annotated[float, typer.Option(help="Seconds.")] = 1.0,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Look from a node's side of its switch port; exit status 0 if reached, 1 if not."""
    from reconciler.lab import probe as probes

    home = _state(state)
    address, _, port = to.partition(":")
    if address[:1].isalpha():
        outcome = "leaks" if probes.leaks(home, node, address) else "silent"
    else:
        outcome = probes.look(home, node, target=address, port=_port(port), timeout_s=timeout).value
    reached = outcome != "silent"
    if as_json:
        print(json.dumps({"node": node, "outcome": outcome, "reachable": reached, "to": to}, sort_keys=True))
    else:
        print(f"{node} -> {to}: {outcome}")
    raise typer.Exit(0 if reached else 1)


def _port(text: str) -> int | None:
    from reconciler.errors.taxonomy import InputError

    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 65535:  # noqa: PLR2004  # TCP's own limit
        raise InputError(f"port {text}", "must be 1 to 65535", reason="LabAddressInvalid")
    return int(text)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="A service, or a node for its console; nothing lists them.")] = "",
    *,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 40,
    state: State = DEFAULT_STATE,
) -> None:
    """Show the end of a log, or of a node's console."""
    from reconciler.lab import logs as reader

    home = _state(state)
    for line in reader.tail(home, name, lines=lines) if name else reader.names(home):
        print(line)


@app.command()
def inventory(
    *,
    repo: Annotated[Path, typer.Option(metavar="DIR", help="The state repository's working tree.")],
    state: State = DEFAULT_STATE,
) -> None:
    """Write the lab's inventory into a state repository, as a commit signed with the operator's key."""
    from reconciler.lab import lifecycle
    from reconciler.repo.worktree import commit_files

    home = _state(state)
    files = {path: text.encode() for path, text in lifecycle.inventory_documents(home).items()}
    key = lifecycle.commit_key(home)
    commit = commit_files(repo, files=files, message=_INVENTORY, signing_key=key)
    print(f"{len(files)} files in commit {commit[:12]}")
