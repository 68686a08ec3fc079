"""Reasons that speak against a key, a quote or a clock."""

from __future__ import annotations

from reconciler.attest.claims import AGAIN, AGENT, BYTES, EVERYTHING, FIRMWARE, IDENTITY, RELAY, table

CODES = table(
    # The attestation key, and that it lives in the same TPM as the endorsement key.
    ("AkMalformed", IDENTITY, "the attestation key's public area cannot be parsed", AGENT),
    ("AkAttributes", IDENTITY, "the attestation key lacks an attribute that keeps it honest", AGENT),
    ("AkAlgorithm", IDENTITY, "the attestation key's algorithm or scheme is not accepted", AGENT),
    ("CredentialMismatch", IDENTITY, "the credential was not made for this attestation key", RELAY),
    ("ActivationFailed", IDENTITY, "the TPM did not open the credential made for its EK and AK", RELAY),
    # Where the attestation key comes from.
    ("CreationMalformed", IDENTITY, "the attestation of a key's creation cannot be parsed", BYTES),
    ("NotACreation", IDENTITY, "the attestation is not one that a TPM made of a creation", BYTES),
    (
        "CreationSignatureScheme",
        IDENTITY,
        "the creation is signed by another scheme than the key's, or a broken one",
        AGENT,
    ),
    ("CreationSignatureInvalid", IDENTITY, "the creation is not signed by the key that was made", BYTES),
    ("CreationNameMismatch", IDENTITY, "the creation of another key was attested", RELAY),
    ("CreationHashMismatch", IDENTITY, "the creation data are not those that were attested", BYTES),
    ("CreationParentMismatch", IDENTITY, "the key was made under another parent", RELAY),
    # The quote.
    ("QuoteMalformed", EVERYTHING, "the quote or its signature cannot be parsed", BYTES),
    ("QuoteNotByTpm", EVERYTHING, "the quote's magic says that a TPM did not make it", BYTES),
    ("NotAQuote", EVERYTHING, "the attestation is of another kind than a quote", BYTES),
    (
        "QuoteSignatureScheme",
        EVERYTHING,
        "the signature's scheme is not the attestation key's, or proves nothing",
        BYTES,
    ),
    ("QuoteSignatureInvalid", EVERYTHING, "the quote is not signed by the enrolled attestation key", BYTES),
    ("QualifyingDataMismatch", EVERYTHING, "the quote answers another challenge", RELAY),
    ("PcrSelectionMismatch", EVERYTHING, "the quote covers other PCRs than the policy asks for", AGENT),
    ("PcrValueMalformed", EVERYTHING, "a claimed PCR value is missing, too many or no digest", AGENT),
    ("PcrDigestMismatch", EVERYTHING, "the claimed PCR values are not the ones that were quoted", BYTES),
    ("QualifiedSignerMismatch", EVERYTHING, "the quote's signer does not live under the certified EK", RELAY),
    # The clock: which boot it is.
    ("ClockNotSafe", EVERYTHING, "the TPM does not vouch that its clock never ran backwards", AGAIN),
    ("ClockFellBack", EVERYTHING, "the TPM's counts or clock are not after those last accepted", RELAY),
    (
        "NotRebooted",
        EVERYTHING,
        "the machine was not reset since it was last accepted",
        "power cycle the node",
    ),
    (
        "BootLost",
        EVERYTHING,
        "the machine was reset since it was admitted",
        "clear the node by a commit; it then joins anew",
    ),
    (
        "Resumed",
        EVERYTHING,
        "the machine slept since it was admitted",
        "clear the node by a commit; it then joins anew",
    ),
    (
        "NoEarlierBoot",
        EVERYTHING,
        "a member has no earlier accepted quote",
        "clear the node by a commit; it then joins anew",
    ),
    ("TpmFirmwareChanged", EVERYTHING, "the TPM's firmware is not the one last accepted", FIRMWARE),
)
