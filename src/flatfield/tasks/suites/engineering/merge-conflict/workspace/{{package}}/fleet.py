"""The boats and what a day with each costs, in cents."""

DAY_CENTS = {"{{boat}}": {{day}}, "{{second}}": {{other}}}


def fleet():
    """The boats in alphabetical order."""
    return sorted(DAY_CENTS)
