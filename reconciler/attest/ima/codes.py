"""Reasons that speak against an IMA log, and against what it shows to have been measured."""

from __future__ import annotations

from reconciler.attest.claims import AGAIN, BYTES, EXECUTABLES, table

_FILE = "find out where the file is from; one that belongs there goes into the policy's ima section"
_POLICY = "change the policy's ima section, or its pcrs"
_KERNEL = (
    "use a kernel from 5.8 on, whose log shows what it extended; see the policy's ima section for what can be waived"
)

CODES = table(
    # The log as a whole.
    ("ImaPolicyEmpty", EXECUTABLES, "the policy's ima section allows nothing", _POLICY),
    ("ImaMalformed", EXECUTABLES, "the IMA log, or an entry in it, cannot be parsed", BYTES),
    ("ImaBankUnsupported", EXECUTABLES, "an IMA log cannot be replayed in the quoted bank", _POLICY),
    ("ImaPcrNotQuoted", EXECUTABLES, "a PCR that IMA measures into is not quoted", _POLICY),
    ("ImaPrefixChanged", EXECUTABLES, "the IMA log's beginning is not the one appraised before", BYTES),
    ("ImaStateStale", EXECUTABLES, "a part of an IMA log does not continue an appraisal under this policy", AGAIN),
    ("ImaReplayMismatch", EXECUTABLES, "no prefix of the IMA log replays to the quoted value", BYTES),
    ("ImaWeakTemplates", EXECUTABLES, "the kernel extends padded SHA-1 instead of the bank's own hash", _KERNEL),
    ("BootAggregateMissing", EXECUTABLES, "the IMA log does not begin with the boot aggregate", _KERNEL),
    ("BootAggregateUnproven", EXECUTABLES, "the quote lacks PCRs that the boot aggregate was made of", _POLICY),
    ("BootAggregateMismatch", EXECUTABLES, "the boot aggregate is not that of the quoted PCRs", BYTES),
    # What was measured, entry by entry.
    ("ImaViolation", EXECUTABLES, "a file was changed while it was measured", _FILE),
    ("ImaTemplateUnknown", EXECUTABLES, "an entry has a template that cannot be judged", _KERNEL),
    ("ImaUnknownFile", EXECUTABLES, "a file was measured that the policy does not name", _FILE),
    ("ImaDigestMismatch", EXECUTABLES, "a file has none of the digests that the policy names", _FILE),
    ("ImaDigestWeak", EXECUTABLES, "only SHA-1 speaks for a file", _FILE),
    ("ImaSignatureInvalid", EXECUTABLES, "a file's signature does not hold", _FILE),
    ("ImaSignatureUnsupported", EXECUTABLES, "a file's signature is of a kind that cannot be checked", _FILE),
    ("ImaKeyUnknown", EXECUTABLES, "a file is signed by a key that the policy does not name", _FILE),
    ("ImaUnknownBuffer", EXECUTABLES, "a buffer was measured that the policy does not allow", _FILE),
    ("ImaMoreReasons", EXECUTABLES, "there are more entries than could be listed", _FILE),
)
