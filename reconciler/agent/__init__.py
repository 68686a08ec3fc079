"""The node's own program: it proves the node and receives its keys.

Never: verifier, planner, repository or custodian code; expected values; a shell.
"""
