"""The two key templates that the agent hands to its TPM.

Rules: the endorsement key's template is the TCG's own (low range, RSA-2048), so that
the TPM derives the key its certificate names; the attestation key may sign nothing
but what the TPM itself made.

Source: TCG EK Credential Profile 2.5, B.3.3 (template L-1); TPM 2.0 Part 2, 8.3.
"""

from __future__ import annotations

from tpm2_pytss import (
    TPM2_ALG,
    TPM2_ECC,
    TPM2B_DIGEST,
    TPM2B_ECC_PARAMETER,
    TPM2B_PUBLIC,
    TPM2B_PUBLIC_KEY_RSA,
    TPMA_OBJECT,
    TPMS_ECC_PARMS,
    TPMS_ECC_POINT,
    TPMS_RSA_PARMS,
    TPMT_ECC_SCHEME,
    TPMT_KDF_SCHEME,
    TPMT_PUBLIC,
    TPMT_RSA_SCHEME,
    TPMT_SYM_DEF_OBJECT,
    TPMU_ASYM_SCHEME,
    TPMU_PUBLIC_ID,
    TPMU_PUBLIC_PARMS,
    TPMU_SYM_KEY_BITS,
    TPMU_SYM_MODE,
)

# PolicySecret(TPM_RH_ENDORSEMENT), the policy of every low-range EK template.
_EK_POLICY = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
_AK_ATTRIBUTES = (
    TPMA_OBJECT.FIXEDTPM
    | TPMA_OBJECT.FIXEDPARENT
    | TPMA_OBJECT.SENSITIVEDATAORIGIN
    | TPMA_OBJECT.USERWITHAUTH
    | TPMA_OBJECT.NODA
    | TPMA_OBJECT.RESTRICTED
    | TPMA_OBJECT.SIGN_ENCRYPT
)


def attestation_key_template() -> TPM2B_PUBLIC:
    """Return a restricted ECDSA P-256 signing key, free of dictionary-attack protection."""
    scheme = TPMT_ECC_SCHEME(scheme=TPM2_ALG.ECDSA, details=TPMU_ASYM_SCHEME())
    scheme.details.ecdsa.hashAlg = TPM2_ALG.SHA256
    parameters = TPMS_ECC_PARMS(
        symmetric=TPMT_SYM_DEF_OBJECT(algorithm=TPM2_ALG.NULL),
        scheme=scheme,
        curveID=TPM2_ECC.NIST_P256,
        kdf=TPMT_KDF_SCHEME(scheme=TPM2_ALG.NULL),
    )
    point = TPMS_ECC_POINT(x=TPM2B_ECC_PARAMETER(b""), y=TPM2B_ECC_PARAMETER(b""))
    return TPM2B_PUBLIC(
        publicArea=TPMT_PUBLIC(
            type=TPM2_ALG.ECC,
            nameAlg=TPM2_ALG.SHA256,
            objectAttributes=_AK_ATTRIBUTES,
            authPolicy=TPM2B_DIGEST(b""),
            parameters=TPMU_PUBLIC_PARMS(eccDetail=parameters),
            unique=TPMU_PUBLIC_ID(ecc=point),
        )
    )


def endorsement_key_template() -> TPM2B_PUBLIC:
    """Return the TCG's RSA-2048 endorsement key."""
    symmetric = TPMT_SYM_DEF_OBJECT(
        algorithm=TPM2_ALG.AES, keyBits=TPMU_SYM_KEY_BITS(aes=128), mode=TPMU_SYM_MODE(aes=TPM2_ALG.CFB)
    )
    parameters = TPMS_RSA_PARMS(
        symmetric=symmetric, scheme=TPMT_RSA_SCHEME(scheme=TPM2_ALG.NULL), keyBits=2048, exponent=0
    )
    attributes = (
        TPMA_OBJECT.FIXEDTPM
        | TPMA_OBJECT.FIXEDPARENT
        | TPMA_OBJECT.SENSITIVEDATAORIGIN
        | TPMA_OBJECT.ADMINWITHPOLICY
        | TPMA_OBJECT.RESTRICTED
        | TPMA_OBJECT.DECRYPT
    )
    return TPM2B_PUBLIC(
        publicArea=TPMT_PUBLIC(
            type=TPM2_ALG.RSA,
            nameAlg=TPM2_ALG.SHA256,
            objectAttributes=attributes,
            authPolicy=TPM2B_DIGEST(_EK_POLICY),
            parameters=TPMU_PUBLIC_PARMS(rsaDetail=parameters),
            unique=TPMU_PUBLIC_ID(rsa=TPM2B_PUBLIC_KEY_RSA(bytes(256))),
        )
    )
