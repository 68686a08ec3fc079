"""Measurements of throughput, run by hand or by make; never part of a test."""
