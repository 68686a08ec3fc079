"""Reasons that speak against what a log proves."""

from __future__ import annotations

from reconciler.attest.claims import BOOT, FIRMWARE, table

_SHOW = "read the log's facts with `ringfence inspect eventlog --facts`; a known change belongs into the policy"

CODES = table(
    ("FactMissing", BOOT, "no quoted event proves a fact that the policy asserts", _SHOW),
    (
        "FactUnverified",
        BOOT,
        "an event tells a fact but does not prove it: its digest is not of its data",
        _SHOW,
    ),
    ("FactAmbiguous", BOOT, "the log is not clear about a fact that the policy asserts", FIRMWARE),
    ("FactMismatch", BOOT, "a fact is another than the policy asserts", _SHOW),
)
