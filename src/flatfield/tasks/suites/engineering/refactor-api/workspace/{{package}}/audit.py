"""Finds kinds that nobody knows."""

import {{package}}.legacy as source


def audit(text, known):
    """How many records are of none of the known kinds."""
    reader = source.{{old}}
    return len(reader(text, None)) - sum(len(reader(text, {{param_old}}=name)) for name in known)
