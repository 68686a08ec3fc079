"""Object identifiers as text, and the names of those that are met in TPMs' certificates.

Source: RFC 5280, 4.2; RFC 4055; RFC 5758; TCG EK Credential Profile 2.5 (the arc 2.23.133).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SUBJECT_DIRECTORY_ATTRIBUTES, SUBJECT_KEY_ID, KEY_USAGE, SUBJECT_ALT_NAME = (
    "2.5.29.9",
    "2.5.29.14",
    "2.5.29.15",
    "2.5.29.17",
)
BASIC_CONSTRAINTS, CRL_NUMBER, REASON_CODE, INVALIDITY_DATE = "2.5.29.19", "2.5.29.20", "2.5.29.21", "2.5.29.24"
ISSUING_DISTRIBUTION_POINT, CRL_DISTRIBUTION_POINTS, CERTIFICATE_POLICIES = "2.5.29.28", "2.5.29.31", "2.5.29.32"
AUTHORITY_KEY_ID, EXTENDED_KEY_USAGE = "2.5.29.35", "2.5.29.37"
EK_CERTIFICATE, ANY_USAGE = "2.23.133.8.1", "2.5.29.37.0"
TPM_MANUFACTURER, TPM_MODEL, TPM_VERSION = "2.23.133.2.1", "2.23.133.2.2", "2.23.133.2.3"
TPM_SPECIFICATION = "2.23.133.2.16"
RSA_PSS, MGF1 = "1.2.840.113549.1.1.10", "1.2.840.113549.1.1.8"

NAMES: Mapping[str, str] = MappingProxyType(
    {
        SUBJECT_DIRECTORY_ATTRIBUTES: "subjectDirectoryAttributes",
        SUBJECT_KEY_ID: "subjectKeyIdentifier",
        KEY_USAGE: "keyUsage",
        SUBJECT_ALT_NAME: "subjectAltName",
        "2.5.29.18": "issuerAltName",
        BASIC_CONSTRAINTS: "basicConstraints",
        "2.5.29.30": "nameConstraints",
        CRL_DISTRIBUTION_POINTS: "cRLDistributionPoints",
        CERTIFICATE_POLICIES: "certificatePolicies",
        "2.5.29.33": "policyMappings",
        AUTHORITY_KEY_ID: "authorityKeyIdentifier",
        "2.5.29.36": "policyConstraints",
        EXTENDED_KEY_USAGE: "extKeyUsage",
        "2.5.29.46": "freshestCRL",
        "2.5.29.54": "inhibitAnyPolicy",
        "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
        "1.2.840.113549.1.1.2": "md2WithRSAEncryption",
        "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
        RSA_PSS: "RSASSA-PSS",
        "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.14": "sha224WithRSAEncryption",
        "1.2.840.10045.4.1": "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.1": "ecdsa-with-SHA224",
        "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
        TPM_MANUFACTURER: "tpmManufacturer",
        TPM_MODEL: "tpmModel",
        TPM_VERSION: "tpmVersion",
    }
)
"""What the identifiers are called in the documents that define them."""

_MAX_OCTETS = 64
_SECOND_ARCS = 40


def dotted(content: bytes) -> str:
    """Return an OBJECT IDENTIFIER's content as ``1.2.3``, or as ``#`` and hexadecimal digits if it is none."""
    arcs, value = [], 0
    if not content or len(content) > _MAX_OCTETS or content[-1] & 0x80:
        return f"#{content[:_MAX_OCTETS].hex()}"
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // _SECOND_ARCS, 2)
    return ".".join(map(str, [first, arcs[0] - _SECOND_ARCS * first, *arcs[1:]]))


def name_of(identifier: str) -> str:
    """Return what the dotted ``identifier`` is called, or itself."""
    return NAMES.get(identifier, identifier)
