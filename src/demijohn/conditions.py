"""Conditional requests and ranges: RFC 9110 sections 8, 13 and 14."""
