"""One line of a ledger, as a value."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """What was spent on a day; `date` is YYYY-MM-DD."""

    date: str
    account: str
    cents: int
