"""The power port over IPMI: the adapter, its pool of worker processes, and the worker.

Never: pyghmi in the reconciler's own process, or a password in an argument or variable.
"""
