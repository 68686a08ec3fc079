"""Errors as they stand on standard error: a line for what is wrong, and one for what to do next.

It imports nothing but the taxonomy, so that a command that fails early fails quickly.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.errors.taxonomy import Finding, InputError, RingfenceError


def error_lines(error: RingfenceError) -> list[str]:
    """Return what is said of ``error`` on standard error."""
    findings = error.findings if isinstance(error, InputError) else ()
    if not findings:
        return [f"error: {error}"] + ([f"hint: {error.hint}"] if error.hint else [])
    return finding_lines(findings)


def finding_lines(findings: Iterable[Finding]) -> list[str]:
    """Return what is said of ``findings``: where, what and under which code, then what to do."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.severity}: {finding.place}: {finding.message} [{finding.code}]")
        lines += [f"hint: {finding.hint}"] if finding.hint else []
    return lines
