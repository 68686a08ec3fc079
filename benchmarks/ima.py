"""How many IMA entries a second one core appraises: ``python -m benchmarks.ima [ENTRIES]``.

A synthetic list with paths like a server's is built, then each stage is timed alone, and the whole of ``check_ima``.
Beside them stands OpenSSL's own rate for SHA-256 of 64 bytes: two such digests are made for each entry.
``make bench-verify`` measures the whole of both forms among the rest.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from collections.abc import Callable, Iterator

from benchmarks.measure import Case, run
from reconciler.attest.ima.check import check_ima
from reconciler.attest.ima.log import parse_ima_log
from reconciler.attest.ima.reference import ImaReference
from reconciler.attest.ima.replay import Prefix, Rule, extended_digests, find_prefix
from reconciler.model.ima import ImaPolicy

BAR = 400_000
ENTRIES = 100_000
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


def ima_cases(entries: int = ENTRIES, *, template: bytes = b"ima-ng") -> Iterator[Case]:
    """Yield the appraisal of a list of ``entries`` in both its forms, and the stages of it."""
    aggregate = hashlib.sha256(bytes(32 * 10)).digest()
    files = [(b"boot_aggregate", aggregate), *(file_at(number) for number in range(1, entries))]
    policy = ImaPolicy(digests={path.decode(): (f"sha256:{digest.hex()}",) for path, digest in files[1:]})
    reference = ImaReference(policy)
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

    def case(stage: str, work: Callable[[], object], least: float | None = None) -> Case:
        name = f"IMA, {template.decode()}: {stage}"
        return Case(name=name, unit="entries", work=work, amount=entries, beside="sha256", least=least)

    yield case("everything, binary", lambda: whole(binary), BAR if template == b"ima-ng" else None)
    yield case("everything, ascii", lambda: whole(text))
    yield case("parse, binary", lambda: parse_ima_log(binary))
    yield case("parse, ascii", lambda: parse_ima_log(text))
    yield case("template hashes", lambda: extended_digests(log, bank="sha256", rule=Rule.NATIVE))
    yield case("extend and compare", replayed)


def main() -> int:
    """Measure all stages for both templates; fail if the whole misses the bar."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    return int(not run([*ima_cases(entries), *ima_cases(entries, template=b"ima-sig")]))


if __name__ == "__main__":
    sys.exit(main())
