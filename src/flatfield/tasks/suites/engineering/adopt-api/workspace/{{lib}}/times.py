"""Dates."""

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class Period:
    """The days from one on to another one, which is not in it."""

    first: date
    end: date

    def __post_init__(self):
        if self.end < self.first:
            raise ValueError(f"{self.end} is before {self.first}")

    def days(self):
        return [self.first + timedelta(days=at) for at in range((self.end - self.first).days)]
