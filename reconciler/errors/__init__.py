"""The taxonomy of failures, sorted by what the loop does next.

Here: exception classes and findings. Never: handling, printing, retrying.
"""
