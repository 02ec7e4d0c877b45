"""The two CSV files."""

import csv
import io

from {{package}}.models import Invoice, Payment


def invoices(text):
    """Invoices of `number,customer,due,cents`."""
    return [Invoice(row["number"], row["customer"], row["due"], int(row["cents"])) for row in _rows(text)]


def payments(text):
    """Payments of `day,customer,cents,reference`; the reference may be empty."""
    return [Payment(row["day"], row["customer"], int(row["cents"]), row["reference"].strip()) for row in _rows(text)]


def _rows(text):
    return csv.DictReader(io.StringIO(text))
