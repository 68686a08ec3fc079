"""Adoption: what stands in the racks, written down as documents of the state repository.

Never: an actuation, a commit, or a document that is deleted.
"""
