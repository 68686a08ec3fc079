"""Images are the same bytes for the same recipe, small enough, and measured whole."""

from __future__ import annotations

import hashlib
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from reconciler.attest.prediction.pe import parse_pe
from reconciler.attest.prediction.uki import predict
from reconciler.errors.taxonomy import InputError
from reconciler.image.base import load_base
from reconciler.image.build import BuiltImage, Recipe, build, default_cache
from reconciler.image.cpio import Entry, archive

_PIN = "5a" * 32


@pytest.fixture(scope="module")
def cache() -> Path:
    """Use the developer's own cache, as `make demo` does: packages are downloaded once."""
    return default_cache()


def made(recipe: Recipe, *, cache: Path, out: Path) -> BuiltImage:
    return build(recipe, out=out, cache=cache)


def unpacked(image: BuiltImage, into: Path) -> Path:
    """Unpack the initramfs as the kernel would: one archive after the other, later files over earlier ones."""
    outer = parse_pe(image.path.read_bytes(), subject="image")
    initrd = outer.content(next(section for section in outer.sections if section.name == ".initrd"))
    plain = subprocess.run(["zstd", "-dc"], input=initrd, capture_output=True, check=True, timeout=60).stdout
    at = 0
    while at < len(plain):
        fields = [int(plain[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = plain[at + 110 : at + 110 + name_size - 1].decode()
        data_at = -(-(at + 110 + name_size) // 4) * 4
        content = plain[data_at : data_at + size]
        at = -(-(data_at + size) // 4) * 4
        path = into / name
        if stat.S_ISDIR(mode):
            path.mkdir(parents=True, exist_ok=True)
        elif stat.S_ISLNK(mode):
            path.symlink_to(content.decode())
        elif stat.S_ISREG(mode):
            path.write_bytes(content)
            path.chmod(stat.S_IMODE(mode))
    return into


def test_the_same_recipe_gives_the_same_bytes(cache: Path, tmp_path: Path) -> None:
    first = made(Recipe(pin=_PIN), cache=cache, out=tmp_path / "a")
    second = made(Recipe(pin=_PIN), cache=cache, out=tmp_path / "b")
    assert first.measurements.digest == second.measurements.digest
    assert first.path.name == f"{first.measurements.digest}.efi"
    assert first.size < 40_000_000


@pytest.mark.lab
def test_a_base_built_from_nothing_is_the_same_as_the_cached_one(cache: Path, tmp_path: Path) -> None:
    cached = load_base(cache, refresh=False)
    shutil.copytree(cache / "packages", tmp_path / "packages")
    fresh = load_base(tmp_path, refresh=True)
    assert fresh.manifest == cached.manifest
    assert hashlib.sha256(fresh.archive).hexdigest() == hashlib.sha256(cached.archive).hexdigest()


def test_another_pin_moves_pcr_4_9_and_11(cache: Path, tmp_path: Path) -> None:
    first = made(Recipe(pin=_PIN), cache=cache, out=tmp_path).measurements
    second = made(Recipe(pin="5b" * 32), cache=cache, out=tmp_path).measurements
    assert first.pcr4[0] != second.pcr4[0]
    assert first.pcr4[1] == second.pcr4[1]
    assert first.pcr9[0] != second.pcr9[0]
    assert first.pcr11 != second.pcr11


def test_what_is_predicted_is_what_was_written(cache: Path, tmp_path: Path) -> None:
    built = made(Recipe(pin=_PIN, extra="ringfence.lab=1"), cache=cache, out=tmp_path)
    assert predict(built.path.read_bytes()) == built.measurements
    assert built.measurements.command_line.endswith(f"ringfence.pin={_PIN} ringfence.lab=1")


def test_the_initramfs_carries_the_agent_and_nothing_it_must_not_carry(cache: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    (overlay / "etc" / "ringfence").mkdir(parents=True)
    workload = overlay / "etc" / "ringfence" / "workload"
    workload.write_text("#!/usr/bin/python3.11 -S\n")
    workload.chmod(0o755)
    root = unpacked(made(Recipe(pin=_PIN, overlay=overlay), cache=cache, out=tmp_path / "out"), tmp_path / "root")
    ours = root / "usr" / "lib" / "ringfence" / "reconciler"
    assert {entry.name for entry in ours.iterdir()} == {"__init__.pyc", "agent", "errors", "model"}
    assert {entry.name for entry in (ours / "model").iterdir()} == {"__init__.pyc", "binding.pyc"}
    assert not list(root.rglob("pydantic*"))
    assert (root / "etc/ringfence/workload").stat().st_mode & 0o111
    listed = (root / "etc/ringfence/manifest").read_text().splitlines()
    assert listed[-1] == "end"
    for line in listed[:-1]:
        size, path = line.split(" ", 1)
        assert (root / path.lstrip("/")).lstat().st_size == int(size), path


def test_a_file_that_is_cut_short_shows_in_the_manifest(cache: Path, tmp_path: Path) -> None:
    root = unpacked(made(Recipe(pin=_PIN), cache=cache, out=tmp_path / "out"), tmp_path / "root")
    check = "sed '$d' etc/ringfence/manifest | cut -d ' ' -f 2 | sed s,^/,, | xargs busybox stat -c '%s /%n'"
    command = ["busybox", "sh", "-c", f"{check} | cmp -s - expected"]
    (root / "expected").write_text((root / "etc/ringfence/manifest").read_text().removesuffix("end\n"))
    assert subprocess.run(command, cwd=root, check=False, timeout=60).returncode == 0
    (root / "usr/lib/modules/virtio_net.ko").write_bytes(b"short")
    assert subprocess.run(command, cwd=root, check=False, timeout=60).returncode == 1


@pytest.mark.parametrize("pin", ["", "5a", "5A" * 32, "xx" * 32])
def test_a_malformed_pin_is_refused_before_anything_is_built(pin: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--pin"):
        build(Recipe(pin=pin), out=tmp_path / "out", cache=tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extra", [f"ringfence.pin={'0' * 64}", "a\nb", "a  b", "ä"])
def test_the_command_line_cannot_be_given_a_second_pin_or_odd_characters(extra: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--cmdline"):
        build(Recipe(pin=_PIN, extra=extra), out=tmp_path / "out", cache=tmp_path / "cache")


@pytest.mark.parametrize("name", ["init", "usr/lib/ringfence/__main__.pyc", "a b"])
def test_an_overlay_cannot_replace_the_agent(name: str, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "overlay" / name).parent.mkdir(parents=True)
    (tmp_path / "overlay" / name).write_text("")
    with pytest.raises(InputError, match="may not be in an overlay"):
        build(Recipe(pin=_PIN, overlay=tmp_path / "overlay"), out=tmp_path / "out", cache=cache)


def test_a_missing_program_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError) as caught:
        build(Recipe(pin=_PIN), out=tmp_path / "out", cache=tmp_path / "cache")
    assert caught.value.reason == "ProgramMissing"
    assert caught.value.hint


def test_an_archive_is_the_same_for_the_same_entries_in_any_order() -> None:
    entries = {"/b": Entry(content=b"2"), "/a/c": Entry.program(b"1"), "/d": Entry.link("b")}
    assert archive(entries) == archive(dict(reversed(entries.items())))
    assert len(archive(entries)) % 4 == 0
