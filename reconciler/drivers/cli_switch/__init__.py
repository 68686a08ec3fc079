"""The isolation port over a switch's command line: profiles of platforms, the session, and the adapter.

Never: a vendor's name in code. What is particular to a platform is words and patterns in ``platforms``.
"""
