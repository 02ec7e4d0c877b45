"""Who hires."""

from {{lib}} import find

WALK_IN = {"id": None, "name": "walk-in", "percent": 0}


def customer(customers, number):
    """The customer of a number; the walk-in where there is none."""
    return next(iter(find(customers, id=number)), WALK_IN)


def is_known(customers, name):
    """Whether there is a customer of this name."""
    return bool(find(customers, name=name))
