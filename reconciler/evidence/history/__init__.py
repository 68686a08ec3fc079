"""What records add up to over time: who was where when, and proven how. Pure. Never: verdicts, files, git."""
