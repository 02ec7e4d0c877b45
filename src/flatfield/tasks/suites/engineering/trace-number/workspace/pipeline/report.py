"""Sums by town."""


def by_town(orders):
    """Cents in EUR by town, in alphabetical order."""
    found = {}
    for order in orders:
        found[order["town"]] = found.get(order["town"], 0) + order["eur"]
    return dict(sorted(found.items()))
