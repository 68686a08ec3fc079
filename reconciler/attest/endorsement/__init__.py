"""Whose TPM it is: EK certificates, their chains, their revocation. Never: quotes, or what was booted."""
