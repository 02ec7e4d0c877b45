"""Leaves out what the bank's export holds more than once."""


def unique(payments):
    """The payments without those that are like an earlier one."""
    found = []
    for payment in payments:
        if payment not in found:
            found.append(payment)
    return found
