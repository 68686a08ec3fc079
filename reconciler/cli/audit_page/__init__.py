"""The report of an audit: one HTML file that needs nothing else. Values in, text out. Never: git, clock, files."""
