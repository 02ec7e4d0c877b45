"""What goes from one stage to the next. Amounts are whole cents, dates YYYY-MM-DD."""

from dataclasses import dataclass


@dataclass
class Invoice:
    number: str
    customer: str
    due: str
    cents: int  # that are open


@dataclass
class Payment:
    day: str
    customer: str
    cents: int
    reference: str = ""


@dataclass
class Booking:
    day: str
    number: str
    cents: int


@dataclass
class Result:
    bookings: list
    open: list
    credits: dict


@dataclass
class Row:
    customer: str
    paid: int
    open: int
    credit: int
