"""Adapters to switches, BMCs, custodians and the spool, each behind a port.

Third-party exceptions end here. Never: policy, or a decision about what comes next.
"""
