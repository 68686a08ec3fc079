"""Commands and their rendering; ``wiring`` is the only composition root. Never: decisions, hardware, trust."""
