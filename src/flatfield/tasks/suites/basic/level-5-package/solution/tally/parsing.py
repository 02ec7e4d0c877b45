"""From text to entries."""

import re
from datetime import date

from tally.entry import Entry

_LINE = re.compile(r"[ \t]*(\S+)[ \t]+(\S+)[ \t]+(\S+)[ \t]*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_AMOUNT = re.compile(r"(-?)(\d+)(?:\.(\d{1,2}))?", re.ASCII)


def parse_line(line):
    """The entry on one line; ValueError when there is none."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"expected date, account and amount, got {line!r}")
    day, account, amount = found.groups()
    if not _DATE.fullmatch(day):
        raise ValueError(f"not a date: {day!r}")
    date.fromisoformat(day)
    match = _AMOUNT.fullmatch(amount)
    if match is None:
        raise ValueError(f"not an amount: {amount!r}")
    sign, whole, part = match.groups()
    cents = int(whole) * 100 + int((part or "").ljust(2, "0"))
    return Entry(date=day, account=account, cents=-cents if sign else cents)


def parse(text):
    """All entries of a text, in order."""
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        try:
            entries.append(parse_line(line))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return entries
