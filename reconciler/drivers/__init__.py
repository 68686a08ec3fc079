"""Adapters to hardware, custodians and the spool, each behind a port. Never: policy; third-party exceptions end here."""
