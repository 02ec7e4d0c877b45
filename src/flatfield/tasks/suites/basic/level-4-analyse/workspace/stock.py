"""The stock of a small shop, kept in a CSV file."""

import csv
from collections import defaultdict
from pathlib import Path

LOW = 5


class Item:
    """One kind of thing on a shelf."""

    def __init__(self, name, price, count):
        self.name = name
        self.price = price
        self.count = count

    def value(self):
        return self.price * self.count

    def is_low(self):
        """Whether it is time to order more."""
        return self.count < LOW


class Shelf:
    def __init__(self):
        self.items = []

    def add(self, item):
        self.items.append(item)

    def find(self, name):
        for item in self.items:
            if item.name == name:
                return item
        return None

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
    groups = defaultdict(list)
    for item in shelf.items:
        groups[item.name[0].lower()].append(item.name)
    return dict(groups)


def to_order(shelf):
    return [item.name for item in shelf.items if item.is_low()]


def cheapest(shelf):
    """The item with the lowest price, or None on an empty shelf."""
    return min(shelf.items, key=lambda item: item.price, default=None)
