"""IMA logs as segments: what grew is stored, and only a whole log comes back."""

from __future__ import annotations

import hashlib

import pytest

from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.canonical import canonical, digest
from reconciler.evidence.segments import LogReader, record_log
from reconciler.model.record import ImaTip

PARTS = (b"boot\n", b"init\n", b"workload\n")


def _grown() -> tuple[list[ImaTip], dict[str, bytes]]:
    """Return the tips of a log that grew by one part at a time, and every blob."""
    tips: list[ImaTip] = []
    blobs: dict[str, bytes] = {}
    for count in range(1, len(PARTS) + 1):
        made = record_log(b"".join(PARTS[:count]), before=tips[-1] if tips else None)
        tips.append(made.tip)
        blobs |= made.blobs
    return tips, blobs


def test_each_time_only_what_grew_is_stored_and_every_state_of_the_log_comes_back() -> None:
    tips, blobs = _grown()
    assert set(PARTS) <= set(blobs.values())
    assert b"".join(PARTS) not in blobs.values()
    for reader in (LogReader(blobs.get), LogReader(blobs.get, kept=1)):
        assert [reader.read(tip) for tip in tips] == [b"".join(PARTS[:count]) for count in (1, 2, 3)]
        assert reader.read(tips[0]) == PARTS[0], "an earlier state can be read again"
        assert reader.read(tips[2]) == b"".join(PARTS)


def test_a_log_that_has_not_grown_adds_nothing() -> None:
    tips, _ = _grown()
    again = record_log(b"".join(PARTS), before=tips[-1])
    assert (again.tip, again.blobs) == (tips[-1], {})


@pytest.mark.parametrize("log", [b"other", b"Boot\ninit\nworkload\nand more"], ids=["shorter", "another beginning"])
def test_a_log_that_does_not_go_on_begins_a_chain_of_its_own(log: bytes) -> None:
    tips, blobs = _grown()
    made = record_log(log, before=tips[-1])
    assert LogReader(dict(made.blobs).get).read(made.tip) == log
    assert made.tip.link not in {tip.link for tip in tips}
    assert blobs


def _refusal(tip: ImaTip, blobs: dict[str, bytes]) -> str:
    with pytest.raises(TrustError) as caught:
        LogReader(blobs.get).read(tip)
    return caught.value.reason


def _with(blobs: dict[str, bytes], data: bytes) -> dict[str, bytes]:
    return {**blobs, hashlib.sha256(data).hexdigest(): data}


@pytest.mark.parametrize("changes", [{"size": 18}, {"digest": "sha256:" + "0" * 64}, {"link": "sha256:" + "0" * 64}])
def test_a_tip_that_does_not_fit_its_links_is_refused(changes: dict[str, object]) -> None:
    tips, blobs = _grown()
    assert _refusal(tips[-1].model_copy(update=changes), blobs) in {"BlobMalformed", "BlobMissing"}


@pytest.mark.parametrize(
    "link",
    [
        b"", b"[]", b"{}", b"[" * 100_000,
        canonical({"previous": None, "segment": digest(b"x"), "size": "19"}),
        canonical({"previous": None, "segment": digest(b"x"), "size": 19}),
        canonical({"previous": None, "segment": digest(b""), "size": 19}),
        canonical({"previous": 7, "segment": digest(b"x"), "size": 19}),
        canonical({"previous": None, "segment": 7, "size": 19}),
    ],
    ids=["empty", "list", "no-fields", "deep", "size-text", "too-short", "empty-segment", "no-name", "no-segment"],
)  # fmt: skip
def test_a_link_that_ringfence_does_not_write_is_refused(link: bytes) -> None:
    tip = ImaTip(link=digest(link), size=19, digest=digest(b"x"))
    assert _refusal(tip, _with(_with(_with({}, link), b"x"), b"")) == "BlobMalformed"


def test_a_chain_that_comes_back_to_itself_ends() -> None:
    segment = b"x" * 4
    first = canonical({"previous": None, "segment": digest(segment), "size": 4})
    second = canonical({"previous": digest(first), "segment": digest(segment), "size": 4})
    tip = ImaTip(link=digest(second), size=4, digest=digest(segment))
    assert _refusal(tip, _with(_with(_with({}, first), second), segment)) == "BlobMalformed"
