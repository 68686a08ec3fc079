"""Ask Debian's own Python, run from the unpacked packages, what the agent needs.

Rules: the interpreter and every library come from the packages, not from this
machine; what it maps from anywhere else but our virtual environment is an error.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import reconciler
from reconciler.errors.taxonomy import InputError, InvariantError
from reconciler.image.programs import run

LIBRARY = "/usr/lib/ringfence"
_INSIDE = Path(__file__).with_name("inside.py")
_DEADLINE_S = 120.0
# What a workload and the runtime may rely on besides the agent's own imports; the
# host name of a TLS connection goes through encodings.idna.
_ALSO = ("encodings.idna", "encodings.ascii", "encodings.latin_1", "http.client", "urllib.parse", "runpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What was traced: path on the node to file here; libraries by name."""

    sources: dict[str, Path]
    extensions: dict[str, Path]
    libraries: frozenset[str]


class Tracer:
    """Debian's Python in a folder of unpacked packages."""

    def __init__(self, root: Path) -> None:
        """Use the packages unpacked in ``root``, and this virtual environment's Python packages."""
        self._root = root.resolve()
        self._packages = _site_packages()
        self._project = Path(reconciler.__file__).parent.parent

    def trace(self, modules: Sequence[str]) -> Needs:
        """Import the modules in there and say what that took, our own code left out."""
        path = [str(self._project), str(self._packages)]
        answer = self._python("trace", {"path": path, "modules": [*_ALSO, *modules]})
        sources: dict[str, Path] = {}
        extensions: dict[str, Path] = {}
        for file in map(Path, answer["modules"]):
            if file == _INSIDE or file.is_relative_to(self._project / "reconciler"):
                _check_own(file, modules=modules, project=self._project)
                continue
            where = self._node_path(file)
            if file.suffix == ".so":
                extensions[where] = file
            else:
                sources[where] = file
        python_modules = set(extensions.values())
        libraries = [Path(file) for file in answer["libraries"] if Path(file) not in python_modules]
        for library in libraries:
            self._node_path(library)
        return Needs(sources=sources, extensions=extensions, libraries=frozenset(file.name for file in libraries))

    def compile(self, sources: Mapping[str, Path], *, into: Path) -> dict[str, Path]:
        """Compile sources (by path on the node) to bytecode; return its files by path on the node."""
        compiled = {where.removesuffix(".py") + ".pyc": into / where.lstrip("/") for where in sources}
        rows = [[str(file), where, str(into / where.lstrip("/"))] for where, file in sorted(sources.items())]
        self._python("compile", {"rows": rows})
        return compiled

    def _python(self, action: str, request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        folders = [self._root / "lib/x86_64-linux-gnu", self._root / "usr/lib/x86_64-linux-gnu"]
        command: list[str | Path] = [
            # Not /lib64's link: that is absolute and would lead to this machine's own loader.
            folders[0] / "ld-linux-x86-64.so.2",
            "--library-path",
            ":".join(map(str, folders)),
            self._root / "usr" / "bin" / "python3.11",
            *("-I", "-S", "-B"),
            _INSIDE,
            action,
        ]
        return json.loads(run(command, deadline_s=_DEADLINE_S, stdin=json.dumps(request).encode("utf-8")))

    def _node_path(self, file: Path) -> str:
        if file.is_relative_to(self._root):
            parts = file.relative_to(self._root)
            return f"/{parts}" if parts.parts[0] == "usr" else f"/usr/{parts}"
        if file.is_relative_to(self._packages):
            return f"{LIBRARY}/{file.relative_to(self._packages)}"
        raise InputError(str(file.name), "is needed by the agent, but comes from this machine", reason="ForeignFile",
                         hint="add its package to reconciler/image/packages.py")  # fmt: skip


def _check_own(file: Path, *, modules: Sequence[str], project: Path) -> None:
    """Refuse to pack more of our own code than the agent may carry."""
    if file == _INSIDE:
        return
    name = ".".join(file.relative_to(project).with_suffix("").parts).removesuffix(".__init__")
    if name not in modules:
        raise InvariantError("agent", f"imports {name}, which it must not carry", reason="AgentCarriesTooMuch")


def _site_packages() -> Path:
    found = importlib.util.find_spec("tpm2_pytss")
    if found is None or found.origin is None:
        raise InputError("tpm2-pytss", "is not installed", reason="PackageMissing", hint="run ./bootstrap")
    return Path(found.origin).parent.parent
