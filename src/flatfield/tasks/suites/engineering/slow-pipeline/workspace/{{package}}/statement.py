"""What each customer paid and owes."""

from {{package}}.models import Row


def statement(invoices, result):
    """A row for each customer, by name."""
    customers = sorted({invoice.customer for invoice in invoices} | set(result.credits))
    return [_row(customer, invoices, result) for customer in customers]


def _row(customer, invoices, result):
    numbers = [invoice.number for invoice in invoices if invoice.customer == customer]
    paid = sum(booking.cents for booking in result.bookings if booking.number in numbers)
    still = sum(invoice.cents for invoice in result.open if invoice.customer == customer)
    return Row(customer, paid, still, result.credits.get(customer, 0))
