"""Finds the invoice of each payment among those of its customer."""

from collections import defaultdict
from dataclasses import replace

from {{package}}.models import Booking, Result


def settle(invoices, payments):
    left = [replace(invoice) for invoice in invoices]
    mine = defaultdict(list)
    for invoice in left:
        mine[invoice.customer].append(invoice)
    bookings, credits = [], {}
    for payment in payments:
        found = [invoice for invoice in mine[payment.customer] if invoice.cents > 0]
        named = [i for i in found if payment.reference and i.number == payment.reference]
        equal = [i for i in found if i.cents == payment.cents]
        larger = [i for i in found if i.cents > payment.cents]
        invoice = next(iter(named), None)
        invoice = invoice or min(equal, key=lambda i: i.due, default=None)
        invoice = invoice or min(larger, key=lambda i: ({{sign}}i.cents, i.due), default=None)
        cents = min(invoice.cents, payment.cents) if invoice else 0
        if invoice:
            invoice.cents -= cents
            bookings.append(Booking(payment.day, invoice.number, cents))
        if payment.cents > cents:
            credits[payment.customer] = credits.get(payment.customer, 0) + payment.cents - cents
    return Result(bookings, [invoice for invoice in left if invoice.cents > 0], credits)
