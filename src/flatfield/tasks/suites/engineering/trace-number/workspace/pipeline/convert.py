"""Cents of all currencies to cents in EUR."""


def read_rates(text):
    """Ten-thousandths of a EUR by currency and month."""
    rows = [line.split(",") for line in text.splitlines()[1:]]
    return {(currency, month): int(rate) for currency, month, rate in rows}


def convert(orders, rates):
    """The orders with `eur`: what each comes to."""
    first_month = min(month for _, month in rates)
    found = []
    for order in orders:
        rate = {{convert}}
        found.append({**order, "eur": order["cents"] * rate // 10000, "since": first_month})
    return found
