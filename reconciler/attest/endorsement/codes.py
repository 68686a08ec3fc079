"""Reasons that speak against an endorsement."""

from __future__ import annotations

from reconciler.attest.claims import IDENTITY, VENDOR, table

CODES = table(
    # The endorsement: which TPM it is.
    ("EkCertificateMalformed", IDENTITY, "the EK certificate cannot be parsed", VENDOR),
    ("EkIssuerUnknown", IDENTITY, "no trusted root issued the EK certificate", VENDOR),
    ("EkSignatureInvalid", IDENTITY, "the EK certificate is not signed by the issuer it names", VENDOR),
    ("EkIssuerUnfit", IDENTITY, "the EK certificate's issuer may not issue certificates", VENDOR),
    ("EkCertificateExpired", IDENTITY, "the EK certificate or its issuer's is outside its dates", VENDOR),
    ("EkCertificateUsage", IDENTITY, "the certificate is not one for an endorsement key", VENDOR),
    ("EkCertificateExtension", IDENTITY, "a critical extension of the certificate is not known", VENDOR),
    ("EkKeyUnsupported", IDENTITY, "the EK is neither RSA-2048 nor P-256", VENDOR),
    ("EndorsementMismatch", IDENTITY, "this is another TPM than the node's spec.tpm.endorsement", VENDOR),
)
