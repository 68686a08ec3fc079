"""The loop, and the HTTP services that untrusted nodes talk to.

Never: verdicts of its own, key material in the services.
"""
