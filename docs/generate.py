"""Write the pages that are made from code: ``python docs/generate.py``.

Rules: the same code gives the same bytes; a test compares what is committed with what this makes.
"""
# ruff: noqa: INP001  # a script beside the pages that it makes, not a package

from __future__ import annotations

from pathlib import Path

from reconciler.attest.claims import Claim
from reconciler.attest.codes import CODES
from reconciler.errors.taxonomy import RingfenceError
from reconciler.model.phase import STEPS, to_mermaid

DOCS = Path(__file__).resolve().parent

_EXITS = """\
| exit | means |
|---|---|
| 0 | done, or nothing to do |
| 1 | `reconcile` converged as far as it can be, and a problem is left; `lab probe` reached nothing |
| 2 | an `InputError`, or a command line that is not understood; `plan --detailed-exitcode`: there is something to do |
| 3 | a `TrustError`; `audit` found a flaw |
| 4 | a `DeviceError` |
| 5 | a `TransientError`; `reconcile` ran out of time |
| 70 | an `InvariantError` |
"""


def errors_page() -> str:
    """Return ``errors.md``: exit codes, kinds of error, and every reason that a verdict can give."""
    kinds = [kind for kind in RingfenceError.__subclasses__() if kind.__module__ == RingfenceError.__module__]
    lines = [
        "# Errors and reasons",
        "",
        "Made by `docs/generate.py` from `reconciler/errors/taxonomy.py` and `reconciler/attest/codes.py`.",
        "",
        "## Exit codes",
        "",
        _EXITS,
        "An error is shown on standard error as `error: SUBJECT: MESSAGE`, then `hint: …` if there is one.",
        "`--debug` shows the traceback instead.",
        "",
        "## Kinds of error",
        "",
        "| kind | meaning | exit |",
        "|---|---|---|",
        *(f"| `{kind.__name__}` | {_first_line(kind)} | {kind.exit_code} |" for kind in kinds),
        "",
        "## Reasons in a verdict",
        "",
        "A rejected verdict lists all reasons that were found. A code is stable.",
        "*Against* are the parts of the trustworthiness vector that become contraindicated.",
        "",
        "| code | meaning | next step | against |",
        "|---|---|---|---|",
        *(f"| `{name}` | {code.meaning} | {code.hint} | {_claims(code.claims)} |" for name, code in CODES.items()),
    ]
    return "\n".join(lines) + "\n"


def phases_page() -> str:
    """Return ``phases.md``: the phases of a node's life and every legal step between them."""
    lines = [
        "# Phases of a node",
        "",
        "Made by `docs/generate.py` from `reconciler/model/phase.py`. Any other step raises an `InvariantError`.",
        "",
        "```mermaid",
        to_mermaid().rstrip(),
        "```",
        "",
        "| from | to | why |",
        "|---|---|---|",
        *(f"| {before} | {after} | {why} |" for (before, after), why in STEPS.items()),
    ]
    return "\n".join(lines) + "\n"


def _first_line(kind: type[RingfenceError]) -> str:
    return (kind.__doc__ or "").partition("\n")[0].rstrip(".")


def _claims(claims: frozenset[Claim]) -> str:
    return "everything" if claims == frozenset(Claim) else ", ".join(claim for claim in Claim if claim in claims)


PAGES = {"errors.md": errors_page, "phases.md": phases_page}
"""What is made, by its name in this folder."""


def main() -> None:
    """Write every page."""
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
