"""Leaves out what the export holds twice."""


def dedupe(orders):
    """Each order once, the first that came."""
    found = {}
    for order in orders:
        found.setdefault({{dedupe}}, order)
    return list(found.values())
