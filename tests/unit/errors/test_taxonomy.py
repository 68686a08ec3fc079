"""The taxonomy: exit codes, texts and places."""

from __future__ import annotations

import pytest

from reconciler.errors.taxonomy import (
    DeviceError,
    Finding,
    InputError,
    InvariantError,
    RingfenceError,
    TransientError,
    TrustError,
    cut,
)


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [(InputError, 2), (TrustError, 3), (DeviceError, 4), (TransientError, 5), (InvariantError, 70)],
)
def test_each_kind_has_its_own_exit_code(kind: type[RingfenceError], exit_code: int) -> None:
    error = kind("node n1", "it is on fire", reason="OnFire", hint="call the fire brigade")
    assert kind.exit_code == exit_code
    assert str(error) == "node n1: it is on fire"
    assert (error.subject, error.message, error.reason) == ("node n1", "it is on fire", "OnFire")
    assert error.hint == "call the fire brigade"


def test_input_error_carries_every_finding() -> None:
    findings = (Finding(path="a.yaml", code="Bad", message="bad"), Finding(path="b.yaml", code="Bad", message="bad"))
    error = InputError("repository", "2 findings", reason="Invalid", findings=findings)
    assert error.findings == findings
    assert InputError("repository", "empty", reason="Invalid").findings == ()


def test_finding_without_a_line_means_the_whole_file() -> None:
    assert Finding(path="a.yaml", code="Bad", message="bad").place == "a.yaml"
    assert Finding(path="a.yaml", line=3, column=7, code="Bad", message="bad").place == "a.yaml:3:7"


def test_foreign_text_is_cut_to_256_characters_on_one_line() -> None:
    assert cut("two\nlines\t and  spaces ") == "two lines and spaces"
    assert cut("x" * 256) == "x" * 256
    assert cut("x" * 257) == "x" * 255 + "…"
