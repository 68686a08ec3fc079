"""A quote for a terminal: what it says, what was checked of it, and what was not.

What was not given was not checked, and is never called good. A quote that holds says nothing of whether its values
are the right ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.attest.algorithms import BANK_NAMES
from reconciler.attest.tpm.attestation import ATTEST_QUOTE, Quote, parse_quote
from reconciler.attest.tpm.inspection import Check, QuoteReport, inspect_quote, load_key
from reconciler.attest.tpm.pcr_files import parse_pcr_values
from reconciler.attest.tpm.selection import Values
from reconciler.attest.tpm.signature import parse_signature
from reconciler.cli.inspect_input import parse_hex, parsing, read_file, refused
from reconciler.cli.inspect_text import pairs, reason_lines, table

_AK = "name the attestation key: PEM, TPM2B_PUBLIC or TPMT_PUBLIC, as tpm2_createak -u or tpm2_readpublic -o writes it"
_MESSAGE = "name the quote itself (TPMS_ATTEST), as tpm2_quote -m writes it"
_SIGNATURE = "name the signature in the TPM's form (TPMT_SIGNATURE), as tpm2_quote -s writes it without -f plain"
_PCRS = "name PCR values: tpm2_quote -o with -F serialized, JSON by bank and number, or lines of tpm2_pcrread"
_NONCE = "name a file that holds the bytes of the nonce and nothing else, not even a newline"
_HEX = "give two hexadecimal digits a byte, such as 0123abcd; name a file of other bytes with --nonce-file"
_MAX_NONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteFiles:
    """Where the parts of a quote are; ``pcrs`` is None if no values are claimed."""

    ak: Path
    message: Path
    signature: Path
    pcrs: Path | None


def nonce_of(text: str | None, *, file: Path | None) -> bytes | None:
    """Return the nonce that was asked for, of one byte at least; None if neither option was given."""
    if text is not None and file is not None:
        hint = "give one of --nonce and --nonce-file"
        raise refused("--nonce", "stands beside --nonce-file", hint=hint, reason="OptionInvalid")
    if file is not None:
        return read_file(file, hint=_NONCE, limit=_MAX_NONCE)
    return None if text is None else parse_hex(text, option="--nonce", hint=_HEX, limit=_MAX_NONCE)


def read_quote(files: QuoteFiles, *, nonce: bytes | None) -> QuoteReport:
    """Return the report of the quote in ``files``; InputError names the file that cannot be read or parsed."""
    key, message, signature = (
        read_file(path, hint=hint)
        for path, hint in ((files.ak, _AK), (files.message, _MESSAGE), (files.signature, _SIGNATURE))
    )
    values: Values | None = None
    # Each part is parsed alone first, so that an error names its file.
    if files.pcrs is not None:
        with parsing(files.pcrs, hint=_PCRS):
            values = parse_pcr_values(read_file(files.pcrs, hint=_PCRS))
    with parsing(files.message, hint=_MESSAGE):
        parse_quote(message)
    with parsing(files.signature, hint=_SIGNATURE):
        parse_signature(signature)
    with parsing(files.ak, hint=_AK):
        load_key(key)
        return inspect_quote(message, signature=signature, key=key, nonce=nonce, values=values)


def is_held(report: QuoteReport, *, has_nonce: bool, has_pcrs: bool) -> bool:
    """Return whether everything that was given was checked and holds."""
    outcomes = [report.signature]
    outcomes += [report.nonce] if has_nonce else []
    outcomes += [report.values] if has_pcrs else []
    return not report.reasons and all(outcome is Check.OK for outcome in outcomes)


def quote_text(report: QuoteReport, *, nonce: bytes | None) -> str:
    """Return the report for a terminal; ``nonce`` is what was asked for, if anything was."""
    lines = [*pairs(_said(report.quote)), "", *table(_checks(report), titles=("check", "outcome", "how"))]
    lines += reason_lines(report.reasons)
    if nonce is not None and nonce.rstrip(b"\r\n") != nonce and report.nonce is Check.FAILED:
        lines += ["", "The nonce that was given ends with a newline, which counts; a nonce file must not have one."]
    left = ", ".join(report.unchecked)
    end = f"Not checked: {left}."
    return "\n".join([*lines, "", f"It does not hold. {end}" if report.reasons else f"What was checked holds. {end}"])


def _said(quote: Quote) -> list[tuple[str, str | None]]:
    clock = quote.clock
    banks = "; ".join(f"{BANK_NAMES.get(bank, f'{bank:04x}')}: {_numbers(pcrs)}" for bank, pcrs in quote.selection)
    is_quote = quote.kind == ATTEST_QUOTE
    state = "safe" if quote.is_safe else "not safe"
    return [
        ("type", "quote" if is_quote else f"another attestation, 0x{quote.kind:04x}"),
        ("magic", f"{quote.magic:08x}"),
        ("qualified signer", quote.qualified_signer.hex()),
        ("nonce", quote.extra_data.hex() or "empty"),
        ("clock", f"{clock.clock} ms, {state}, {clock.reset_count} resets, {clock.restart_count} restarts"),
        ("firmware version", f"{clock.firmware_version:016x}"),
        ("PCRs", (banks or "none") if is_quote else None),
        ("PCR digest", quote.pcr_digest.hex() if is_quote else None),
    ]


def _numbers(pcrs: tuple[int, ...]) -> str:
    """Return ascending numbers with runs of three and more as ranges: ``0-7, 9``."""
    runs: list[list[int]] = []
    for pcr in pcrs:
        if runs and pcr == runs[-1][-1] + 1:
            runs[-1].append(pcr)
        else:
            runs.append([pcr])
    short = 2
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > short else ", ".join(map(str, run)) for run in runs) or "none"


def _checks(report: QuoteReport) -> list[tuple[str, str, str]]:
    by = "as the key names them" if report.scheme_of_key else "by the signature's own word, as a PEM file names none"
    about = {code for code in (reason.code for reason in report.reasons) if code.startswith("Ak")}
    key = Check.NOT_CHECKED if report.name is None else Check.FAILED if about else Check.OK
    named = "a PEM file has no attributes" if report.name is None else f"name {report.name.hex()}"
    without = "none were given" if report.quote.kind == ATTEST_QUOTE else "only a quote has them"
    return [
        ("signature", report.signature, f"{report.scheme}, {report.hash}, {by}"),
        ("attestation key", key, named),
        ("nonce", report.nonce, "none was given" if report.nonce is Check.NOT_CHECKED else "against the one given"),
        ("PCR values", report.values, without if report.values is Check.NOT_CHECKED else "against those given"),
        ("clock", Check.NOT_CHECKED, "needs an earlier quote"),
        ("qualified signer", Check.NOT_CHECKED, "needs the endorsement key"),
    ]
