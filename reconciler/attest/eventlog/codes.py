"""Reasons that speak against an event log, and what it shows to have been booted."""

from __future__ import annotations

from reconciler.attest.claims import BOOT, BYTES, CONFIGURATION, EXECUTABLES, FIRMWARE, IMAGE, table

CODES = table(
    # The event log.
    ("EventLogMalformed", BOOT, "the event log cannot be parsed", BYTES),
    ("EventLogFormat", BOOT, "the event log does not hold the quoted bank", FIRMWARE),
    ("LogMismatch", BOOT, "the log does not replay to the quoted value", BYTES),
    ("UnexplainedPcr", BOOT, "a PCR was extended by something that the log does not name", FIRMWARE),
    ("SeparatorMissing", CONFIGURATION, "a PCR has no separator", FIRMWARE),
    ("SeparatorRepeated", CONFIGURATION, "a PCR has more than one separator", FIRMWARE),
    (
        "SeparatorInvalid",
        CONFIGURATION,
        "a separator says that the firmware failed, or nothing known",
        FIRMWARE,
    ),
    ("SeparatorDisguised", CONFIGURATION, "a separator is passed off as another event", BYTES),
    ("UnknownEventType", CONFIGURATION, "an event's type is not known in its PCR", FIRMWARE),
    ("DigestNotOfData", CONFIGURATION, "an event's digest is not that of its data", BYTES),
    ("ActionUnknown", CONFIGURATION, "an action is not known in its PCR, or not a text", FIRMWARE),
    ("VariableMalformed", CONFIGURATION, "a variable's event cannot be parsed, or SecureBoot is no switch", FIRMWARE),
    ("VariableRepeated", CONFIGURATION, "a Secure Boot variable is measured twice", FIRMWARE),
    ("VariableAfterSeparator", CONFIGURATION, "a Secure Boot variable is measured too late", FIRMWARE),
    ("VariableMisplaced", CONFIGURATION, "a Secure Boot variable is measured as an authority", BYTES),
    ("StartupLocalityInvalid", CONFIGURATION, "the startup locality is misplaced or not one", FIRMWARE),
    # What was booted, on what.
    ("MeasurementMismatch", EXECUTABLES, "something else was booted than the image", IMAGE),
    ("MeasurementMissing", EXECUTABLES, "a part of the image was not measured", IMAGE),
    ("MeasurementUnexpected", EXECUTABLES, "something was measured that is not of the image", IMAGE),
)
