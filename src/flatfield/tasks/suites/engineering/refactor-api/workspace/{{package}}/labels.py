"""Labels for the parcels of a file."""

from {{package}}.legacy import stamp


def labels(count, first=1):
    """`count` labels, numbered from `first`."""
    return [stamp(number) for number in range(first, first + count)]
