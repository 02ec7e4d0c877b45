"""The refunds file of a day."""

from {{package}}.money import cents


def balance(text):
    """The sum of all refunds in cents."""
    return sum(cents(line.rsplit(maxsplit=1)[1]) for line in text.splitlines() if line.strip())
