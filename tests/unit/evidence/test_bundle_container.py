"""The archive around a bundle: one form, and whatever is not exactly that form is refused."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from reconciler.errors.taxonomy import InputError, RingfenceError, TrustError
from reconciler.evidence.bundle import container
from reconciler.evidence.bundle.container import MANIFEST, MAX_PARTS, read_tar, tar_blocks
from reconciler.evidence.bundle.manifest import bundle_blocks, check_subject, open_bundle

PARTS = {"b/two": b"2" * 513, MANIFEST: b"{}", "a": b"", "b/one": b"1" * 512}


def archive(parts: dict[str, bytes] | None = None) -> bytes:
    return b"".join(tar_blocks(PARTS if parts is None else parts))


def foreign(*members: tuple[str, bytes], form: int = tarfile.USTAR_FORMAT, **fields: object) -> bytes:
    """Return an archive as another program may write it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(TrustError) as refused:
        read_tar(data)
    assert refused.value.reason == "BundleMalformed"
    return refused.value.message


def test_parts_come_back_in_order_with_the_manifest_first() -> None:
    found = read_tar(archive())
    assert list(found) == [MANIFEST, "a", "b/one", "b/two"]
    assert {name: bytes(content) for name, content in found.items()} == PARTS


def test_an_archive_has_the_same_bytes_in_five_years() -> None:
    assert hashlib.sha256(archive()).hexdigest() == GOLDEN


GOLDEN = "6ff1b6e5613c2e610431d2cf8547b9392bd73af07c3117dc27c71dee062e4553"


def test_any_program_for_tar_reads_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive())) as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        assert {name: file.read() for name, file in found.items() if file} == PARTS


def test_a_long_path_is_split_as_ustar_has_it() -> None:
    name = f"{'f' * 90}/{'n' * 95}"
    assert list(read_tar(archive({name: b"x"}))) == [name]


def test_a_name_that_no_ustar_archive_can_hold_is_refused() -> None:
    with pytest.raises(TrustError, match="too long"):
        archive({"n" * 101: b"x"})


def test_more_parts_than_are_allowed_are_not_written() -> None:
    with pytest.raises(InputError) as refused:
        archive(dict.fromkeys((str(number) for number in range(MAX_PARTS + 1)), b""))
    assert refused.value.reason == "BundleTooLarge"


def test_more_parts_than_are_allowed_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = archive()
    monkeypatch.setattr(container, "MAX_PARTS", 3)
    assert "too many" in refusal(data)


def test_a_file_that_is_too_large_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    data = archive()
    monkeypatch.setattr(container, "MAX_BUNDLE", len(data) - 1)
    assert "too large" in refusal(data)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 1024])
def test_a_file_that_was_cut_off_is_refused(size: int) -> None:
    assert refusal(archive()[:size] if size else b"")


def test_a_part_that_ends_behind_the_end_is_refused() -> None:
    data = bytearray(archive({"a": b""}))
    data[:512] = tarfile.TarInfo("a").tobuf(tarfile.USTAR_FORMAT)
    huge = tarfile.TarInfo("a")
    huge.size = 1 << 30
    assert "cut off" in refusal(huge.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))


def test_bytes_behind_a_part_are_refused() -> None:
    data = bytearray(archive({"a": b"x"}))
    data[512 + 100] = 1
    assert "behind it" in refusal(bytes(data))


def test_bytes_behind_the_end_are_refused() -> None:
    assert "behind its end" in refusal(archive() + bytes(512))


@pytest.mark.parametrize(
    "name", ["../up", "/top", "a//b", "a/../b", "a/.hidden", "with space", "Ümlaut", "a/", ".", ""]
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    header = tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT, encoding="utf-8")
    assert "plain files" in refusal(header + bytes(1024))


@pytest.mark.parametrize(
    "fields",
    [{"mtime": 1}, {"mode": 0o755}, {"uid": 1}, {"uname": "root"}, {"type": tarfile.SYMTYPE, "linkname": "a"}],
)
def test_what_is_no_plain_file_without_a_date_is_refused(fields: dict[str, object]) -> None:
    assert "header" in refusal(foreign(("a", b""), **fields)[:512] + bytes(1024))


def test_extended_headers_are_refused() -> None:
    assert refusal(foreign(("a" * 120, b"x"), form=tarfile.PAX_FORMAT))
    assert refusal(foreign(("a" * 120, b"x"), form=tarfile.GNU_FORMAT))


def test_a_size_that_is_no_octal_number_is_refused() -> None:
    header = bytearray(tarfile.TarInfo("a").tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"\x80" + bytes(11)
    assert "plain files" in refusal(bytes(header) + bytes(1024))


def test_parts_out_of_order_or_twice_are_refused() -> None:
    one, two = (archive({name: b""})[:512] for name in ("a", "b"))
    assert "out of order" in refusal(two + one + bytes(1024))
    assert "there twice" in refusal(one + one + bytes(1024))


def bundle(parts: dict[str, bytes]) -> bytes:
    return b"".join(bundle_blocks("node/n1", parts))


def test_a_bundle_gives_back_its_parts_and_knows_what_was_not_read() -> None:
    manifest, parts = open_bundle(bundle({"a/b": b"x", "c": b"y"}))
    assert (manifest.subject, parts.under("a/"), parts.read("a/b"), parts.read("d")) == ("node/n1", ["a/b"], b"x", None)
    assert parts.unread() == ["c"]


def test_a_manifest_that_is_missing_or_written_otherwise_is_refused() -> None:
    parts = {name: bytes(content) for name, content in read_tar(bundle({"a": b"x"})).items()}
    for manifest in (b"", b"{}", parts[MANIFEST] + b" ", parts[MANIFEST].replace(b"node/n1", b"node/N1")):
        with pytest.raises(TrustError, match="no manifest"):
            open_bundle(archive(parts | {MANIFEST: manifest}))


def test_a_part_that_the_manifest_does_not_name_is_refused() -> None:
    parts = {name: bytes(content) for name, content in read_tar(bundle({"a": b"x"})).items()}
    with pytest.raises(TrustError, match="other parts"):
        open_bundle(archive(parts | {"b": b""}))
    with pytest.raises(TrustError, match="not the part"):
        open_bundle(archive(parts | {"a": b"y"}))


@pytest.mark.parametrize("subject", ["node/n1", "enclave/blue-2"])
def test_nodes_and_enclaves_are_subjects(subject: str) -> None:
    assert check_subject(subject) == subject


@pytest.mark.parametrize("subject", ["", "node/", "node/N1", "tenant/a", "node/n1/x", "node/-a", "node/a-"])
def test_other_things_are_no_subjects(subject: str) -> None:
    with pytest.raises(RingfenceError) as refused:
        check_subject(subject)
    assert refused.value.reason == "SubjectUnknown"
