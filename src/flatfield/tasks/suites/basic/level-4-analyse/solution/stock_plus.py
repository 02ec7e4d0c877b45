"""The stock of a small shop, kept in a CSV file."""

import csv
from collections import defaultdict
from pathlib import Path

LOW = 5


class Item:
    """One kind of thing on a shelf."""

    def __init__(self, name, price, count):
        if price < 0 or count < 0:
            raise ValueError(f"{name}: price and count must not be negative")
        self.name = name
        self.price = price
        self.count = count

    def value(self):
        """What all pieces of this item are worth together."""
        return self.price * self.count

    def is_low(self):
        """Whether it is time to order more."""
        return self.count < LOW


class Shelf:
    """Items in the order in which they were added."""

    def __init__(self):
        self.items = []

    def __len__(self):
        """How many items are on the shelf."""
        return len(self.items)

    def add(self, item):
        """Put an item at the end of the shelf."""
        self.items.append(item)

    def find(self, name):
        """The first item of that name, or None."""
        for item in self.items:
            if item.name == name:
                return item
        return None

    def remove(self, name):
        """Take the first item of that name off the shelf and return it."""
        item = self.find(name)
        if item is None:
            raise KeyError(name)
        self.items.remove(item)
        return item

    def total(self):
        """What all items on the shelf are worth."""
        return sum(item.value() for item in self.items)


def load(path):
    """Read a CSV file with the columns name, price and count."""
    shelf = Shelf()
    with Path(path).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            shelf.add(Item(row["name"], float(row["price"]), int(row["count"])))
    return shelf


def by_letter(shelf):
    """The items' names, grouped by their first letter in lower case."""
    groups = defaultdict(list)
    for item in shelf.items:
        groups[item.name[0].lower()].append(item.name)
    return dict(groups)


def to_order(shelf):
    """The names of the items that are low."""
    return [item.name for item in shelf.items if item.is_low()]


def cheapest(shelf):
    """The item with the lowest price, or None on an empty shelf."""
    return min(shelf.items, key=lambda item: item.price, default=None)


def worth_more_than(shelf, limit):
    """The names of the items whose value is above the limit, in the shelf's order."""
    return [item.name for item in shelf.items if item.value() > limit]
