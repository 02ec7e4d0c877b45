"""Amounts of money: whole cents inside, euros outside."""


def cents(text):
    """`12.5` as 1250."""
    {{amount}}


def euros(amount):
    """1250 as `12.50`."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02d}"
