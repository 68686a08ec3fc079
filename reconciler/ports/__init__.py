"""Protocols to the outside, each a contract. Never: an implementation."""
