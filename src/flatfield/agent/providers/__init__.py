"""Vendor APIs, one file each, found by their name."""
