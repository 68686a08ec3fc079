"""Frozen values: the kinds of the state repository, phases, observations. Never: behaviour with side effects."""
