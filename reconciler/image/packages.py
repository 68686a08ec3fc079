"""Debian packages as ingredients: fetched by apt, checked by their digests, unpacked, never installed.

Rules: apt names the candidate and its SHA-256 (from the signed package lists); a
cached file is used only if it has that digest. Nothing outside the cache is written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors.taxonomy import InputError
from reconciler.image.programs import run

KERNEL_META = "linux-image-cloud-amd64"
PACKAGES = (
    "busybox-static",
    "libc6",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libssl3",
    "libtss2-esys-3.0.2-0",
    "libtss2-mu0",
    "libtss2-rc0",
    "libtss2-sys1",
    "libtss2-tcti-device0",
    "libtss2-tctildr0",
    "libuuid1",
    "python3.11-minimal",
    "systemd-boot-efi",
    "zlib1g",
)
_APT_DEADLINE_S = 300.0
_UNPACK_DEADLINE_S = 120.0
_URI = re.compile(r"'[^']+' (?P<file>[^ ]+\.deb) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})")
_UPDATE_HINT = "run: apt-get update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package file as apt names it."""

    file: str
    sha256: str


def kernel_package() -> str:
    """Return the name of the kernel package behind Debian's cloud kernel."""
    listing = run(["apt-cache", "depends", KERNEL_META], deadline_s=_APT_DEADLINE_S).decode("utf-8", "replace")
    found = re.search(r"Depends: (linux-image-[0-9][a-z0-9.+-]*-cloud-amd64)$", listing, re.MULTILINE)
    if found is None:
        raise InputError(KERNEL_META, "apt does not know it", reason="PackageMissing", hint=_UPDATE_HINT)
    return found[1]


def fetch(names: Sequence[str], *, into: Path) -> list[Path]:
    """Make sure that the candidates of ``names`` lie in ``into`` with the right digests; return their files."""
    into.mkdir(parents=True, exist_ok=True)
    listing = run(["apt-get", "download", "--print-uris", *names], deadline_s=_APT_DEADLINE_S).decode(
        "utf-8", "replace"
    )
    packages = [Package(file=found["file"], sha256=found["sha256"]) for found in _URI.finditer(listing)]
    if len(packages) != len(set(names)):
        raise InputError("apt", "does not know every package that an image needs", reason="PackageMissing",
                         hint=_UPDATE_HINT)  # fmt: skip
    if any(_digest(into / package.file) != package.sha256 for package in packages):
        run(["apt-get", "download", *names], deadline_s=_APT_DEADLINE_S, cwd=into)
    for package in packages:
        if _digest(into / package.file) != package.sha256:
            raise InputError(package.file, "has another digest than apt's lists say", reason="PackageDigest",
                             hint=_UPDATE_HINT)  # fmt: skip
    return [into / package.file for package in packages]


def unpack(files: Sequence[Path], *, into: Path) -> None:
    """Unpack package files over each other."""
    for file in files:
        run(["dpkg-deb", "-x", file, into], deadline_s=_UNPACK_DEADLINE_S)


def _digest(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
