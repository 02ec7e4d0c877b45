"""Deliveries."""

import csv
from decimal import Decimal, InvalidOperation
from pathlib import Path

from {{package}}.errors import Problem


def number(text, decimal="point"):
    """`1250.5`, or with a decimal comma `1.250,5`."""
    return Decimal(text.replace(".", "").replace(",", ".") if decimal == "comma" else text)


def read(path, units, decimal="point"):
    """`[(item, grams)]` of a file, all of it or a Problem."""
    found = []
    with Path(path).open() as file:
        for line, row in enumerate(csv.DictReader(file, delimiter=";"), 2):
            if row["unit"] not in units:
                raise Problem(f"{path} line {line}: there is no unit {row['unit']}")
            try:
                found.append((row["item"], int(number(row["quantity"], decimal) * units[row["unit"]])))
            except InvalidOperation:
                raise Problem(f"{path} line {line}: {row['quantity']} is not a number") from None
    return found
