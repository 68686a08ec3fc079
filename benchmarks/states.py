"""State repositories of any size for benchmarks: one file a node, made through ``git fast-import``.

A zone has a thousand nodes, a switch forty of them; every fifty nodes (or ``EVERY_FEW``) there is an enclave, which
names eight of them.
Nodes differ in what real ones differ in: labels that some have, a second interface, comments.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.support.documents import FILES

_ZONE = 1000
_SWITCH = 40
EVERY_MANY, EVERY_FEW = 50, 800
_NAMED = 8
_DEADLINE_S = 300
BRANCH = "main"


def state_files(nodes: int, *, every: int = EVERY_MANY) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a valid state repository with ``nodes`` nodes and an enclave for ``every`` so many."""
    kept = ("ringfence.yaml", "trust/", "images/", "policies/")
    yield from ((path, content) for path, content in FILES.items() if path.startswith(kept))
    for zone in range(-(-nodes // _ZONE)):
        spec = "  parkingVlan: 2\n  airlockVlans: {first: 1000, last: 2999}\n"
        yield f"site/zones/z{zone}.yaml", _document("Zone", f"z{zone}", spec)
    for switch in range(-(-nodes // _SWITCH)):
        ports = "".join(f"    - swp{port}\n" for port in range(2 * _SWITCH))
        spec = (
            f"  zone: z{switch * _SWITCH // _ZONE}\n  driver: openvswitch\n"
            f"  address: tcp:10.{128 + switch // 250}.{switch % 250}.1:6640\n  bridge: br0\n  ports:\n{ports}"
        )
        yield f"site/switches/tor{switch}.yaml", _document("Switch", f"tor{switch}", spec)
    for number in range(nodes):
        yield node_path(number), node_file(number)
    for enclave in range(-(-nodes // every)):
        yield from _enclave_files(enclave, nodes=nodes, every=every)


def members(nodes: int, *, every: int) -> int:
    """Return how many of the nodes the enclaves of ``state_files`` name."""
    return sum(min(_NAMED, nodes - first) for first in range(0, nodes, every))


def node_path(number: int) -> str:
    """Return where the node ``number`` stands."""
    return f"site/nodes/n{number:06d}.yaml"


def node_file(number: int, *, cleared: int = 0) -> bytes:
    """Return the document of the node ``number``; everything about it follows from the number."""
    label = ", class: storage" if number % 7 == 0 else ""
    second = (
        f"    - name: eno2\n      mac: 52:54:01:{_mac(number)}\n"
        f"      switch: tor{number // _SWITCH}\n      port: swp{_SWITCH + number % _SWITCH}\n"
    )
    spec = (
        f"  zone: z{number // _ZONE}\n"
        f"  # Delivered with lot {number // 100}.\n"
        f"  bmc: {{driver: ipmi, address: 10.{number >> 16}.{number >> 8 & 255}.{number & 255}, "
        f"credentials: bmc/n{number:06d}}}\n"
        f"  interfaces:\n    - name: eno1\n      mac: 52:54:00:{_mac(number)}\n"
        f"      switch: tor{number // _SWITCH}\n      port: swp{number % _SWITCH}\n"
        f"{second if number % 3 == 0 else ''}"
        f'  tpm: {{endorsement: "sha256:{number:064x}"}}\n'
        f"  firmware: {{family: uefi, profile: dell-r340}}\n"
        f"  airlock: {{vlan: {1000 + number % _ZONE}}}\n"
        f"{f'  cleared: {cleared}{chr(10)}' if cleared else ''}"
    )
    return _document("Node", f"n{number:06d}", spec, labels=f"rack: r{number // _SWITCH}{label}")


def _mac(number: int) -> str:
    return f"{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def _enclave_files(number: int, *, nodes: int, every: int) -> Iterator[tuple[str, bytes]]:
    name, first = f"e{number}", number * every
    members = ", ".join(f"n{node:06d}" for node in range(first, min(first + _NAMED, nodes)))
    zone, vlan = first // _ZONE, 3000 + number % (_ZONE // EVERY_MANY)
    yield f"site/networks/{name}.yaml", _document("Network", name, f"  zone: z{zone}\n  vlan: {vlan}\n")
    yield f"tenants/{name}/tenant.yaml", _document("Tenant", name, "  maxNodes: 50\n")
    yield f"tenants/{name}/keys/{name}.yaml", _document("Key", name, "  type: disk\n")
    spec = (
        f"  nodes: {{names: [{members}]}}\n  image: worker\n  policy: measured-boot\n"
        f"  networks: [{name}]\n  keys: [{name}]\n"
    )
    yield f"tenants/{name}/enclaves/{name}.yaml", _document("Enclave", name, spec)


def _document(kind: str, name: str, spec: str, *, labels: str = "") -> bytes:
    shown = f", labels: {{{labels}}}" if labels else ""
    return (
        f"# yaml-language-server: $schema=https://example.org/schemas/{kind.lower()}.json\n"
        f"apiVersion: ringfence/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}{shown}}}\nspec:\n{spec}"
    ).encode()


def make_repository(folder: Path, files: Iterable[tuple[str, bytes]]) -> str:
    """Make a bare repository in ``folder`` with one commit of ``files``, and return the commit."""
    _git(folder.parent, "init", "-q", "--bare", "-b", BRANCH, str(folder))
    return add_commit(folder, dict(files))


def add_commit(folder: Path, files: Mapping[str, bytes | None], *, parent: str | None = None) -> str:
    """Add a commit of ``files`` over those of ``parent`` (None deletes one), and return it."""
    stream = [f"commit refs/heads/{BRANCH}\ncommitter Bench <bench@localhost> 0 +0000\ndata 0\n".encode()]
    stream += [f"from {parent}\n".encode()] if parent else []
    for path, content in files.items():
        if content is None:
            stream.append(f"D {path}\n".encode())
        else:
            stream.append(f"M 100644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n")
    _git(folder, "fast-import", "--quiet", "--force", stdin=b"".join(stream))
    return _git(folder, "rev-parse", BRANCH).decode().strip()


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=True, timeout=_DEADLINE_S, env=environment)
    return done.stdout
