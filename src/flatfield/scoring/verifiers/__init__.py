"""Deterministic checks of a trial, one file each, found by their name."""
