"""Prices: the published list, the user's own, and what usage costs."""
