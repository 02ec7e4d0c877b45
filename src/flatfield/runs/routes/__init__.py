"""Agents that choose among agents: cascades, which try the cheaper ones first."""
