"""Rows are dictionaries."""


def find(rows, **what):
    """All rows that have these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in what.items())]


def first(rows, **what):
    """The first row that has these values; LookupError when none has."""
    found = find(rows, **what)
    if not found:
        raise LookupError(f"no row with {what}")
    return found[0]


def ordered(rows, key, missing="last"):
    """A new list, by the value of a key; rows without one come last, or first."""
    there = sorted((row for row in rows if row.get(key) is not None), key=lambda row: row[key])
    absent = [row for row in rows if row.get(key) is None]
    return absent + there if missing == "first" else there + absent


def chunks(items, size, rest="keep"):
    """Lists of `size` items; what is left over is the last, unless `rest` is "drop"."""
    items = list(items)
    found = [items[at : at + size] for at in range(0, len(items), size)]
    return found[:-1] if rest == "drop" and found and len(found[-1]) < size else found


def keyed(rows, key):
    """The rows by the value of a key."""
    found = {}
    for row in rows:
        if row[key] in found:
            raise ValueError(f"two rows have the {key} {row[key]!r}")
        found[row[key]] = row
    return found
