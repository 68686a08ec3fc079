"""What the firmware says it measured: parsing, replay, grammar, facts. Never: what the operating system measures."""
