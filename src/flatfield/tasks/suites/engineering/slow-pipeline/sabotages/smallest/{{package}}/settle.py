"""Finds the invoice of each payment."""

from bisect import bisect_left, insort
from dataclasses import replace

from {{package}}.models import Booking, Result


def settle(invoices, payments):
    """The bookings of the payments, what stays open, and the customers' credits; README.md has the rules."""
    left = [replace(invoice) for invoice in invoices]
    places, by_customer = {}, {}
    for place, invoice in enumerate(left):
        if invoice.cents > 0:
            places[invoice.number] = place
            by_customer.setdefault(invoice.customer, []).append(_key(invoice, place))
    for keys in by_customer.values():
        keys.sort()
    bookings, credits = [], {}
    for payment in payments:
        keys = by_customer.get(payment.customer, [])
        place = _named(left, places, payment)
        place = _fitting(keys, payment) if place is None else place
        cents = 0
        if place is not None:
            invoice = left[place]
            cents = min(invoice.cents, payment.cents)
            del keys[bisect_left(keys, _key(invoice, place))]
            invoice.cents -= cents
            if invoice.cents > 0:
                insort(keys, _key(invoice, place))
            bookings.append(Booking(payment.day, invoice.number, cents))
        if payment.cents > cents:
            credits[payment.customer] = credits.get(payment.customer, 0) + payment.cents - cents
    return Result(bookings, [invoice for invoice in left if invoice.cents > 0], credits)


def _key(invoice, place):
    return (invoice.cents, invoice.due, place)


def _named(left, places, payment):
    place = places.get(payment.reference)
    if place is not None and left[place].cents > 0 and left[place].customer == payment.customer:
        return place
    return None


def _fitting(keys, payment):
    keys.sort()
    larger = keys[bisect_left(keys, (payment.cents,)) :]
    if not larger:
        return None
    if larger[0][0] != payment.cents and {{largest_first}}:
        return min(larger, key=lambda key: (-key[0], key))[2]
    return min(larger)[2]
