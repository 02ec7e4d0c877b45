"""What customers pay."""

BULK_FROM = {{bulk}}
BULK_PERCENT = {{percent}}


def total_cents(unit_cents, quantity):
    """The price of `quantity` pieces, with the bulk discount."""
    if quantity < 0:
        raise ValueError("a quantity is not negative")
    total = unit_cents * quantity
    {{pricing_line}}
        total = total * (100 - BULK_PERCENT) // 100
    return total
