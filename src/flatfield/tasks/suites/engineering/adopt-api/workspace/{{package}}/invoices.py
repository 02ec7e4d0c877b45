"""What a hire costs."""

from fractions import Fraction

from {{lib}} import duration, to_cents


def amount(time, cents_an_hour):
    """Whole cents for a time such as `{{h}}h{{m}}m`."""
    return to_cents(Fraction(duration(time) * cents_an_hour, 60))


def refund(time, cents_an_hour, percent):
    """What is given back of an amount, in cents: a negative number."""
    return to_cents(Fraction(-amount(time, cents_an_hour) * percent, 100))
