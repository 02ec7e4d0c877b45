"""Finds the invoice of each payment."""

from dataclasses import replace

from {{package}}.models import Booking, Result


def settle(invoices, payments):
    """The bookings of the payments, what stays open, and the customers' credits; README.md has the rules."""
    left = [replace(invoice) for invoice in invoices]
    bookings, credits = [], {}
    for payment in payments:
        invoice = _named(left, payment) or _equal(left, payment) or _larger(left, payment)
        cents = min(invoice.cents, payment.cents) if invoice else 0
        if invoice:
            invoice.cents -= cents
            bookings.append(Booking(payment.day, invoice.number, cents))
        if payment.cents > cents:
            credits[payment.customer] = credits.get(payment.customer, 0) + payment.cents - cents
    return Result(bookings, [invoice for invoice in left if invoice.cents > 0], credits)


def _named(left, payment):
    for invoice in _of(left, payment.customer):
        if payment.reference and invoice.number == payment.reference:
            return invoice
    return None


def _equal(left, payment):
    found = [invoice for invoice in _of(left, payment.customer) if invoice.cents == payment.cents]
    return min(found, key=lambda invoice: invoice.due, default=None)


def _larger(left, payment):
    found = [invoice for invoice in _of(left, payment.customer) if invoice.cents > payment.cents]
    return min(found, key=lambda invoice: ({{sign}}invoice.cents, invoice.due), default=None)


def _of(left, customer):
    return [invoice for invoice in left if invoice.customer == customer and invoice.cents > 0]
