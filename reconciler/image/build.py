"""Build a node's image: base, our own code, overlay and command line become one UKI.

Rules: the same inputs give the same bytes; the pin is on the measured command line;
what is written is named by its own digest; the image is appraised by our own
prediction before it is handed out, so that nothing unmeasurable leaves this room.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import reconciler
from reconciler.attest.prediction.uki import ImageMeasurements, predict
from reconciler.errors.taxonomy import InputError
from reconciler.image.assemble import assemble
from reconciler.image.base import Base, agent_sources, load_base, manifest
from reconciler.image.cpio import Entry, archive
from reconciler.image.programs import run
from reconciler.image.tracing import LIBRARY, Tracer

_COMMAND_LINE = "console=ttyS0 quiet panic=10 rdinit=/init"
_PIN = re.compile(r"[0-9a-f]{64}")
_EXTRA = re.compile(r"[\x21-\x7e]+( [\x21-\x7e]+)*")
_MANIFEST = "/etc/ringfence/manifest"
_START = "import sys\n\nfrom reconciler.agent.__main__ import main\n\nsys.exit(main(sys.argv[1:]))\n"
_OSREL = "ID=ringfence\nNAME=Ringfence\nVERSION_ID={version}\n"
_COMPRESS_DEADLINE_S = 60.0
_SIZE_LIMIT = 40 * 1000 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image that lies in a file named after its digest."""

    path: Path
    size: int
    measurements: ImageMeasurements


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What makes one image differ from another: the service's pin, and what the enclave adds."""

    pin: str
    overlay: Path | None = None
    extra: str = ""


def build(recipe: Recipe, *, out: Path, cache: Path, refresh: bool = False) -> BuiltImage:
    """Build an image for the attestation service whose certificate has the recipe's SHA-256."""
    pin, extra = recipe.pin, recipe.extra
    if not _PIN.fullmatch(pin):
        raise InputError("--pin", "is not 64 lower-case hexadecimal digits", reason="PinMalformed",
                         hint="it is the SHA-256 of the service's certificate in DER")  # fmt: skip
    if extra and (not _EXTRA.fullmatch(extra) or "ringfence.pin=" in extra):
        raise InputError("--cmdline", "must be plain words without a pin of its own", reason="CommandLineMalformed")
    base = load_base(cache, refresh=refresh)
    command_line = " ".join(part for part in (_COMMAND_LINE, f"ringfence.pin={pin}", extra) if part)
    uki = assemble(
        base.stub,
        osrel=_OSREL.format(version=_version()).encode("ascii"),
        command_line=command_line,
        initrd=base.archive + _upper(base, overlay=recipe.overlay),
        kernel=base.kernel,
    )
    if len(uki) > _SIZE_LIMIT:
        raise InputError("image", f"would be {len(uki)} bytes, more than {_SIZE_LIMIT}", reason="ImageTooLarge",
                         hint="make the overlay smaller: every node downloads and hashes it")  # fmt: skip
    measurements = predict(uki, subject="the image just built")
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{measurements.digest}.efi"
    temporary = path.with_suffix(f".{os.getpid()}.new")
    temporary.write_bytes(uki)
    temporary.replace(path)
    return BuiltImage(path=path, size=len(uki), measurements=measurements)


def default_cache() -> Path:
    """Return where ingredients are kept between builds (XDG Base Directory Specification)."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(configured) if configured.startswith("/") else Path.home() / ".cache") / "ringfence" / "image"


def _upper(base: Base, *, overlay: Path | None) -> bytes:
    """Return the archive that lies over the base: our own code, /init, the overlay, and last the manifest."""
    entries = _own_code(base)
    entries["/init"] = Entry.program(Path(__file__).with_name("init.sh").read_bytes())
    if overlay is not None:
        entries |= _overlay(overlay)
    listing = dict(line.split(" ", 1)[::-1] for line in base.manifest.splitlines())
    listing |= dict(line.split(" ", 1)[::-1] for line in manifest(entries).splitlines())
    whole = "".join(f"{size} {path}\n" for path, size in sorted(listing.items())) + "end\n"
    entries[_MANIFEST] = Entry(content=whole.encode("utf-8"))
    return run(["zstd", "-19", "-T1", "-c"], deadline_s=_COMPRESS_DEADLINE_S, stdin=archive(entries, last=_MANIFEST))


def _own_code(base: Base) -> dict[str, Entry]:
    top = Path(reconciler.__file__).parent.parent
    sources = {f"{LIBRARY}/{file.relative_to(top)}": file for file in agent_sources().values()}
    with tempfile.TemporaryDirectory(prefix="ringfence-image-") as scratch:
        start = Path(scratch) / "start.py"
        start.write_text(_START, encoding="ascii")
        sources[f"{LIBRARY}/__main__.py"] = start
        compiled = Tracer(base.root).compile(sources, into=Path(scratch) / "compiled")
        return {where: Entry(content=file.read_bytes()) for where, file in compiled.items()}


def _overlay(folder: Path) -> dict[str, Entry]:
    if not folder.is_dir():
        raise InputError(str(folder), "is not a folder", reason="OverlayMissing", hint="see examples/workload")
    entries: dict[str, Entry] = {}
    for file in sorted(folder.rglob("*")):
        where = f"/{file.relative_to(folder)}"
        if not re.fullmatch(r"[A-Za-z0-9._/+-]+", where) or where == "/init" or where.startswith("/usr/lib/ringfence/"):
            raise InputError(str(file), "may not be in an overlay", reason="OverlayMalformed",
                             hint="plain names, and not the agent's own places")  # fmt: skip
        if file.is_symlink():
            entries[where] = Entry.link(str(file.readlink()))
        elif file.is_file():
            runnable = file.stat().st_mode & stat.S_IXUSR
            entries[where] = Entry.program(file.read_bytes()) if runnable else Entry(content=file.read_bytes())
    return entries


def _version() -> str:
    from importlib.metadata import version

    return version("ringfence")
