"""Bundles: the evidence of one node or enclave in one file that verifies alone. Pure. Never: git, files."""
