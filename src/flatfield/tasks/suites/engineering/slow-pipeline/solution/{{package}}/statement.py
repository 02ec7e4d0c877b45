"""What each customer paid and owes."""

from {{package}}.models import Row


def statement(invoices, result):
    """A row for each customer, by name."""
    customers = {invoice.customer for invoice in invoices} | set(result.credits)
    paid, still = dict.fromkeys(customers, 0), dict.fromkeys(customers, 0)
    owners = {invoice.number: invoice.customer for invoice in invoices}
    for booking in result.bookings:
        paid[owners[booking.number]] += booking.cents
    for invoice in result.open:
        still[invoice.customer] += invoice.cents
    return [Row(name, paid[name], still[name], result.credits.get(name, 0)) for name in sorted(customers)]
