"""The command ``ringfence``: puts the commands together and turns errors into lines and exit codes."""

from __future__ import annotations

import gc
import os
import sys

import typer

from reconciler.errors.taxonomy import RingfenceError

GC_THRESHOLD = 50_000
"""Commands are short and import much that lives as long as they do: looking for garbage early finds none."""

app = typer.Typer(
    name="ringfence",
    help="GitOps for bare-metal enclaves.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _assemble() -> None:
    from reconciler.cli import (
        adopt,
        bundle,
        codeowners,
        evidence,
        evidence_commands,
        forge,
        holding,
        hook,
        image,
        inspect,
        lab,
        node,
        operate,
        planning,
        policy,
        probe,
        repository,
        trust,
        webhook,
        witness,
    )

    groups = {
        "lab": lab,
        "image": image,
        "inspect": inspect,
        "policy": policy,
        "node": node,
        "hook": hook,
        "forge": forge,
        "evidence": evidence_commands,
    }
    for name, group in groups.items():
        app.add_typer(group.app, name=name)
    modules = (
        repository,
        planning,
        operate,
        evidence,
        bundle,
        trust,
        holding,
        probe,
        adopt,
        webhook,
        codeowners,
        witness,
    )
    for module in modules:
        for command in module.COMMANDS:
            app.command()(command)


def main() -> None:
    """Run the command line; the first of the two top seams where errors end."""
    gc.set_threshold(GC_THRESHOLD)
    _assemble()
    debug = "--debug" in sys.argv[1:]
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"] if debug else sys.argv[1:]
    try:
        app(args=arguments, prog_name="ringfence")
    except RingfenceError as error:
        if debug:
            raise
        from reconciler.cli.error_text import error_lines

        print("\n".join(error_lines(error)), file=sys.stderr)
        sys.stdout.flush()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
