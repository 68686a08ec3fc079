"""Write the pages that are made from code: ``python docs/generate.py``.

Rules: the same code gives the same bytes; a test compares what is committed with what this makes.
"""
# ruff: noqa: INP001  # a script beside the pages that it makes, not a package

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import reconciler.attest
from reconciler.attest.claims import AGAIN, Claim, Code
from reconciler.attest.codes import CODES
from reconciler.errors.taxonomy import RingfenceError
from reconciler.model.facts import FACTS, OPERATORS, PROOFS
from reconciler.model.families import Family, Overlay
from reconciler.model.phase import STEPS, to_mermaid

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

import kinds_pages  # noqa: E402 - beside this file, wherever it is run from

VERIFIER = Path(reconciler.attest.__file__).parent

_EXITS = """\
| exit | means |
|---|---|
| 0 | done, or nothing to do |
| 1 | `reconcile` converged as far as it can be, and a problem is left; `lab probe` or `policy check` failed; \
`probe` proved nothing; `verify` found a bundle whole that nobody vouches for; an error of `plan --detailed-exitcode` |
| 2 | an `InputError`, or a command line that is not understood; `plan --detailed-exitcode`: there is something to do |
| 3 | a `TrustError`; `audit` or `verify` found a flaw; a check of `inspect` failed; `probe` found a leak |
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
        *kinds_pages.findings_section(),
        "",
        "## Reasons in a verdict",
        "",
        "A rejected verdict lists all reasons that were found. A code is stable.",
        "*Against* are the parts of the trustworthiness vector that become contraindicated.",
        "",
        "| code | meaning | next step | against |",
        "|---|---|---|---|",
        *(
            f"| [`{name}`](reasons/{name}.md) | {code.meaning} | {code.hint} | {_claims(code.claims)} |"
            for name, code in CODES.items()
        ),
    ]
    return "\n".join(lines) + "\n"


_CHECKS = (
    (r"(Node(?!Reference)|Enclave|Commit|Attempt|Nonce|Challenge)[A-Z]", 1),
    (r"Ek[A-Z]|EndorsementMismatch", 2),
    (r"Ak[A-Z]", 3),
    (r"CredentialMismatch|ActivationFailed", 4),
    (r"Quot|NotAQuote|QualifyingData|QualifiedSigner|Pcr(Selection|Value|Digest)", 5),
    (r"Clock|NotRebooted|BootLost|Resumed|NoEarlierBoot|TpmFirmware", 6),
    (r"EventLog|LogMismatch|UnexplainedPcr", 7),
    (r"Separator|UnknownEventType|DigestNotOfData|Action|Variable|StartupLocality", 8),
    (r"Measurement", 9),
    (r"Firmware|SecureBoot|NodeReference", 10),
    (r"Fact", 11),
    (r"Ima|BootAggregate", 12),
)
"""Which codes each numbered check of an appraisal gives, by how they begin; the first that fits counts."""

_BY_BOOT = frozenset({7, 8, 9, 10, 11})
"""Checks that look at the event log: for these another boot of the same image tells more."""

_CREATION = (
    "A check of where an attestation key was made. It is not one of the numbered checks of an appraisal; see\n"
    "[attestation](../attestation.md)."
)


def reason_page(name: str) -> str:
    """Return the page of the code ``name``: what it means, what it speaks against, what to do, where it is decided."""
    code = CODES[name]
    lines = [
        f"# {name}",
        "",
        "Made by `docs/generate.py` from the verifier's tables. [All codes](../errors.md#reasons-in-a-verdict).",
        "",
        "## Meaning",
        "",
        _sentence(code.meaning),
        "",
        "## What it speaks against",
        "",
        _against(code),
        "",
        "## What to do",
        "",
        _sentence(code.hint),
        *(_looking(name) if code.hint != AGAIN else ()),
        "",
        "## Where it is decided",
        "",
        _decided(name),
        "",
        *(f"- `{path}`" for path in _modules().get(name, ())),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _against(code: Code) -> str:
    if code.claims == frozenset(Claim):
        return "Everything: the evidence as a whole proves nothing, so every part of the vector is contraindicated."
    names = " and ".join(f"*{claim.replace('_', ' ')}*" for claim in Claim if claim in code.claims)
    verb = "become" if len(code.claims) > 1 else "becomes"
    return f"In the trustworthiness vector, {names} {verb} contraindicated."


def _looking(name: str) -> list[str]:
    further = (
        ",\nand the first event at which the boot went another way than a good one" if _check(name) in _BY_BOOT else ""
    )
    return [
        "",
        f"`ringfence explain node/NAME` shows what was expected and found{further}.",
        "[Clearing a rejection](../operations.md#clearing-a-rejection) says how a node joins again.",
    ]


def _decided(name: str) -> str:
    number = _check(name)
    if number is None:
        return _CREATION if name.startswith(("Creation", "NotACreation")) else _WHOLE
    title = _titles()[number]
    return f"Check {number} of an appraisal, *{title}*; see [attestation](../attestation.md#what-a-verdict-covers)."


_WHOLE = "Before the numbered checks of an appraisal; see [attestation](../attestation.md#what-a-verdict-covers)."


def _check(name: str) -> int | None:
    if name.startswith(("Creation", "NotACreation")):
        return None
    return next((number for pattern, number in _CHECKS if re.match(pattern, name)), None)


@cache
def _titles() -> dict[int, str]:
    """Return the titles of the numbered checks, as the docstring of ``appraise`` has them."""
    source = (VERIFIER / "appraise.py").read_text(encoding="utf-8")
    found = re.findall(r"^    (\d+)\. (?:The )?([^:\n]+):", source, re.MULTILINE)
    return {int(number): title for number, title in found}


@cache
def _modules() -> dict[str, list[str]]:
    """Return the modules of the verifier that give each code, by path."""
    found: dict[str, list[str]] = {}
    for path in sorted(VERIFIER.rglob("*.py")):
        nodes = () if path.name == "codes.py" else ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        for name in texts & CODES.keys():
            found.setdefault(name, []).append(f"reconciler/attest/{path.relative_to(VERIFIER).as_posix()}")
    return found


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


_ASSERTIONS = """\
An assertion in a policy names one fact and has exactly one operator:

```yaml
- {fact: secureBoot, equals: true}
- {fact: drivers, within: []}
- {fact: sbatGenerations, atLeast: {shim: 4}}
- {fact: mokList, absent: true, families: [uefi], profiles: [r650]}
```

`equals` is this value, for a list in this order. `within` is nothing else than these, `includes` at least these,
`atLeast` this number or a greater one, and `absent` holds where nothing of it was measured. With `families` or
`profiles` it is asked of those nodes only; without, a node of a family that does not have the fact is refused.
A fact that is missing, unverified or ambiguous never satisfies an assertion; neither does one of a PCR that is not
quoted.
"""

_LIMITS = """\
A fact follows from the digests that the quoted value covers. An event's type is not measured, and a text beside a
digest that is not of that text is not either: such texts are shown as labels and never compared. So a list of digests
holds all that was measured into its PCR, whatever its events call themselves, but separators and what known texts
explain.

- That the log replays to the quoted values is judged apart; without that, no fact means anything.
- Whoever runs after a step of the boot can extend a PCR further, but take nothing out of it. `equals` and `within`
  notice that; `includes`, `atLeast` and facts from after PCR 7's separator can be satisfied by such an addition.
- `bootGuard` rests on locality 3, which a TXT launch of the firmware has as well, and on what the first event says.
- `scrtmVersion` is what the one event before PCR 0's separator holds that calls itself a version; its text was
  measured, that it is the version was not.
- Of facts proven by order, the digest is certain; that it is of the thing named rests on programs that measure in
  their usual order.
- GRUB's commands other than `linux`, `linux16` and `linuxefi` may start something as well; `bootApplications` shows
  an EFI program, and nothing shows a kernel started in another way.
"""


def facts_page() -> str:
    """Return ``facts.md``: every fact that a policy may assert, and how it is proven."""
    lines = [
        "# Facts",
        "",
        "Made by `docs/generate.py` from `reconciler/model/facts.py`.",
        "",
        "What a node's measurements prove, beyond reference values. Families are "
        + ", ".join(f"`{family}`" for family in Family)
        + "; overlays, which add to any family, are "
        + " and ".join(f"`{overlay}`" for overlay in Overlay)
        + ".",
        "",
        "## Assertions",
        "",
        _ASSERTIONS,
        "## Kinds",
        "",
        "| kind | operators |",
        "|---|---|",
        *(f"| {kind} | {', '.join(f'`{name}`' for name in names)} |" for kind, names in OPERATORS.items()),
        "",
        "## All facts",
        "",
        "| fact | kind | PCR | for | proof | meaning |",
        "|---|---|---|---|---|---|",
        *(
            f"| `{fact.name}` | {fact.kind} | {_pcrs(fact.pcrs)} | {', '.join(sorted(fact.scopes))} "
            f"| {fact.proof} | {fact.meaning} |"
            for fact in FACTS.values()
        ),
        "",
        "Proofs:",
        "",
        *(f"- *{proof}*: {meaning}." for proof, meaning in PROOFS.items()),
        "",
        "## What facts do not say",
        "",
        _LIMITS.rstrip(),
    ]
    return "\n".join(lines) + "\n"


def _pcrs(pcrs: tuple[int, ...]) -> str:
    return str(pcrs[0]) if len(pcrs) == 1 else f"{pcrs[0]}–{pcrs[-1]}"  # noqa: RUF001 - a range of numbers


def _first_line(kind: type[RingfenceError]) -> str:
    return (kind.__doc__ or "").partition("\n")[0].rstrip(".")


def _claims(claims: frozenset[Claim]) -> str:
    return "everything" if claims == frozenset(Claim) else ", ".join(claim for claim in Claim if claim in claims)


PAGES: dict[str, Callable[[], str]] = {
    "errors.md": errors_page,
    "facts.md": facts_page,
    "phases.md": phases_page,
    **kinds_pages.pages(),
    **{f"reasons/{name}.md": partial(reason_page, name) for name in CODES},
}
"""What is made, by its name in this folder."""


def strays() -> list[Path]:
    """Return what lies in ``reasons`` and is not made."""
    return sorted(path for path in (DOCS / "reasons").glob("*") if f"reasons/{path.name}" not in PAGES)


def main() -> None:
    """Write every page, and remove those of codes that are no more."""
    for folder in ("kinds", "reasons"):
        (DOCS / folder).mkdir(exist_ok=True)
    for path in strays():
        path.unlink()
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
