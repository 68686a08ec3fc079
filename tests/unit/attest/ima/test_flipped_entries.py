"""Any changed byte of an IMA log is refused with a reason that fits, or was never measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.ima.check import ImaResult, check_ima
from reconciler.attest.ima.log import parse_ima_log
from reconciler.attest.ima.reference import ImaReference
from reconciler.model.ima import ImaPolicy
from tests.support.imalogs import RSA, Line, aggregate_of, ascii_of, binary_of, pem_of, quoted_after, signed
from tests.support.lies import flip

BUFFER = Line(path=b"kexec-cmdline", template=b"ima-buf", content=b"ro", tail=(b"ro",))
FILES = [
    Line(path=b"/usr/bin/true"),
    Line(path=b"/etc/x", template=b"ima-sig", tail=(b"",)),
    Line(path=b"/y", template=b"ima-ngv2", algorithm=b"ima:sha256"),
]
LINES = [aggregate_of(), *FILES, signed(Line(path=b"/signed"), key=RSA), BUFFER]
REFERENCE = ImaReference(
    ImaPolicy(
        digests={line.path.decode(): (line.named,) for line in FILES},
        keys=(pem_of(RSA),),
        buffers={"kexec-cmdline": (BUFFER.named,)},
    )
)
QUOTED = quoted_after(LINES)
FITTING = {"ImaMalformed", "ImaReplayMismatch", "ImaPcrNotQuoted"}


def judged(data: bytes) -> ImaResult:
    return check_ima(data, reference=REFERENCE, values=QUOTED)


def measured(data: bytes) -> list[tuple[int, bytes]]:
    log = parse_ima_log(data)
    return list(zip(log.pcrs, log.datas, strict=True))


@pytest.mark.parametrize("build", [binary_of, ascii_of])
def test_every_byte_that_was_measured_counts(build: object) -> None:
    good = build(LINES)  # type: ignore[operator]
    assert judged(good).reasons == ()
    for index in range(len(good)):
        for bit in range(8):
            changed = flip(good, index, bit=bit)
            codes = {reason.code for reason in judged(changed).reasons}
            if codes <= {"ImaTemplateUnknown"} or not codes & FITTING:
                # The stated template hash and the template's name are in no digest. A name decides how the data is
                # read, never what was measured.
                assert measured(changed) == measured(good), f"byte {index}, bit {bit}: {codes}"


@pytest.mark.parametrize("build", [binary_of, ascii_of])
def test_a_log_that_is_cut_anywhere_is_refused(build: object) -> None:
    good = build(LINES)  # type: ignore[operator]
    for end in range(len(good)):
        codes = {reason.code for reason in judged(good[:end]).reasons}
        assert codes & FITTING, f"cut at {end}"


@given(st.permutations(LINES))
def test_no_other_order_is_accepted(lines: list[Line]) -> None:
    assert lines == LINES or judged(binary_of(lines)).reasons


@given(st.sampled_from([binary_of, ascii_of]), st.data())
def test_several_changed_bytes_raise_nothing(build: object, data: st.DataObject) -> None:
    good = build(LINES)  # type: ignore[operator]
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    result = judged(bytes(changed))
    assert result.reasons or measured(bytes(changed)) == measured(good)


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    assert judged(data).reasons


@given(st.integers(0, 5), st.integers(0, 5))
def test_an_appraisal_in_two_steps_says_what_one_says(first: int, more: int) -> None:
    lines = [*LINES, *(Line(path=b"/usr/bin/true") for _ in range(3)), Line(path=b"/evil")]
    count = min(1 + first, len(lines))
    until = min(count + more, len(lines))
    values = [quoted_after(lines[:size]) for size in (count, until)]
    state = check_ima(binary_of(lines), reference=REFERENCE, values=values[0]).state
    assert state is not None
    whole = check_ima(binary_of(lines), reference=REFERENCE, values=values[1])
    for data, is_tail in ((binary_of(lines), False), (binary_of(lines)[state.offset :], True)):
        step = check_ima(data, reference=REFERENCE, values=values[1], state=state, is_tail=is_tail)
        assert (step.reasons, step.covered, step.pending) == (whole.reasons, whole.covered, whole.pending)
