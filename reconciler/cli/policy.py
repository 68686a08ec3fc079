"""The commands around appraisal policies: try one, suggest one, read one that another verifier uses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.cli.operate import Output
from reconciler.cli.policy_check import check
from reconciler.cli.policy_suggest import suggest

app = typer.Typer(help="Appraisal policies: what evidence must show.", no_args_is_help=True)
app.command()(check)
app.command()(suggest)
OutputOption = Annotated[Output, typer.Option("--output", "-o")]

IMA_PCRS = tuple(range(11))
"""What the kernel's measurements rest on: PCR 10, and 0 to 9 for the boot aggregate."""


@app.command("import")
def import_policy(
    file: Annotated[Path, typer.Argument(help="A Keylime runtime policy, plain or signed, or output of sha256sum.")],
    *,
    key: Annotated[
        Path | None, typer.Option(help="PEM of the public key or certificate that must have signed it.")
    ] = None,
    name: Annotated[str, typer.Option(help="The name in the AppraisalPolicy document.")] = "ima",
    output: OutputOption = Output.TEXT,
) -> None:
    """Print a Keylime runtime policy as an AppraisalPolicy that others can include.

    What does not come over is told on standard error, a note each.
    """
    from reconciler.attest.ima.keylime import MAX_POLICY, import_runtime_policy
    from reconciler.repo.documents import MAX_FILE_BYTES

    data = read_bounded(file, limit=MAX_POLICY, reason="PolicyUnreadable", hint="name a Keylime runtime policy")
    hint = "name a public key or certificate in PEM"
    pem = read_bounded(key, limit=MAX_FILE_BYTES, reason="PolicyKeyUnusable", hint=hint) if key else None
    section, notes = import_runtime_policy(data, key=pem)
    found = document(name, section)
    shown = json.dumps(found, indent=2) + "\n" if output is Output.JSON else policy_yaml(found)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    size = len(shown.encode())
    if size > MAX_FILE_BYTES:
        limit = f"a repository's files have at most {MAX_FILE_BYTES}"
        typer.echo(f"note: the document has {size} bytes, and {limit}: import it in parts", err=True)
    typer.echo(shown, nl=False)


def document(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """Return the AppraisalPolicy around the ``ima`` section; InputError if it cannot be one by that ``name``."""
    from pydantic import ValidationError

    from reconciler.errors.taxonomy import InputError, cut
    from reconciler.model.kinds import AppraisalPolicy

    found = {
        "apiVersion": "ringfence/v1alpha1",
        "kind": "AppraisalPolicy",
        "metadata": {"name": name},
        "spec": {"pcrs": list(IMA_PCRS), "ima": dict(section)},
    }
    try:
        AppraisalPolicy.model_validate_json(json.dumps(found))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        hint = "give a name of lower-case letters, digits and dashes with --name" if place == "metadata.name" else ""
        message = f"it cannot be a policy: {cut(place)}: {cut(first['msg'])}"
        raise InputError(f"policy {cut(name)}", message, reason="PolicyInvalid", hint=hint) from None
    return found


def policy_yaml(found: Mapping[str, Any]) -> str:
    """Return an AppraisalPolicy, as ``document`` gives it, in YAML; every text of the section is quoted."""
    spec = found["spec"]
    lines = [
        "# yaml-language-server: $schema=../schemas/appraisalpolicy.json",
        f"apiVersion: {found['apiVersion']}",
        f"kind: {found['kind']}",
        f"metadata: {{name: {quoted(found['metadata']['name'])}}}",
        "spec:",
        f"  pcrs: [{', '.join(map(str, spec['pcrs']))}]",
        *(["  ima:", *_section(spec["ima"])] if spec["ima"] else ["  ima: {}"]),
    ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Return ``text`` as a double-quoted scalar on one line, in which nothing is unprintable (YAML 1.2.2, 5.7)."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    shown = (character if character.isprintable() else f"\\U{ord(character):08x}" for character in plain)
    return f'"{"".join(shown)}"'


def _section(section: Mapping[str, Any]) -> Iterator[str]:
    for name, value in section.items():
        yield f"    {name}:"
        if isinstance(value, Mapping):
            for key, texts in value.items():
                yield f"      {quoted(key)}:"
                yield from (f"        - {quoted(text)}" for text in texts)
        else:
            for text in value:
                yield from _item(text)


def _item(text: str) -> Iterator[str]:
    first, *rest = text.splitlines() or [""]
    is_pem = first.startswith("-----BEGIN ") and text.isascii() and text == "\n".join([first, *rest, ""])
    if is_pem:
        yield "      - |"
        yield from (f"        {line}" for line in [first, *rest])
    else:
        yield f"      - {quoted(text)}"


def read_bounded(path: Path, *, limit: int, reason: str, hint: str) -> bytes:
    """Return the content of ``path``, one byte more than ``limit`` at most; InputError if it cannot be read."""
    from reconciler.errors.taxonomy import InputError

    try:
        with path.open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as error:
        raise InputError(str(path), f"{error.strerror}".lower(), reason=reason, hint=hint) from None
