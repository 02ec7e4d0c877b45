"""From entries to totals."""


def totals(entries):
    """Cents by account."""
    sums = {}
    for entry in entries:
        sums[entry.account] = sums.get(entry.account, 0) + entry.cents
    return sums


def render(entries):
    """One line for each account, sorted by name."""
    return "\n".join(f"{account} {_amount(cents)}" for account, cents in sorted(totals(entries).items()))


def _amount(cents):
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
