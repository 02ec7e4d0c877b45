"""Amounts."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

HALVES = {"even": ROUND_HALF_EVEN, "up": ROUND_HALF_UP}


def cents(amount, half="even"):
    """Whole cents of an amount in cents that may be a fraction."""
    exact = Fraction(amount)
    # A quotient that never ends is cut far behind the half that decides.
    number = Decimal(exact.numerator) / Decimal(exact.denominator)
    return int(number.quantize(Decimal(1), rounding=HALVES[half]))
