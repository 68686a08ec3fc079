"""The commands around node images: build one, predict what one measures, list it in the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.operate import Output

if TYPE_CHECKING:
    from reconciler.attest.prediction.uki import ImageMeasurements

app = typer.Typer(help="Node images: unified kernel images, measured whole.", no_args_is_help=True)
OutputOption = Annotated[Output, typer.Option("--output", "-o")]


@app.command()
def build(
    *,
    pin: Annotated[str, typer.Option(help="SHA-256 (hex) of the attestation service's certificate in DER.")],
    out: Annotated[Path, typer.Option(help="Folder that the image is written to, named by its digest.")],
    overlay: Annotated[Path | None, typer.Option(help="Folder of files to add to the initramfs.")] = None,
    cmdline: Annotated[str, typer.Option(help="Words to add to the kernel's command line.")] = "",
    cache: Annotated[Path | None, typer.Option(help="Where ingredients are kept (default: XDG cache).")] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Look for newer Debian packages.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Build a UKI from Debian's kernel and stub, with the agent in its initramfs."""
    from reconciler.image.build import Recipe, default_cache
    from reconciler.image.build import build as build_image

    recipe = Recipe(pin=pin, overlay=overlay, extra=cmdline)
    built = build_image(recipe, out=out, cache=cache or default_cache(), refresh=refresh)
    if output is Output.JSON:
        typer.echo(json.dumps({"path": str(built.path), "size": built.size} | document(built.measurements), indent=2))
    else:
        typer.echo(f"{built.path}\n{built.size / 1e6:.1f} MB, sha256:{built.measurements.digest}")


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(help="A UKI.")],
    output: OutputOption = Output.TEXT,
    name: Annotated[str, typer.Option(help="With text output: the name in the Image document.")] = "worker",
) -> None:
    """Say what booting an image measures, as the Image document that goes into the repository."""
    from reconciler.attest.prediction.uki import predict as predict_image
    from reconciler.errors.taxonomy import InputError

    try:
        data = file.read_bytes()
    except OSError as error:
        hint = "name a UKI, as ringfence image build writes it"
        raise InputError(str(file), f"{error.strerror}".lower(), reason="ImageUnreadable", hint=hint) from None
    found = predict_image(data, subject=str(file))
    typer.echo(json.dumps(document(found), indent=2) if output is Output.JSON else image_yaml(name, found))


def document(found: ImageMeasurements) -> dict[str, object]:
    """Return a prediction as JSON."""
    pcrs = {f"pcr{number}": list(digests) for number, digests in found.as_pcrs().items()}
    values = {str(number): value for number, value in found.values().items()}
    digest = f"sha256:{found.digest}"
    return {"digest": digest, "commandLine": found.command_line, "measurements": pcrs, "values": values}


def image_yaml(name: str, found: ImageMeasurements) -> str:
    """Return the Image document that declares the image."""
    lines = [
        "# yaml-language-server: $schema=../schemas/image.json",
        "apiVersion: ringfence/v1alpha1",
        "kind: Image",
        f"metadata: {{name: {name}}}",
        "spec:",
        f'  digest: "sha256:{found.digest}"',
        "  measurements: # derived by ringfence image predict",
    ]
    for number, digests in found.as_pcrs().items():
        rows = [f'      - "{digest}"' for digest in digests]
        lines += [f"    pcr{number}:", *rows] if rows else [f"    pcr{number}: []"]
    return "\n".join(lines) + "\n"
