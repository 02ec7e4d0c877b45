"""Deliveries into stock."""
