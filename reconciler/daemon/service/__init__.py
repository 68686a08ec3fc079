"""The service process: images over HTTP and attestation over HTTPS, in every airlock and enclave network.

It talks to nodes and to the spool. Never: a key, a verdict, a switch or a BMC.
"""
