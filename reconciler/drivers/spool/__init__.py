"""The desk that the service process and the reconciler share: one SQLite file, two sides.

``boot`` and ``desk`` are the reconciler's side (ports), ``front`` is the service's.
Never: a verdict, a key in the clear, a long transaction.
"""
