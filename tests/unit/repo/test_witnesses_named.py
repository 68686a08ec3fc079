"""Witnesses as the desired state names them: what is taken, and what is no witness."""

from __future__ import annotations

import base64

import pytest

from reconciler.repo.desired import load_desired
from tests.support.documents import FILES
from tests.support.mistakes import SIGNERS, TOP, findings, snapshot

_BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)
BOB = b"bob ssh-ed25519 %b\n" % base64.b64encode(_BLOB)
WITNESSES = b"  evidence:\n    signers: [carol]\n    witnesses:\n"


def named(text: str) -> dict[str, bytes]:
    """Return the valid files with ``text`` below ``witnesses``, and a signer who signs no evidence."""
    before = b"  evidence: {signers: [carol]}\n"
    assert before in FILES[TOP]
    lines = "".join(f"      {line}\n" for line in text.splitlines())
    return {**FILES, SIGNERS: FILES[SIGNERS] + BOB, TOP: FILES[TOP].replace(before, WITNESSES + lines.encode())}


def test_without_a_word_there_are_no_witnesses_and_none_is_required() -> None:
    spec = load_desired(snapshot(FILES)).repository.spec.evidence.witnesses
    assert (spec.known, spec.required) == ((), 0)


def test_witnesses_are_read_with_what_is_required_of_them() -> None:
    text = "known: [{name: w1, signer: alice}, {name: w2, signer: bob}]\nrequired: 2\nwithin: 6h"
    spec = load_desired(snapshot(named(text))).repository.spec.evidence.witnesses
    assert [(witness.name, witness.signer) for witness in spec.known] == [("w1", "alice"), ("w2", "bob")]
    assert (spec.required, spec.within.total_seconds()) == (2, 21600)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("known: [{name: w1, signer: carol}]", "WitnessIsWriter", "carol signs the evidence"),
        ("known: [{name: w1, signer: alice}, {name: w1, signer: bob}]", "WitnessTwice", "name w1"),
        ("known: [{name: w1, signer: alice}, {name: w2, signer: alice}]", "WitnessTwice", "signer alice"),
        ("known: [{name: w1, signer: alicia}]", "DanglingReference", "no signer alicia"),
        ("known: [{name: w1, signer: alice}]\nrequired: 2", "BadValue", "more witnesses are required"),
        ("known: [{name: W 1, signer: alice}]", "BadValue", ""),
        ("required: -1", "OutOfRange", ""),
    ],
)
def test_what_could_be_no_witness_is_told(text: str, code: str, said: str) -> None:
    (finding,) = findings(named(text))
    assert (finding.path, finding.code) == (TOP, code)
    assert said in finding.message
    assert finding.hint


def test_witness_needs_a_key_that_can_sign_heads() -> None:
    lines = FILES[SIGNERS] + b"dora ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAA=\n"
    (finding,) = findings({**named("known: [{name: w1, signer: dora}]"), SIGNERS: lines})
    assert finding.code == "DanglingReference"
    assert "Ed25519" in finding.message
