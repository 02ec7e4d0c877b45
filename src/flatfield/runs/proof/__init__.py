"""Proving tasks: oracle, controls and sabotages played on each, and what that tells of its checks."""
