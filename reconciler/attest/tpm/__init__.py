"""What a TPM says of itself: public areas, names, quotes, clocks, credentials. Never: what PCR values mean."""
