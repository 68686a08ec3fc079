"""An EK certificate for a terminal: whose TPM it says it is for, and whether it chains to the roots given.

Without roots nothing is called good. Files of roots of which not one certificate can be read are bad input.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from reconciler.attest.endorsement.anchors import Problem, read_anchors
from reconciler.attest.endorsement.inspection import EkReport, ShownEk, inspect_ek
from reconciler.attest.tpm.inspection import Check
from reconciler.attest.verdict import Reason
from reconciler.cli.inspect_input import read_file, read_files, refused
from reconciler.cli.inspect_text import pairs, reason_lines, table
from reconciler.cli.printable import printable

_EK = "name an EK certificate: PEM, DER, or what tpm2_nvread or tpm2_getekcertificate writes"
_STORE = "name certificates of TPM makers, PEM bundles or DER, or a folder of them"
_LISTS = "name revocation lists, PEM or DER, or a folder of them"
_SOURCE = re.compile(r"(root|intermediate) ([0-9]+)(.*)", re.DOTALL)
_LIST = re.compile(r"list ([0-9]+) of trust/ek-crls (.*)", re.DOTALL)
_NO_ISSUER = "EkIssuerUnknown"
_NAME = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class EkFiles:
    """Where the certificate is, and what it is judged by."""

    ek: Path
    roots: Sequence[Path]
    intermediates: Sequence[Path]
    crls: Sequence[Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class EkView:
    """A report of a certificate that could be parsed, and what came of checking it."""

    ek: ShownEk
    report: EkReport
    check: Check


def read_ek(files: EkFiles, *, at: datetime) -> EkView:
    """Return the report of the certificate in ``files`` at the time ``at``; InputError names what cannot be read."""
    data = read_file(files.ek, hint=_EK)
    roots = read_files(files.roots, hint=_STORE)
    intermediates = read_files(files.intermediates, hint=_STORE)
    crls = read_files(files.crls, hint=_LISTS)
    pools = tuple(roots.values()), tuple(intermediates.values()), tuple(crls.values())
    if files.roots and not read_anchors(*pools).fingerprints:
        named = ", ".join(map(str, files.roots))
        raise refused(named, "holds no certificate that can be read", hint=_STORE, reason="FileMalformed")
    report = inspect_ek(data, roots=pools[0], intermediates=pools[1], crls=pools[2], at=at)
    ek = report.ek
    if ek is None:
        raise refused(files.ek, report.reasons[0].message, hint=_EK, reason="FileMalformed")
    names = {"root": list(roots), "intermediate": list(intermediates)}
    # Without roots there is nothing that could have issued it, which is no fault of the certificate.
    told = tuple(_placed(one, names=list(crls)) for one in report.reasons)
    reasons = tuple(one for one in told if files.roots or one.code != _NO_ISSUER)
    problems = tuple(_named(one, names=names) for one in report.problems)
    report = replace(report, reasons=reasons, problems=problems)
    return EkView(ek=ek, report=report, check=_outcome(reasons, has_roots=bool(files.roots)))


def _outcome(reasons: Sequence[Reason], *, has_roots: bool) -> Check:
    if reasons:
        return Check.FAILED
    return Check.OK if has_roots else Check.NOT_CHECKED


def _named(problem: Problem, *, names: dict[str, list[str]]) -> Problem:
    """Return ``problem`` with the file's name in place of its number."""
    match = _SOURCE.fullmatch(problem.source)
    if match is None:
        return problem
    return replace(problem, source=names[match[1]][int(match[2]) - 1] + match[3])


def _placed(reason: Reason, *, names: list[str]) -> Reason:
    """Return ``reason`` with the file's name in place of a revocation list's number in the state repository."""
    match = _LIST.fullmatch(reason.message)
    return reason if match is None else replace(reason, message=f"{names[int(match[1]) - 1]} {match[2]}")


def is_refused(view: EkView) -> bool:
    """Return whether something speaks against the certificate."""
    return view.check is Check.FAILED


def ek_document(view: EkView) -> dict[str, object]:
    """Return the report as JSON, with ``check`` for what came of it."""
    return {"check": str(view.check), **view.report.to_json()}


def ek_text(view: EkView) -> str:
    """Return the report for a terminal."""
    report = view.report
    lines = pairs(_said(view.ek))
    if report.chain:
        rows = [(str(n), one.subject, one.key, f"{one.not_after:%Y-%m-%d}") for n, one in enumerate(report.chain, 1)]
        shown = [(number, printable(subject, width=_NAME), key, until) for number, subject, key, until in rows]
        lines += ["", "Issued by, up to a root that was given:", *table(shown, titles=("", "subject", "key", "until"))]
    for one in report.lists:
        until = "no date" if one.next_update is None else f"{one.next_update:%Y-%m-%d}"
        lines.append(f"revocation list consulted: {printable(one.issuer, width=_NAME)}, next due {until}")
    lines += reason_lines(report.reasons)
    if report.remarks or report.problems:
        lines.append("")
    lines += [f"note: {printable(remark)}" for remark in report.remarks]
    lines += [f"not loaded: {printable(one.source)}: {printable(one.message)}" for one in report.problems]
    return "\n".join([*lines, "", _end(view)])


def _end(view: EkView) -> str:
    at = view.report.judged_at
    when = "" if at is None else f", judged at {at.isoformat()}"
    match view.check:
        case Check.OK:
            return f"It chains to a root that was given, and nothing speaks against it{when}."
        case Check.FAILED:
            return f"It does not hold{when}."
        case Check.NOT_CHECKED:
            return f"Chain not checked: no roots were given. Nothing else speaks against it{when}."


def _said(ek: ShownEk) -> list[tuple[str, str | None]]:
    certificate, tpm = ek.certificate, ek.tpm
    vendor = f" ({tpm.vendor})" if tpm.vendor else ""
    size = f"{ek.size} bytes" + (f", then {ek.padding} bytes of padding" if ek.padding else "")
    return [
        ("TPM manufacturer", f"{tpm.manufacturer}{vendor}" if tpm.manufacturer else "not said"),
        ("TPM model", tpm.model or "not said"),
        ("TPM version", tpm.version or "not said"),
        ("TPM specification", tpm.specification or "not said"),
        ("pin", ek.pin),
        ("key", certificate.key),
        ("templates", ", ".join(ek.templates) or "none known"),
        ("subject", printable(certificate.subject or "empty", width=_NAME)),
        ("issuer", printable(certificate.issuer, width=_NAME)),
        ("serial", certificate.serial),
        ("not before", certificate.not_before.isoformat()),
        ("not after", certificate.not_after.isoformat()),
        ("signed with", certificate.signature_algorithm),
        ("fingerprint", certificate.fingerprint),
        ("extensions", ", ".join(one.name + (" (critical)" if one.critical else "") for one in ek.extensions) or None),
        ("size", size),
    ]
