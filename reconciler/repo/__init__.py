"""Git, YAML and the evidence branch. Never: hardware; only here is a commit called trusted."""
