"""Desired and observed state and verdicts in, a Plan out. Pure. Never: acting, waiting, reading a clock."""
