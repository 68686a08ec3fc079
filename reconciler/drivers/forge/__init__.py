"""Forges' HTTP interfaces behind ``ports.forge``. Never: git, and what a plan says."""
