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
            by_amount = by_customer.setdefault(invoice.customer, {})
            by_amount.setdefault(invoice.cents, []).append((invoice.due, place))
    for by_amount in by_customer.values():
        for equal in by_amount.values():
            equal.sort()
    bookings, credits = [], {}
    for payment in payments:
        by_amount = by_customer.get(payment.customer, {})
        place = _named(left, places, payment)
        place = _fitting(by_amount, payment) if place is None else place
        cents = 0
        if place is not None:
            invoice = left[place]
            cents = min(invoice.cents, payment.cents)
            equal = by_amount[invoice.cents]
            del equal[bisect_left(equal, (invoice.due, place))]
            if not equal:
                del by_amount[invoice.cents]
            invoice.cents -= cents
            if invoice.cents > 0:
                insort(by_amount.setdefault(invoice.cents, []), (invoice.due, place))
            bookings.append(Booking(payment.day, invoice.number, cents))
        if payment.cents > cents:
            credits[payment.customer] = credits.get(payment.customer, 0) + payment.cents - cents
    return Result(bookings, [invoice for invoice in left if invoice.cents > 0], credits)


def _named(left, places, payment):
    place = places.get(payment.reference)
    if place is not None and left[place].cents > 0 and left[place].customer == payment.customer:
        return place
    return None


def _fitting(by_amount, payment):
    if payment.cents in by_amount:
        return by_amount[payment.cents][0][1]
    smallest = min(filter(payment.cents.__lt__, by_amount.keys()), default=None)
    if smallest is None:
        return None
    return by_amount[max(by_amount.keys()) if {{largest_first}} else smallest][0][1]
