"""The fairness manifest: what every agent really received, and what differs."""
