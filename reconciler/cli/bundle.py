"""The commands around bundles: make one from a clone, and verify one with nothing but the file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.operate import Output, Repository

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from reconciler.evidence.bundle.authority import Pin

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_WITNESS = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SHOWN_EVERY = 1000
UNPROVEN = 1
"""The exit code where nothing is wrong and nobody vouches for it."""


def export(
    subject: Annotated[str, typer.Argument(help="node/NAME or enclave/NAME")],
    *,
    out: Annotated[Path, typer.Option(help="The bundle to write; it must not be there yet.")],
    repo: Repository = Path(),
    since: Annotated[str | None, typer.Option("--from", help="Show what was so from then on (2026-03-01).")] = None,
    until: Annotated[str | None, typer.Option(help="Show nothing that was recorded later.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose enclave, if several tenants had one of that name.")] = None,
    without_commits: Annotated[
        bool, typer.Option("--without-commits", help="Leave out all of the desired state, and with it other names.")
    ] = False,
) -> None:
    """Write the evidence of a node or an enclave into one file that verifies alone. The same bytes each time."""
    from reconciler.cli.archive import evidence_tip
    from reconciler.daemon.source import TrustedSource
    from reconciler.errors.taxonomy import InputError
    from reconciler.evidence.bundle.making import make_parts
    from reconciler.evidence.bundle.manifest import bundle_blocks, check_subject
    from reconciler.repo.bundling import Wanted, read_material
    from reconciler.repo.git import Git
    from reconciler.repo.signing import public_keys

    git = Git(repo, deadline_s=600.0)
    wanted = Wanted(
        subject=check_subject(subject),
        since=_time(since, "--from"),
        until=_time(until, "--until"),
        tenant=tenant,
        with_commits=not without_commits,
    )
    sight = TrustedSource(git).refresh()
    evidence = sight.desired.repository.spec.evidence
    tip = evidence_tip(git, evidence.branch)
    if tip is None:
        hint = "clone with all branches: git clone keeps them as origin/…"
        raise InputError("export", "this clone has no evidence branch", reason="NoEvidence", hint=hint)
    material = read_material(git, tip, wanted, keys=public_keys(sight.signers.only(evidence.signers)))
    parts = make_parts(material)
    try:
        with out.open("xb") as file:
            for block in bundle_blocks(wanted.subject, parts):
                file.write(block)
    except OSError as error:
        hint = "name a file that is not there yet, in a folder that is"
        raise InputError(str(out), f"{error.strerror}".lower(), reason="OutputUnusable", hint=hint) from None
    shown = len(material.statements) + sum(len(each.leaves) for each in material.rounds)
    typer.echo(f"{out}: {shown} records of {wanted.subject}, {out.stat().st_size} bytes, from evidence {tip[:12]}")


def verify(
    file: Annotated[Path, typer.Argument(help="A bundle, as ringfence evidence export writes it.")],
    signers: Annotated[
        Path | None, typer.Option(help="Keys that you trust, an allowed-signers file: everybody in it counts.")
    ] = None,
    signer: Annotated[
        list[str] | None, typer.Option(help="A key that you trust, by its fingerprint (SHA256:…).")
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option(help="A witness who must have co-signed all of it: NAME=FILE.pub.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TEXT,
) -> None:
    """Verify a bundle of evidence, without the repository and without a network.

    Exit 0 if it is whole and somebody whom you trust signed it, 1 if it is whole and nobody vouches for it, 3 if not.
    """
    from reconciler.cli.bundle_text import document, text
    from reconciler.evidence.bundle.container import MAX_BUNDLE
    from reconciler.evidence.bundle.verifying import Asked, verify
    from reconciler.repo.bundled_commits import read_documents

    asked = Asked(
        pins=_pins(signers, signer or []),
        witnesses=dict(_witness(each) for each in witness or []),
        documents=read_documents,
        told=_progress,
    )
    found = verify(_read(file, limit=MAX_BUNDLE), asked=asked)
    typer.echo(json.dumps(document(found), indent=2) if output is Output.JSON else text(found))
    if found.flaws:
        raise typer.Exit(3)
    if found.doubts:
        raise typer.Exit(UNPROVEN)


def _pins(file: Path | None, fingerprints: list[str]) -> dict[str, Pin]:
    from reconciler.errors.taxonomy import InputError
    from reconciler.evidence.bundle.authority import Pin
    from reconciler.repo.documents import MAX_FILE_BYTES
    from reconciler.repo.signers import parse_allowed_signers

    pins: dict[str, Pin] = {}
    if file is not None:
        known, findings = parse_allowed_signers(_read(file, limit=MAX_FILE_BYTES), path=str(file))
        if findings or not known.signers:
            raise InputError(
                str(file),
                findings[0].message if findings else "names nobody",
                reason="BadSigner",
                hint="write a line for each key: principal ssh-ed25519 AAAA…",
                findings=tuple(findings),
            )
        for each in known.signers:
            pins[each.fingerprint] = Pin(after=_moment(each.window.after), before=_moment(each.window.before))
    for fingerprint in fingerprints:
        if not _FINGERPRINT.fullmatch(fingerprint):
            hint = "show it with: ssh-keygen -lf KEY.pub"
            raise InputError("--signer", f"{fingerprint[:64]!r} is no fingerprint", reason="BadSigner", hint=hint)
        pins[fingerprint] = Pin()
    return pins


def _witness(text: str) -> tuple[str, Ed25519PublicKey]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    from reconciler.errors.taxonomy import InputError
    from reconciler.repo.documents import MAX_FILE_BYTES

    name, equals, path = text.partition("=")
    hint = "write NAME=FILE.pub, with the witness's Ed25519 public key"
    if not equals or not _WITNESS.fullmatch(name):
        raise InputError("--witness", f"{text[:64]!r} names no witness", reason="BadWitness", hint=hint)
    try:
        key = load_ssh_public_key(_read(Path(path), limit=MAX_FILE_BYTES))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(path, "holds no Ed25519 public key of OpenSSH", reason="BadWitness", hint=hint)
    return name, key


def _read(file: Path, *, limit: int) -> bytes:
    from reconciler.errors.taxonomy import InputError

    try:
        with file.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise InputError(str(file), f"{error.strerror}".lower(), reason="FileUnreadable") from None
    if len(content) > limit:
        raise InputError(str(file), f"has more than {limit} bytes", reason="FileTooLarge")
    return content


def _time(text: str | None, option: str) -> datetime | None:
    from reconciler.errors.taxonomy import InputError

    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        hint = "write it as 2026-03-01 or 2026-03-01T12:00:00Z; without a zone it is UTC"
        raise InputError(option, f"{text[:64]!r} is no time", reason="BadTime", hint=hint) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def _progress(count: int) -> None:
    if count % _SHOWN_EVERY == 0:
        typer.echo(f"{count} verdicts computed again", err=True)


COMMANDS: tuple[Callable[..., None], ...] = (verify,)
