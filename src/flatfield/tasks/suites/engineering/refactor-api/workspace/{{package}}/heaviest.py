"""The heaviest record."""

from {{package}} import legacy


def heaviest(text, only=None):
    """(town, kilograms) of the heaviest record of a kind; None when there is none."""
    return max(legacy.{{old}}(text, {{param_old}}=only), key=lambda pair: pair[1], default=None)
