"""Every reason that a verdict can give: its code, what it means and what to do next.

The codes are stable; the documentation's pages are made from this table. Each code says
which claims of the trustworthiness vector it speaks against (AR4SI, 2.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Claim(StrEnum):
    """A part of the trustworthiness vector; the values are the names of its fields."""

    IDENTITY = "instance_identity"
    CONFIGURATION = "configuration"
    EXECUTABLES = "executables"
    HARDWARE = "hardware"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What one code means, the next step, and what it speaks against."""

    meaning: str
    hint: str
    claims: frozenset[Claim]


_EVERYTHING = frozenset(Claim)
_IDENTITY = frozenset({Claim.IDENTITY, Claim.HARDWARE})
_CONFIGURATION = frozenset({Claim.CONFIGURATION})
_EXECUTABLES = frozenset({Claim.EXECUTABLES})
_BOOT = frozenset({Claim.CONFIGURATION, Claim.EXECUTABLES})

_AGAIN = "nothing to do: the node is asked again with a new challenge"
_RELAY = "look for who else speaks in this node's airlock; the evidence was made for something else"
_VENDOR = "compare the machine's EK certificate with trust/ek-roots and the node's spec.tpm.endorsement"
_AGENT = "the agent and the attestation service must be of the same release; rebuild the image"
_BYTES = "the bytes were changed on the way, or not made by a TPM; read the recorded evidence"
_FIRMWARE = "look into the machine's firmware before it is cleared; a known change belongs into the policy"
_IMAGE = "compare with `ringfence image predict` of the assigned image; clear the node by a commit when it is explained"

CODES: Mapping[str, Code] = MappingProxyType(
    {
        name: Code(meaning=meaning, hint=hint, claims=claims)
        for name, claims, meaning, hint in (
            # The challenge that the evidence says it answers.
            ("NodeMismatch", _EVERYTHING, "the evidence is of another node", _RELAY),
            ("EnclaveMismatch", _EVERYTHING, "the evidence was made for another enclave", _RELAY),
            ("CommitMismatch", _EVERYTHING, "the evidence was made for another desired-state commit", _AGAIN),
            ("AttemptMismatch", _EVERYTHING, "the evidence belongs to another boot attempt", _AGAIN),
            ("NonceMalformed", _EVERYTHING, "the challenge's nonce is not 32 bytes", _AGENT),
            ("ChallengeExpired", _EVERYTHING, "the challenge was issued too long ago, or not yet", _AGAIN),
            # The endorsement: which TPM it is.
            ("EkCertificateMalformed", _IDENTITY, "the EK certificate cannot be parsed", _VENDOR),
            ("EkIssuerUnknown", _IDENTITY, "no trusted root issued the EK certificate", _VENDOR),
            ("EkSignatureInvalid", _IDENTITY, "the EK certificate is not signed by the issuer it names", _VENDOR),
            ("EkIssuerUnfit", _IDENTITY, "the EK certificate's issuer may not issue certificates", _VENDOR),
            ("EkCertificateExpired", _IDENTITY, "the EK certificate or its issuer's is outside its dates", _VENDOR),
            ("EkCertificateUsage", _IDENTITY, "the certificate is not one for an endorsement key", _VENDOR),
            ("EkCertificateExtension", _IDENTITY, "a critical extension of the certificate is not known", _VENDOR),
            ("EkKeyUnsupported", _IDENTITY, "the EK is neither RSA-2048 nor P-256", _VENDOR),
            ("EndorsementMismatch", _IDENTITY, "this is another TPM than the node's spec.tpm.endorsement", _VENDOR),
            # The attestation key, and that it lives in the same TPM as the endorsement key.
            ("AkMalformed", _IDENTITY, "the attestation key's public area cannot be parsed", _AGENT),
            ("AkAttributes", _IDENTITY, "the attestation key lacks an attribute that keeps it honest", _AGENT),
            ("AkAlgorithm", _IDENTITY, "the attestation key's algorithm or scheme is not accepted", _AGENT),
            ("CredentialMismatch", _IDENTITY, "the credential was not made for this attestation key", _RELAY),
            ("ActivationFailed", _IDENTITY, "the TPM did not open the credential made for its EK and AK", _RELAY),
            # The quote.
            ("QuoteMalformed", _EVERYTHING, "the quote or its signature cannot be parsed", _BYTES),
            ("QuoteNotByTpm", _EVERYTHING, "the quote's magic says that a TPM did not make it", _BYTES),
            ("NotAQuote", _EVERYTHING, "the attestation is of another kind than a quote", _BYTES),
            ("QuoteSignatureScheme", _EVERYTHING, "the signature's scheme is not the attestation key's", _BYTES),
            ("QuoteSignatureInvalid", _EVERYTHING, "the quote is not signed by the enrolled attestation key", _BYTES),
            ("QualifyingDataMismatch", _EVERYTHING, "the quote answers another challenge", _RELAY),
            ("PcrSelectionMismatch", _EVERYTHING, "the quote covers other PCRs than the policy asks for", _AGENT),
            ("PcrValueMalformed", _EVERYTHING, "a claimed PCR value is missing, too many or no digest", _AGENT),
            ("PcrDigestMismatch", _EVERYTHING, "the claimed PCR values are not the ones that were quoted", _BYTES),
            ("QualifiedSignerMismatch", _EVERYTHING, "the quote's signer does not live under the certified EK", _RELAY),
            # The clock: which boot it is.
            ("ClockNotSafe", _EVERYTHING, "the TPM does not vouch that its clock never ran backwards", _AGAIN),
            ("ClockFellBack", _EVERYTHING, "the TPM's counts or clock are not after those last accepted", _RELAY),
            (
                "NotRebooted",
                _EVERYTHING,
                "the machine was not reset since it was last accepted",
                "power cycle the node",
            ),
            (
                "BootLost",
                _EVERYTHING,
                "the machine was reset since it was admitted",
                "clear the node by a commit; it then joins anew",
            ),
            (
                "Resumed",
                _EVERYTHING,
                "the machine slept since it was admitted",
                "clear the node by a commit; it then joins anew",
            ),
            (
                "NoEarlierBoot",
                _EVERYTHING,
                "a member has no earlier accepted quote",
                "clear the node by a commit; it then joins anew",
            ),
            ("TpmFirmwareChanged", _EVERYTHING, "the TPM's firmware is not the one last accepted", _FIRMWARE),
            # The event log.
            ("EventLogMalformed", _BOOT, "the event log cannot be parsed", _BYTES),
            ("EventLogFormat", _BOOT, "the event log is not a crypto-agile one with the quoted bank", _FIRMWARE),
            ("LogMismatch", _BOOT, "the log does not replay to the quoted value", _BYTES),
            ("UnexplainedPcr", _BOOT, "a PCR was extended by something that the log does not name", _FIRMWARE),
            ("SeparatorMissing", _CONFIGURATION, "a PCR has no separator", _FIRMWARE),
            ("SeparatorRepeated", _CONFIGURATION, "a PCR has more than one separator", _FIRMWARE),
            (
                "SeparatorInvalid",
                _CONFIGURATION,
                "a separator says that the firmware failed, or nothing known",
                _FIRMWARE,
            ),
            ("UnknownEventType", _CONFIGURATION, "an event's type is not known in its PCR", _FIRMWARE),
            ("DigestNotOfData", _CONFIGURATION, "an event's digest is not that of its data", _BYTES),
            ("VariableMalformed", _CONFIGURATION, "a variable's event cannot be parsed", _FIRMWARE),
            ("VariableRepeated", _CONFIGURATION, "a Secure Boot variable is measured twice", _FIRMWARE),
            ("VariableAfterSeparator", _CONFIGURATION, "a Secure Boot variable is measured too late", _FIRMWARE),
            ("StartupLocalityInvalid", _CONFIGURATION, "the startup locality is misplaced or not one", _FIRMWARE),
            # What was booted, on what.
            ("MeasurementMismatch", _EXECUTABLES, "something else was booted than the image", _IMAGE),
            ("MeasurementMissing", _EXECUTABLES, "a part of the image was not measured", _IMAGE),
            ("MeasurementUnexpected", _EXECUTABLES, "something was measured that is not of the image", _IMAGE),
            ("SecureBootOff", _CONFIGURATION, "Secure Boot is off where the policy requires it", "switch it on"),
            ("SecureBootUnproven", _CONFIGURATION, "no verified event says whether Secure Boot is on", _FIRMWARE),
            ("FirmwareMismatch", _CONFIGURATION, "a firmware PCR has none of its profile's values", _FIRMWARE),
            ("FirmwareProfileUnknown", _CONFIGURATION, "the policy does not name the node's profile", _FIRMWARE),
            ("FirmwarePcrNotQuoted", _CONFIGURATION, "a profile's PCR is not among the policy's", "add it to pcrs"),
        )
    }
)
"""All codes, in the order in which the verifier looks for them."""
