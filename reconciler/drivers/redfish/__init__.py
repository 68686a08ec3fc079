"""The power port over Redfish: the adapter, and its connection with TLS, limits and a hard deadline.

Never: a BMC whose certificate nobody vouches for, a session left open on a BMC, or settings of this process's
environment (proxies, certificate bundles, netrc).
"""
