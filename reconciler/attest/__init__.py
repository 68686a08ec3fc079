"""The verifier: evidence in, Accepted or Rejected out. Pure. Never: a clock, the network, TPM access."""
