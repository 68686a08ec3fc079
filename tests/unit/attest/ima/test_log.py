from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.ima import log as module
from reconciler.attest.ima.log import MAX_LOG, parse_ima_log
from reconciler.attest.ima.templates import decode, fields_of, join, join_legacy
from reconciler.attest.reader import MalformedError
from tests.support.imalogs import Line, aggregate_of, ascii_of, binary_of, field

SIGNATURE = bytes.fromhex("030204aabbccdd0002beef")
LINES = [
    aggregate_of(),
    Line(path=b"/usr/bin/true"),
    Line(path=b"/usr/bin/false"),
    Line(path=b"/a name with spaces", pcr=11),
    Line(path=b"/odd\xff\x01bytes\t"),
    Line(path=b"/short", algorithm=b"sha1"),
    Line(path=b"/violated", digest=bytes(20), is_violation=True),
    Line(path=b"/signed", template=b"ima-sig", tail=(SIGNATURE,)),
    Line(path=b"/not signed", template=b"ima-sig", tail=(b"",)),
    Line(path=b"kexec-cmdline", template=b"ima-buf", tail=(b"ro quiet",), content=b"ro quiet"),
    Line(path=b"/new", template=b"ima-ngv2", algorithm=b"ima:sha256"),
    Line(path=b"/tree", template=b"ima-sigv2", algorithm=b"verity:sha256", tail=(SIGNATURE,)),
    Line(path=b"/module.ko", template=b"ima-modsig", tail=(SIGNATURE, b"", b"\x30\x82")),
    Line(path=b"/own", template=b"d-ng|n-ng"),
    Line(path=b"/legacy name", template=b"ima", algorithm=b"sha1"),
    Line(path=b"/after", pcr=9),
]


@pytest.mark.parametrize("bank", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("build", [binary_of, ascii_of])
def test_every_template_is_read_in_both_forms_and_every_bank(build: object, bank: str) -> None:
    data = build(LINES, bank=bank)  # type: ignore[operator]
    log = parse_ima_log(data)
    assert log.form == ("binary" if build is binary_of else "ascii")
    assert log.datas == [line.data for line in LINES]
    assert log.pcrs == [line.pcr for line in LINES]
    assert log.hashes == [line.stated(bank) for line in LINES]
    assert log.templates == [line.template for line in LINES]
    assert log.ends[-1] == len(data)
    assert [data[begin:end] for begin, end in zip([0, *log.ends], log.ends, strict=False)] == [
        line.binary(bank) if build is binary_of else line.ascii(bank) for line in LINES
    ]
    for index, line in enumerate(LINES):
        entry = log.entry(index)
        assert entry is not None
        assert (entry.path, entry.digest) == (line.path, line.file_digest)
        assert entry.kind == ("verity" if b"verity" in line.algorithm else "ima")
        assert entry.buffer == (b"ro quiet" if line.template == b"ima-buf" else None)
        assert entry.signature == (SIGNATURE if SIGNATURE in line.tail else b"")


@pytest.mark.parametrize("build", [binary_of, ascii_of])
def test_a_log_can_be_read_from_the_end_of_any_entry(build: object) -> None:
    data = build(LINES)  # type: ignore[operator]
    whole = parse_ima_log(data)
    for index, end in enumerate(whole.ends):
        rest = parse_ima_log(data, start=end)
        assert rest.datas == whole.datas[index + 1 :]
        assert rest.ends == whole.ends[index + 1 :]


def test_an_empty_log_has_no_entries() -> None:
    assert len(parse_ima_log(b"")) == 0


def test_a_log_that_is_too_long_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_LOG >= 100 << 20
    monkeypatch.setattr(module, "MAX_LOG", 10)
    with pytest.raises(MalformedError, match="at most 10"):
        parse_ima_log(bytes(11))


def test_an_evm_template_can_be_replayed_from_the_binary_log_only() -> None:
    line = Line(template=b"evm-sig", tail=(b"",) * 7)
    assert parse_ima_log(binary_of([line])).datas == [line.data]
    with pytest.raises(MalformedError, match="only be read from the binary log"):
        parse_ima_log(ascii_of([line]))


def test_the_space_at_the_end_of_a_line_without_a_signature_may_have_been_lost() -> None:
    line = Line(template=b"ima-sig", tail=(b"",))
    assert parse_ima_log(line.ascii().replace(b" \n", b"\n")).datas == [line.data]


def test_an_unknown_template_is_kept_as_it_is_and_says_nothing() -> None:
    log = parse_ima_log(binary_of([Line(template=b"x-new"), Line()]))
    assert log.entry(0) is None
    assert log.entry(1) is not None
    assert fields_of(b"|".join([b"n-ng"] * 16)) is None
    assert decode(b"n-ng", field(b"x\0")) is None
    assert decode(b"d-ng", field(b"x\0")) is None


def test_fields_of_a_template_of_its_own_are_read_by_name() -> None:
    entry = decode(b"n|d", join([b"/x\0", bytes(20)]))
    assert entry is not None
    assert (entry.algorithm, entry.path) == ("sha1", b"/x")


GOOD = Line().binary()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(GOOD[:-1], id="cut-off-data"),
        pytest.param(GOOD[:30], id="cut-off-name"),
        pytest.param(GOOD[:10], id="cut-off-hash"),
        pytest.param(GOOD[:2], id="cut-off-pcr"),
        pytest.param(GOOD + bytes(3), id="three-bytes-more"),
        pytest.param(GOOD + replace(Line(), pcr=24).binary(), id="no-such-pcr"),
        pytest.param(
            GOOD + replace(Line(), pcr=24, template=b"ima-sig").binary(), id="no-such-pcr-in-another-template"
        ),
        pytest.param(GOOD + replace(Line(), template=b"Ima").binary(), id="no-name-of-a-template"),
        pytest.param(GOOD + replace(Line(), template=b"x" * 129).binary(), id="long-name-of-a-template"),
        pytest.param(GOOD + Line(template=b"ima-sig", tail=(bytes(1 << 20),)).binary(), id="too-much-data"),
        pytest.param(Line(path=b"x" * (1 << 20)).binary(), id="too-much-data-first"),
        pytest.param(Line(template=b"ima", algorithm=b"sha1", path=b"x" * 256).binary(), id="long-legacy-name"),
        pytest.param(Line(template=b"ima", algorithm=b"sha1", path=b"x" * 257).binary(), id="longer-legacy-name"),
        pytest.param(Line().ascii()[:-1], id="line-without-end"),
        pytest.param(b"hello\n", id="not-a-log"),
        pytest.param(Line().ascii() + b"\n", id="empty-line"),
        pytest.param(Line().ascii().replace(b"10 ", b"24 "), id="no-such-pcr-in-ascii"),
        pytest.param(Line().ascii() + Line().ascii("sha256"), id="two-banks-in-one-list"),
        pytest.param(Line().ascii().replace(b"ima-ng", b"x-new"), id="unknown-template-in-ascii"),
        pytest.param(Line().ascii().replace(b"sha256:", b"sha256:x"), id="no-digest-in-ascii"),
        pytest.param(Line().ascii() + Line().ascii().replace(b"sha256:", b"sha256:x"), id="no-digest-in-the-second"),
        pytest.param(
            Line().ascii() + Line().ascii().replace(b"sha256:" + Line().file_digest.hex()[:1].encode(), b"sha256:x"),
            id="digit-that-is-none",
        ),
        pytest.param(Line().ascii() + Line(path=b"/\0").ascii(), id="zero-in-ascii"),
        pytest.param(Line().ascii() + Line(path=b"/\n").ascii(), id="newline-in-ascii"),
        pytest.param(Line(template=b"ima-buf").ascii(), id="field-missing-in-ascii"),
        pytest.param(b"10 " + b"0" * 40 + b" ima-sig x\n", id="name-missing-in-ascii"),
        pytest.param(Line(path=b"x" * (1 << 20)).ascii(), id="too-much-data-in-ascii"),
        pytest.param(Line(template=b"ima").ascii(), id="legacy-digest-of-another-size"),
    ],
)
def test_a_malformed_log_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_ima_log(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(join([b"sha256:\0" + bytes(32)]), id="name-missing"),
        pytest.param(join([b"sha256:\0" + bytes(32), b"x\0", b""]), id="field-too-many"),
        pytest.param(join([b"sha256:\0" + b"\1" * 31, b"x\0"]), id="digest-of-another-size"),
        pytest.param(join([b"sha256" + bytes(32), b"x\0"]), id="no-algorithm"),
        pytest.param(join([b"ima:sha256:\0" + bytes(32), b"x\0"]), id="kind-where-there-is-none"),
        pytest.param(join([b"sha256:\0" + bytes(32), b"x"]), id="name-without-end"),
        pytest.param(join([b"sha256:\0" + bytes(32), b"x\0y\0"]), id="name-with-two-ends"),
        pytest.param(join([b"sha256:\0" + bytes(32), b""]), id="empty-name"),
        pytest.param(join([b"sha256:\0" + bytes(32), b"x" * 4096 + b"\0"]), id="name-too-long"),
        pytest.param(b"\xff\xff\xff\xff", id="length-beyond-the-end"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_data_that_does_not_fit_its_template_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(b"ima-ng", data)


def test_a_kind_must_be_named_where_the_template_has_one() -> None:
    with pytest.raises(MalformedError):
        decode(b"ima-ngv2", join([b"sha256:\0" + bytes(32), b"x\0"]))


def test_an_algorithm_that_is_not_known_is_read_all_the_same() -> None:
    entry = decode(b"ima-ng", join([b"sm3_256:\0" + bytes(32), b"x\0"]))
    assert entry is not None
    assert entry.algorithm == "sm3_256"


def test_a_legacy_entry_has_one_size() -> None:
    assert len(join_legacy(bytes(20), b"x")) == 276


@given(st.sampled_from([binary_of, ascii_of]), st.data())
def test_no_bytes_raise_anything_but_our_error(build: object, data: st.DataObject) -> None:
    whole = bytearray(build(LINES))  # type: ignore[operator]
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(whole)))
    try:
        log = parse_ima_log(bytes(whole[:end]))
    except MalformedError:
        return
    for index in range(len(log)):
        try:
            log.entry(index)
        except MalformedError:
            continue
    assert not log.ends or log.ends[-1] == end


@given(st.binary(max_size=300))
def test_noise_raises_nothing_but_our_error(data: bytes) -> None:
    try:
        parse_ima_log(data)
    except MalformedError:
        return
    assert data == b"" or len(parse_ima_log(data)) > 0
