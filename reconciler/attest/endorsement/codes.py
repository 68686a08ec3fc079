"""Reasons that speak against an endorsement."""

from __future__ import annotations

from reconciler.attest.claims import IDENTITY, VENDOR, table

_LISTS = "put the maker's newest revocation list into trust/ek-crls, or remove the one that cannot be used"
_REVOKED = "ask the TPM's maker why; the node needs another TPM and a reviewed change of its spec.tpm.endorsement"

CODES = table(
    # The endorsement: which TPM it is.
    ("EkCertificateMalformed", IDENTITY, "the EK certificate cannot be parsed", VENDOR),
    ("EkIssuerUnknown", IDENTITY, "no trusted root issued the EK certificate", VENDOR),
    ("EkSignatureInvalid", IDENTITY, "the EK certificate or its issuer's is not signed by the issuer it names", VENDOR),
    (
        "EkSignatureAlgorithm",
        IDENTITY,
        "the EK certificate or its issuer's is signed in a way too weak to count",
        VENDOR,
    ),
    ("EkPathLimit", IDENTITY, "the way from the EK certificate to a root is too long or too winding", VENDOR),
    ("EkIssuerUnfit", IDENTITY, "the EK certificate's issuer may not issue certificates", VENDOR),
    ("EkCertificateExpired", IDENTITY, "the EK certificate or its issuer's is outside its dates", VENDOR),
    ("EkRevoked", IDENTITY, "the EK certificate or its issuer's was revoked", _REVOKED),
    ("EkCrlStale", IDENTITY, "the newest revocation list of an issuer is out of date", _LISTS),
    ("EkCrlInvalid", IDENTITY, "a revocation list in trust/ek-crls cannot be used", _LISTS),
    ("EkCertificateUsage", IDENTITY, "the certificate is not one for an endorsement key", VENDOR),
    ("EkCertificateExtension", IDENTITY, "a critical extension of the certificate is not understood", VENDOR),
    ("EkKeyUnsupported", IDENTITY, "the EK is of a kind of which no TCG template is known", VENDOR),
    ("EndorsementMismatch", IDENTITY, "this is another TPM than the node's spec.tpm.endorsement", VENDOR),
)
