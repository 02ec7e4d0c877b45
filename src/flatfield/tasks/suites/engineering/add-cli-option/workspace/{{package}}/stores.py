"""The file of what lies in the stores."""

import csv
from collections import namedtuple

Line = namedtuple("Line", "good town {{quantity}}")


def read(path):
    """The lines of a file, in its order."""
    with open(path, newline="") as file:
        rows = csv.DictReader(file, delimiter=";")
        return [Line(row["good"], row["town"], int(row["{{quantity}}"])) for row in rows]
