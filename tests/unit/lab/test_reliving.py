"""A real TPM is brought to what recorded logs say; what it holds then is read back from the TPM."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.attest.eventlog.log import parse_event_log, replay
from reconciler.errors.taxonomy import InputError
from reconciler.lab import recorded, relive
from tests.support.swtpm import cold, make_state

BASE = (Path(recorded.__file__).parent / "ovmf.eventlog").read_bytes()
NO_ACTION, BLOB, HCRTM, LAUNCH = 3, 0x80000008, 0x80000010, 0x402
INITIAL = {pcr: (b"\xff" if 17 <= pcr <= 22 else b"\0") * 32 for pcr in range(24)}


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def log_of(*events: tuple[int, int, bytes, bytes], bank: int = 0x000B) -> bytes:
    """Return a crypto-agile log of (PCR, type, digest, data)."""
    head = b"Spec ID Event03\0" + struct.pack("<IBBBBIHHB", 0, 0, 2, 0, 2, 1, bank, 32, 0)
    made = struct.pack("<II20sI", 0, NO_ACTION, bytes(20), len(head)) + head
    for pcr, kind, digest, data in events:
        made += struct.pack("<IIIH", pcr, kind, 1, bank) + digest + struct.pack("<I", len(data)) + data
    return made


def folded(start: bytes, *digests: bytes) -> bytes:
    for digest in digests:
        start = sha256(start + digest)
    return start


@pytest.fixture(scope="module")
def relived(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], dict[int, bytes]]:
    state = make_state(tmp_path_factory.mktemp("tpm"))

    def bring(log: bytes) -> dict[int, bytes]:
        from reconciler.agent.tpm import Tpm

        with cold(state, socket=tmp_path_factory.mktemp("run") / "tpm") as socket:
            relive.relive(recorded.read(log, subject="log"), socket=socket, subject="log")
            with Tpm(f"swtpm:path={socket}") as tpm:
                return tpm.read_pcrs(bank="sha256", pcrs=range(24))

    return bring


def test_a_recorded_log_brings_every_pcr_to_what_its_replay_says(
    relived: Callable[[bytes], dict[int, bytes]],
) -> None:
    assert relived(BASE) == replay(parse_event_log(BASE, bank="sha256")).values


def test_a_log_of_locality_3_starts_pcr_0_there(relived: Callable[[bytes], dict[int, bytes]]) -> None:
    log = log_of((0, NO_ACTION, bytes(32), b"StartupLocality\0\x03"), (0, BLOB, sha256(b"a"), b""))
    assert relived(log) == INITIAL | {0: folded(bytes(31) + b"\x03", sha256(b"a"))}


def test_an_h_crtm_comes_before_startup(relived: Callable[[bytes], dict[int, bytes]]) -> None:
    log = log_of((0, HCRTM, sha256(b"HCRTM\0\xff"), b"HCRTM\0\xff"), (0, BLOB, sha256(b"a"), b""))
    assert relived(log) == INITIAL | {0: folded(bytes(31) + b"\x04", sha256(b"HCRTM\0\xff"), sha256(b"a"))}


def test_a_dynamic_launch_resets_its_pcrs_before_they_are_extended(
    relived: Callable[[bytes], dict[int, bytes]],
) -> None:
    log = log_of(
        (0, BLOB, sha256(b"a"), b""),
        (17, LAUNCH, sha256(b"launch"), b"launch"),
        (18, 0x501, sha256(b"b"), b""),
        (17, 0x501, sha256(b"c"), b""),
        (22, 0x501, sha256(b"d"), b""),
    )
    expected = {
        0: folded(bytes(32), sha256(b"a")),
        17: folded(bytes(32), sha256(b"launch"), sha256(b"c")),
        18: folded(bytes(32), sha256(b"b")),
        19: bytes(32),
        20: bytes(32),
        21: bytes(32),
        22: folded(bytes(32), sha256(b"d")),
    }
    assert relived(log) == INITIAL | expected


@pytest.mark.parametrize(
    "log",
    [
        log_of((0, NO_ACTION, bytes(32), b"StartupLocality\0\x04"), (0, BLOB, sha256(b"a"), b"")),
        log_of((0, NO_ACTION, bytes(32), b"StartupLocality\0\x07"), (0, BLOB, sha256(b"a"), b"")),
        log_of((0, HCRTM, sha256(b"of firmware"), b"HCRTM")),
        log_of((17, LAUNCH, sha256(b"of an ACM"), b"")),
        log_of((18, LAUNCH, sha256(b""), b"")),
    ],
    ids=["locality 4", "locality 7", "unknown H-CRTM", "unknown launch", "launch without PCR 17"],
)
def test_what_no_tpm_can_be_brought_to_is_refused_beforehand(log: bytes) -> None:
    with pytest.raises(InputError, match="cannot be relived"):
        relive.check(recorded.read(log, subject="log"), subject="log")
