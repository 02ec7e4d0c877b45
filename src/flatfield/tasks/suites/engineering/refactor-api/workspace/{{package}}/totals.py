"""How much goes where."""

from {{package}}.legacy import {{old}}


def totals(text):
    """Kilograms by town."""
    found = {}
    for town, weight in {{old}}(text, None):
        found[town] = found.get(town, 0) + weight
    return dict(sorted(found.items()))
