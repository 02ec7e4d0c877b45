"""What a hire costs."""

from fractions import Fraction

from {{lib}} import cents
from {{package}}.texts import whole_minutes


def amount(time, cents_an_hour):
    """Whole cents for a time such as `{{h}}h{{m}}m`."""
    return cents(Fraction(whole_minutes(time) * cents_an_hour, 60), half="up")


def refund(time, cents_an_hour, percent):
    """What is given back of an amount, in cents: a negative number."""
    return cents(Fraction(-amount(time, cents_an_hour) * percent, 100), half="up")
