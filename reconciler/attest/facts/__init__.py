"""What a replayed log proves, and whether that is what a policy asserts. Never: formats of logs, verdicts."""
