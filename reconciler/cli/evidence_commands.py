"""The commands around the evidence branch: how large it is, and parts of it to hand out."""

from __future__ import annotations

import typer

from reconciler.cli.bundle import export
from reconciler.cli.evidence_stats import stats
from reconciler.cli.evidence_upkeep import pack, rotate

app = typer.Typer(help="The evidence branch: sizes, and bundles that verify alone.", no_args_is_help=True)
app.command()(export)
app.command()(stats)
app.command()(pack)
app.command()(rotate)
