"""The command of somebody outside: watch that the evidence only ever grows, and co-sign it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.operate import Repository


def witness(  # noqa: PLR0917  # one option each
    name: Annotated[str, typer.Argument(help="What this witness is called in spec.evidence.witnesses.")],
    key: Annotated[Path, typer.Option(help="The witness's own Ed25519 key (OpenSSH, without a passphrase).")],
    state: Annotated[Path, typer.Option(help="A folder of its own, for what it has seen and signed last.")],
    repo: Repository = Path(),
    remote: Annotated[
        str | None, typer.Option(help="Fetch from this remote of the clone first, and push to it.")
    ] = None,
    ssh_key: Annotated[Path | None, typer.Option(help="The SSH key for the remote; the agent's by default.")] = None,
    known_hosts: Annotated[Path | None, typer.Option(help="The SSH hosts that are known.")] = None,
    token: Annotated[Path | None, typer.Option(help="A file with a token, for a remote over HTTPS.")] = None,
    signer: Annotated[
        list[Path] | None, typer.Option(help="Pin: a public key that may sign evidence, whatever the repository says.")
    ] = None,
    origin: Annotated[str | None, typer.Option(help="Pin: the log's name, NAME/BRANCH.")] = None,
    interval: Annotated[str | None, typer.Option(help="Look again and again, so often (5m); once without it.")] = None,
) -> None:
    """Check that the evidence branch leads on from what was seen last, and co-sign its newest tree head.

    What it refuses ends it with exit code 3, and both heads are kept in the state folder as proof.
    """
    from reconciler.cli.witnessing import Options, Post, check_interval

    wait_s = check_interval(interval)
    options = Options(
        name=name,
        key=key,
        remote=remote,
        ssh_key=ssh_key,
        known_hosts=known_hosts,
        token=token,
        pinned=tuple(signer or ()),
        origin=origin,
    )
    with Post(repo, state=state, options=options) as post:
        if wait_s is None:
            typer.echo(post.look())
        else:
            post.watch(wait_s, say=typer.echo)


COMMANDS: tuple[Callable[..., None], ...] = (witness,)
