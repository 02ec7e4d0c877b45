"""The stages, one after the other."""

from {{package}}.clean import unique
from {{package}}.settle import settle
from {{package}}.statement import statement


def run(invoices, payments):
    """`(result, rows)` of a night."""
    result = settle(invoices, unique(payments))
    return result, statement(invoices, result)
