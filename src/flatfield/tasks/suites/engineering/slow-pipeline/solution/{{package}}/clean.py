"""Leaves out what the bank's export holds more than once."""


def unique(payments):
    """The payments without those that are like an earlier one."""
    found, seen = [], set()
    for payment in payments:
        key = (payment.day, payment.customer, payment.cents, payment.reference)
        if key not in seen:
            seen.add(key)
            found.append(payment)
    return found
