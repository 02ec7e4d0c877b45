"""The stages, one after the other."""

from pipeline.clean import clean
from pipeline.convert import convert, read_rates
from pipeline.dedupe import dedupe


def orders(folder):
    """All orders of a folder, with what they come to in cents."""
    rows = (folder / "orders.csv").read_text().splitlines()[1:]
    rates = read_rates((folder / "rates.csv").read_text())
    return convert(dedupe(clean(rows)), rates)
