"""The part of an image that rarely changes: kernel, stub, and a compressed archive of what the agent needs.

Rules: only what was traced is packed (the agent's imports under Debian's own Python,
and the shared objects they map); nothing of ours is in it, so that a change of the
agent needs no new base. A base is cached under a digest of its recipe: package
names, versions of the Python packages, the agent's imports and this room's source.
Newer Debian packages are looked for only when asked (``refresh``).
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import reconciler
from reconciler.errors.taxonomy import InputError
from reconciler.image.cpio import Entry, archive
from reconciler.image.packages import KERNEL_META, PACKAGES, fetch, kernel_package, unpack
from reconciler.image.programs import run
from reconciler.image.tracing import Tracer

# A module's own needs come before it.
KERNEL_MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
)
# Found by dlopen, so no trace shows it.
_DLOPENED = ("libtss2-tcti-device.so.0",)
_DISTRIBUTIONS = ("tpm2-pytss", "cryptography", "cffi", "pyrage")
_STUB = "usr/lib/systemd/boot/efi/linuxx64.efi.stub"
_LIBRARY_FOLDERS = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
_NODE_LIBRARIES = "/usr/lib/x86_64-linux-gnu"
_COMPRESS_DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A cached base: its ingredients as bytes, and where Debian's Python lies unpacked."""

    kernel: bytes
    stub: bytes
    archive: bytes
    manifest: str
    root: Path


def load_base(cache: Path, *, refresh: bool) -> Base:
    """Return the base for this recipe, building it if there is none (or a newer one is asked for)."""
    if sys.version_info[:2] != (3, 11):
        raise InputError("python", "images carry Python 3.11, and so must build it", reason="PythonVersion",
                         hint="run ringfence from the .venv that ./bootstrap makes")  # fmt: skip
    folder = cache / "base" / _recipe_digest()
    if refresh or not (folder / "manifest").is_file():
        _build(cache, folder)
    return Base(
        kernel=(folder / "vmlinuz").read_bytes(),
        stub=(folder / "stub").read_bytes(),
        archive=(folder / "archive.zst").read_bytes(),
        manifest=(folder / "manifest").read_text(encoding="utf-8"),
        root=folder / "root",
    )


def agent_sources() -> dict[str, Path]:
    """Return what of our own code goes into an image: dotted module name to source file."""
    top = Path(reconciler.__file__).parent
    files = [top / "__init__.py", top / "model" / "__init__.py", top / "model" / "binding.py"]
    files += sorted((top / "errors").glob("*.py")) + sorted((top / "agent").glob("*.py"))
    return {
        ".".join(file.relative_to(top.parent).with_suffix("").parts).removesuffix(".__init__"): file for file in files
    }


def _recipe_digest() -> str:
    room = Path(__file__).parent
    imports = sorted({ast.dump(node) for file in agent_sources().values() for node in _imports(file)})
    recipe = {
        "packages": [KERNEL_META, *PACKAGES],
        "distributions": [f"{name}=={importlib.metadata.version(name)}" for name in _DISTRIBUTIONS],
        "libraries": [_digest(file) for name in _DISTRIBUTIONS for file in _native_files(name)],
        "imports": imports,
        "room": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(room.glob("*.py"))},
    }
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode("utf-8")).hexdigest()


def _native_files(distribution: str) -> list[Path]:
    """Return a distribution's compiled files: one built here differs from one built in another place."""
    files = importlib.metadata.files(distribution) or []
    return sorted(Path(str(file.locate())) for file in files if file.suffix == ".so")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _imports(file: Path) -> list[ast.AST]:
    tree = ast.parse(file.read_bytes())
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def _build(cache: Path, folder: Path) -> None:
    """Build beside the final place and move it there whole, so that two builds at once do no harm."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as scratch:
        made = Path(scratch) / "made"
        root = made / "root"
        root.mkdir(parents=True)
        kernel_name = kernel_package()
        unpack(fetch([kernel_name, *PACKAGES], into=cache / "packages"), into=root)
        entries = _entries(root, compiled=Path(scratch) / "compiled")
        release = kernel_name.removeprefix("linux-image-")
        shutil.copyfile(root / "boot" / f"vmlinuz-{release}", made / "vmlinuz")
        shutil.copyfile(root / _STUB, made / "stub")
        packed = run(["zstd", "-19", "-T2", "-c"], deadline_s=_COMPRESS_DEADLINE_S, stdin=archive(entries))
        (made / "archive.zst").write_bytes(packed)
        (made / "manifest").write_text(manifest(entries), encoding="utf-8")
        shutil.rmtree(root / "boot")
        shutil.rmtree(root / "lib" / "modules")
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        try:
            made.rename(folder)
        except OSError:
            if not (folder / "manifest").is_file():  # else another build was faster, with the same result
                raise


def manifest(entries: dict[str, Entry]) -> str:
    """Return ``size path`` lines for every entry, as ``stat -c '%s %n'`` prints them."""
    return "".join(f"{len(entry.content)} {path}\n" for path, entry in sorted(entries.items()))


def _entries(root: Path, *, compiled: Path) -> dict[str, Entry]:
    tracer = Tracer(root)
    needs = tracer.trace(sorted(agent_sources()))
    entries = {
        "/bin/busybox": Entry.program((root / "bin" / "busybox").read_bytes()),
        "/usr/bin/python3.11": Entry.program((root / "usr" / "bin" / "python3.11").read_bytes()),
        "/lib": Entry.link("usr/lib"),
        "/lib64": Entry.link(_NODE_LIBRARIES.lstrip("/")),  # where every program looks for its loader
        "/etc/ringfence/modules": Entry(content="".join(f"{name}.ko\n" for name in KERNEL_MODULES).encode("ascii")),
    }
    for mount_point in ("proc", "sys", "dev", "run", "tmp"):
        entries[f"/{mount_point}/.mount-point"] = Entry(content=b"")
    for name, file in tracer.compile(needs.sources, into=compiled).items():
        entries[name] = Entry(content=file.read_bytes())
    for name, file in needs.extensions.items():
        entries[name] = Entry(content=file.read_bytes())
    entries |= _libraries(root.resolve(), needs.libraries)
    entries |= _kernel_modules(root)
    return entries


def _libraries(root: Path, traced: frozenset[str]) -> dict[str, Entry]:
    """Return the traced shared objects and every link by which the loader may look for one."""
    entries: dict[str, Entry] = {}
    for folder in _LIBRARY_FOLDERS:
        for file in sorted((root / folder).iterdir()):
            real = file.resolve()
            wanted = real.name in traced or file.name in _DLOPENED
            if not wanted or not real.is_file() or not real.is_relative_to(root):
                continue
            entries[f"{_NODE_LIBRARIES}/{real.name}"] = Entry.program(real.read_bytes())
            if file.is_symlink():
                entries[f"{_NODE_LIBRARIES}/{file.name}"] = Entry.link(real.name)
    found = {Path(path).name for path in entries}
    missing = (traced | set(_DLOPENED)) - found
    if missing:
        raise InputError(", ".join(sorted(missing)), "is needed by the agent, but in none of the packages",
                         reason="LibraryMissing", hint="add its package to reconciler/image/packages.py")  # fmt: skip
    return entries


def _kernel_modules(root: Path) -> dict[str, Entry]:
    files = {file.stem: file for file in (root / "lib" / "modules").rglob("*.ko") if file.stem in KERNEL_MODULES}
    missing = [name for name in KERNEL_MODULES if name not in files]
    if missing:
        raise InputError(", ".join(missing), "is not a module of this kernel", reason="ModuleMissing",
                         hint="it may be built in by now: see KERNEL_MODULES in reconciler/image/base.py")  # fmt: skip
    return {f"/usr/lib/modules/{name}.ko": Entry(content=file.read_bytes()) for name, file in files.items()}
