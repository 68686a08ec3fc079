"""The commands that look into one file, with no state repository: ``ringfence inspect``.

They show what a file says and check what can be checked with what was given; what was not checked is called so. No
verdict comes from here, and nothing is opened by it. Exit codes: 0 what was given holds; 3 a check failed; 2 the
input cannot be read or parsed. Only the command ``ek`` reads the clock, unless it is told a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.operate import Output
from reconciler.model.families import Family, Overlay

app = typer.Typer(help="Look into a file of attestation data; needs no state repository.", no_args_is_help=True)
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How the report is shown.")]
_FAILED = 3


@app.command()
def eventlog(
    file: Annotated[Path, typer.Argument(help="A TCG event log, as the kernel gives it out.")],
    *,
    output: OutputOption = Output.TEXT,
    facts: Annotated[
        bool, typer.Option("--facts", help="Say which facts the log would prove if it is quoted.")
    ] = False,
    family: Annotated[Family, typer.Option(help="With --facts: what the machine's PCRs mean.")] = Family.UEFI,
    overlay: Annotated[list[Overlay] | None, typer.Option(help="With --facts: what is measured besides.")] = None,
    bank: Annotated[
        str | None, typer.Option(help="The bank of digests shown and of facts (default: sha256, or the only one).")
    ] = None,
) -> None:
    """Show every event of a boot, and the PCR values that the log leads to. A log alone proves nothing."""
    from reconciler.attest.eventlog.inspection import inspect_log
    from reconciler.cli.inspect_input import parsing, read_file
    from reconciler.cli.inspect_log import chosen_bank, facts_of, log_text
    from reconciler.cli.printable import as_json

    hint = "name a binary event log, such as /sys/kernel/security/tpm0/binary_bios_measurements"
    data = read_file(file, hint=hint)
    with parsing(file, hint=hint):
        found = inspect_log(data)
    shown = chosen_bank(found, bank=bank, is_needed=facts, subject=file)
    proven = facts_of(found, bank=shown, family=family, overlays=overlay or []) if facts and shown else None
    if output is Output.JSON:
        from reconciler.attest.facts.document import facts_document

        extra = {} if proven is None else {"facts": facts_document(proven)}
        typer.echo(as_json({**found.as_json(), **extra}))
    else:
        typer.echo(log_text(found, bank=shown, facts=proven))


@app.command()
def quote(
    *,
    ak: Annotated[Path, typer.Option(help="The attestation key: PEM, TPM2B_PUBLIC or TPMT_PUBLIC.")],
    message: Annotated[Path, typer.Option(help="The TPMS_ATTEST that was signed (tpm2_quote -m).")],
    signature: Annotated[Path, typer.Option(help="The TPMT_SIGNATURE (tpm2_quote -s).")],
    nonce: Annotated[str | None, typer.Option(help="The nonce asked for, in hexadecimal digits.")] = None,
    nonce_file: Annotated[Path | None, typer.Option(help="The nonce asked for: a file of exactly its bytes.")] = None,
    pcrs: Annotated[Path | None, typer.Option(help="The claimed PCR values (tpm2_quote -o, JSON or lines).")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what a quote says, and check its signature, nonce and PCR values as far as they are given."""
    from reconciler.cli.inspect_quote import QuoteFiles, is_held, nonce_of, quote_text, read_quote
    from reconciler.cli.printable import as_json

    expected = nonce_of(nonce, file=nonce_file)
    files = QuoteFiles(ak=ak, message=message, signature=signature, pcrs=pcrs)
    report = read_quote(files, nonce=expected)
    has_pcrs = pcrs is not None
    typer.echo(as_json(report.to_json()) if output is Output.JSON else quote_text(report, nonce=expected))
    if not is_held(report, has_nonce=expected is not None, has_pcrs=has_pcrs):
        raise typer.Exit(_FAILED)


@app.command()
def ima(
    file: Annotated[Path, typer.Argument(help="An IMA log, binary or ascii, as the kernel gives it out.")],
    pcr10: Annotated[
        list[str] | None, typer.Option(help="A quoted value of PCR 10 in hexadecimal digits; one a bank.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show every entry of an IMA log, and the PCR values that it leads to; or how much of it a value covers."""
    from reconciler.attest.ima.inspect import inspect_ima
    from reconciler.cli.inspect_ima import ima_text, is_covered, pcr10_values
    from reconciler.cli.inspect_input import parsing, read_file
    from reconciler.cli.printable import as_json

    hint = "name an IMA log, such as /sys/kernel/security/ima/binary_runtime_measurements"
    values = pcr10_values(pcr10) if pcr10 else None
    data = read_file(file, hint=hint)
    with parsing(file, hint=hint):
        report = inspect_ima(data, values=values)
    typer.echo(as_json(report) if output is Output.JSON else ima_text(report))
    if not is_covered(report):
        raise typer.Exit(_FAILED)


@app.command()
def ek(
    file: Annotated[Path, typer.Argument(help="An EK certificate: PEM, DER or the content of its NV index.")],
    *,
    roots: Annotated[list[Path] | None, typer.Option(help="Roots of TPM makers: a file or a folder.")] = None,
    intermediates: Annotated[list[Path] | None, typer.Option(help="Intermediates: a file or a folder.")] = None,
    crls: Annotated[list[Path] | None, typer.Option(help="Revocation lists: a file or a folder.")] = None,
    at: Annotated[str | None, typer.Option(help="When dates are judged, by ISO 8601 (default: now).")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what an EK certificate says of its TPM, and whether it chains to one of the roots given."""
    from reconciler.cli.inspect_ek import EkFiles, ek_document, ek_text, is_refused, read_ek
    from reconciler.cli.inspect_input import parse_time
    from reconciler.cli.printable import as_json

    judged_at = parse_time(at, option="--at")
    files = EkFiles(ek=file, roots=roots or [], intermediates=intermediates or [], crls=crls or [])
    report = read_ek(files, at=judged_at)
    typer.echo(as_json(ek_document(report)) if output is Output.JSON else ek_text(report))
    if is_refused(report):
        raise typer.Exit(_FAILED)
