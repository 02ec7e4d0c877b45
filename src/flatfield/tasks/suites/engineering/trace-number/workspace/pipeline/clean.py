"""Rows of text to orders."""

import sys
from decimal import Decimal, InvalidOperation


def amount(text):
    """`1.234,50` as 123450 cents."""
    return int(Decimal({{clean}}) * 100)


def clean(rows):
    """The orders of all rows with an amount."""
    found, left_out = [], 0
    for row in rows:
        number, line, day, town, currency, text = row.split(";")
        try:
            cents = amount(text)
        except InvalidOperation:
            left_out += 1
            continue
        found.append(
            {"id": number, "line": int(line), "day": day, "town": town, "currency": currency, "cents": cents}
        )
    print(f"{left_out} rows left out", file=sys.stderr)
    return found
