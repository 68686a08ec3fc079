"""What gets committed: statements, canonical bytes, envelopes, chains. Pure. Never: git, files."""
