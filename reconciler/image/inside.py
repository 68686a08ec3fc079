"""Run by Debian's own Python inside the unpacked packages: trace imports, compile sources.

This file stands alone: it is handed to another interpreter as a script and imports
nothing of ours. ``trace`` prints as JSON which files a list of imports needs;
``compile`` turns sources into bytecode that carries the path it will have on the
node, checks nothing at import, and is the same bytes each time.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import marshal
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path


def trace(request: dict[str, list[str]]) -> dict[str, list[str]]:
    """Import every module asked for; return all modules' files and all mapped shared objects.

    A module that gives up while it is imported, because something optional is absent
    here, leaves no trace in ``sys.modules``, but its importer expects its file: so
    the attempts are recorded too.
    """
    attempts: set[str] = set()
    sys.addaudithook(lambda event, args: attempts.add(args[0]) if event == "import" else None)
    sys.path += request["path"]
    for name in request["modules"]:
        importlib.import_module(name)
    files = {getattr(module, "__file__", None) for module in sys.modules.values()}
    files |= {_file_of(name) for name in attempts - set(sys.modules)}
    rows = [line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()]
    mapped = {row[5] for row in rows if len(row) > 5 and ".so" in row[5]}  # noqa: PLR2004 - proc(5): the sixth field
    return {"modules": sorted(file for file in files if file), "libraries": sorted(mapped)}


def _file_of(name: str) -> str | None:
    parent = name.rpartition(".")[0]
    if parent and parent not in sys.modules:
        return None
    spec = importlib.util.find_spec(name)
    return spec.origin if spec is not None and spec.has_location else None


def compile_all(request: dict[str, list[list[str]]]) -> dict[str, list[str]]:
    """Compile ``[source, path on the node, target file]`` rows."""
    for source, node_path, target in request["rows"]:
        data = Path(source).read_bytes()
        code = SourceFileLoader("module", node_path).source_to_code(data, node_path)
        # Once around marshal, so that the bytes do not depend on what this process shares by chance.
        normal = marshal.dumps(marshal.loads(marshal.dumps(code)))  # noqa: S302 - our own bytes of a moment ago
        flags_unchecked_hash = (1).to_bytes(4, "little")
        header = importlib.util.MAGIC_NUMBER + flags_unchecked_hash + importlib.util.source_hash(data)
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_bytes(header + normal)
    return {}


if __name__ == "__main__":
    _request = json.load(sys.stdin)
    _answer = trace(_request) if sys.argv[1] == "trace" else compile_all(_request)
    sys.stdout.write(json.dumps(_answer))
