"""How many IMA entries a second one core appraises: ``python benchmarks/ima.py [ENTRIES]``.

A synthetic list with paths like a server's is built, then each stage is timed alone, and the whole of ``check_ima``.
Beside them, in the same run, stand what the stages are made of: hashlib's and OpenSSL's own rate for SHA-256 of
64 bytes. Each figure is the best of five runs.
"""
# ruff: noqa: T201  # a script that prints, not a package

from __future__ import annotations

import hashlib
import re
import struct
import subprocess
import sys
import time
from collections.abc import Callable

from reconciler.attest.ima.check import check_ima
from reconciler.attest.ima.log import parse_ima_log
from reconciler.attest.ima.reference import ImaReference
from reconciler.attest.ima.replay import Prefix, Rule, extended_digests, find_prefix
from reconciler.model.ima import ImaPolicy

BAR = 400_000
_RUNS = 5
_FOLDERS = (
    "/usr/bin",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/modules/6.1.0-28-amd64/kernel/drivers/net/ethernet",
    "/usr/lib/python3/dist-packages/dns/rdtypes",
    "/opt/service/lib",
    "/usr/share/perl/5.36.0/unicore/lib",
    "/etc/systemd/system",
)


def file_at(number: int) -> tuple[bytes, bytes]:
    """Return path and SHA-256 of file ``number``."""
    path = f"{_FOLDERS[number % len(_FOLDERS)]}/component-{number * 2654435761 % 2**32:08x}.so.{number % 7}"
    return path.encode(), hashlib.sha256(path.encode()).digest()


def data_of(path: bytes, digest: bytes, *, tail: bytes) -> bytes:
    """Return template data as the kernel makes it."""
    named = b"sha256:\0" + digest
    return struct.pack("<I", len(named)) + named + struct.pack("<I", len(path) + 1) + path + b"\0" + tail


def build(files: list[tuple[bytes, bytes]], *, template: bytes) -> tuple[bytes, bytes]:
    """Return the binary and the ascii list of ``files``."""
    binary, ascii_lines = [], []
    tail = bytes(4) if template == b"ima-sig" else b""
    for path, digest in files:
        data = data_of(path, digest, tail=tail)
        stated = hashlib.sha1(data).digest()  # noqa: S324 - what the kernel writes
        binary.append(struct.pack("<I20sI", 10, stated, len(template)) + template + struct.pack("<I", len(data)) + data)
        shown = b" " if tail else b""
        ascii_lines.append(
            b"10 %b %b sha256:%b %b%b\n" % (stated.hex().encode(), template, digest.hex().encode(), path, shown)
        )
    return b"".join(binary), b"".join(ascii_lines)


def quoted_value(log: bytes) -> bytes:
    """Return the value of PCR 10 after all of ``log``, computed the plain way."""
    value = bytes(32)
    for data in parse_ima_log(log).datas:
        value = hashlib.sha256(value + hashlib.sha256(data).digest()).digest()
    return value


def best(run: Callable[[], object], *, entries: int) -> float:
    """Return how many entries a second ``run`` does, which does ``entries``."""
    times = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return entries / min(times)


def openssl_rate() -> float | None:
    """Return how many 64-byte messages a second OpenSSL's own benchmark hashes by SHA-256."""
    command = ["openssl", "speed", "-seconds", "1", "-bytes", "64", "-evp", "sha256"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"(\d+) sha256 ops in ([\d.]+)s", done.stderr, re.IGNORECASE)
    found = found or re.search(r"64 size blocks: (\d+) \S+ (?:ops )?in ([\d.]+)s", done.stderr)
    return None if found is None else int(found[1]) / float(found[2])


def measure(template: bytes, *, files: list[tuple[bytes, bytes]], reference: ImaReference) -> float:
    """Print the rate of each stage on a list of ``files``, and return that of the whole on the binary form."""
    binary, text = build(files, template=template)
    values = {"sha256": {**dict.fromkeys(range(10), bytes(32)), 10: quoted_value(binary)}}
    log = parse_ima_log(binary)
    digests = extended_digests(log, bank="sha256", rule=Rule.NATIVE)

    def replayed() -> None:
        found = find_prefix(log, digests=digests, start={}, quoted=values["sha256"], bank="sha256")
        assert isinstance(found, Prefix)  # noqa: S101 - a benchmark of something wrong is none

    def whole(data: bytes) -> None:
        result = check_ima(data, reference=reference, values=values)
        assert (result.reasons, result.covered) == ((), len(files))  # noqa: S101 - the same

    stages: dict[str, Callable[[], object]] = {
        "parse, binary": lambda: parse_ima_log(binary),
        "parse, ascii": lambda: parse_ima_log(text),
        "template hashes": lambda: extended_digests(log, bank="sha256", rule=Rule.NATIVE),
        "extend and compare": replayed,
        "everything, ascii": lambda: whole(text),
        "everything, binary": lambda: whole(binary),
    }
    rate = 0.0
    for stage, run in stages.items():
        rate = best(run, entries=len(files))
        print(f"{template.decode() + ': ' + stage:<42}{rate:>12,.0f} entries/s")
    return rate


def main() -> int:
    """Print every rate; fail if the whole misses the bar."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 250_000
    aggregate = hashlib.sha256(bytes(32 * 10)).digest()
    files = [(b"boot_aggregate", aggregate), *(file_at(number) for number in range(1, entries))]
    policy = ImaPolicy(digests={path.decode(): (f"sha256:{digest.hex()}",) for path, digest in files[1:]})
    begin = time.perf_counter()
    reference = ImaReference(policy)
    print(f"{entries} entries, {len(policy.digests)} paths in the policy, made ready in", end=" ")
    print(f"{time.perf_counter() - begin:.2f} s (once for all logs)")
    message = bytes(64)

    def plain() -> None:
        for _ in range(entries):
            hashlib.sha256(message).digest()

    print(f"{'hashlib.sha256 of 64 bytes':<42}{best(plain, entries=entries):>12,.0f} /s")
    rate = openssl_rate()
    if rate is not None:
        print(f"{'openssl speed, sha256 of 64 bytes':<42}{rate:>12,.0f} /s")
    reached = measure(b"ima-ng", files=files, reference=reference)
    measure(b"ima-sig", files=files, reference=reference)
    print(f"the bar, ima-ng binary: {BAR:,} entries/s: {'met' if reached >= BAR else 'missed'}")
    return 0 if reached >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
