import copy
import itertools
import random

import pytest
from {{package}}.clean import unique
from {{package}}.models import Booking, Invoice, Payment, Result, Row
from {{package}}.run import run
from {{package}}.settle import settle
from {{package}}.statement import statement


SHAPES = {1: [9, 400], 3: [4, 40], 40: [3, 12]}
"""Numbers of customers, and how many amounts there are for each."""


def plainly(invoices, payments):
    """The rules of the README, word for word."""
    payments = [payment for at, payment in enumerate(payments) if payment not in payments[:at]]
    left, bookings, credits = copy.deepcopy(invoices), [], {}
    for payment in payments:
        mine = [i for i in left if i.customer == payment.customer and i.cents > 0]
        named = [i for i in mine if payment.reference and i.number == payment.reference]
        equal = sorted((i for i in mine if i.cents == payment.cents), key=lambda i: i.due)
        larger = sorted((i for i in mine if i.cents > payment.cents), key=lambda i: ({{sign}}i.cents, i.due))
        chosen = (named + equal + larger)[:1]
        rest = payment.cents
        for invoice in chosen:
            paid = min(invoice.cents, payment.cents)
            bookings.append(Booking(payment.day, invoice.number, paid))
            invoice.cents -= paid
            rest -= paid
        if rest:
            credits[payment.customer] = credits.get(payment.customer, 0) + rest
    result = Result(bookings, [i for i in left if i.cents > 0], credits)
    rows = []
    for name in sorted({i.customer for i in invoices} | set(credits)):
        numbers = {i.number for i in invoices if i.customer == name}
        paid = sum(b.cents for b in bookings if b.number in numbers)
        rows.append(Row(name, paid, sum(i.cents for i in result.open if i.customer == name), credits.get(name, 0)))
    return result, rows


def night(seed, customers, amounts, size=60):
    rng = random.Random(seed)
    days = [f"2031-0{rng.randint(1, 9)}-{rng.randint(10, 28)}" for _ in range(6)]
    names = [f"C{at}" for at in range(customers)]
    numbers = [f"N{at}" for at in rng.sample(range(1000), size)]
    invoices = [Invoice(number, rng.choice(names), rng.choice(days), rng.randint(0, amounts)) for number in numbers]
    payments = [
        Payment(rng.choice(days[:2]), rng.choice([*names, "stranger"]), rng.randint(1, amounts + 1), rng.choice(["", "", "N?", *numbers[:20]]))
        for _ in range(size)
    ]
    return invoices, payments


@pytest.mark.parametrize("customers", SHAPES)
def test_the_same_comes_out(customers):
    for amounts, seed in itertools.product(SHAPES[customers], range(12)):
        invoices, payments = night(seed, customers, amounts)
        result, rows = run(copy.deepcopy(invoices), copy.deepcopy(payments))
        wanted, wanted_rows = plainly(invoices, payments)
        assert result == wanted
        assert list(result.credits) == list(wanted.credits)
        assert rows == wanted_rows


def test_what_was_passed_in_is_not_changed():
    invoices, payments = night(99, 2, 20)
    before = copy.deepcopy((invoices, payments))
    booked = [(booking.number, booking.cents) for booking in settle(invoices, payments).bookings]
    assert (invoices, payments) == before
    assert booked == [(booking.number, booking.cents) for booking in plainly(invoices, list(payments))[0].bookings]


def test_nothing():
    assert run([], []) == (Result([], [], {}), [])


def test_each_stage():
    one, other = Payment("d", "c", 1, "x"), Payment("d", "c", 1)
    assert unique([one, other, Payment("d", "c", 1, "x"), other]) == [one, other]
    invoice = Invoice("N", "c", "d", 5)
    assert statement([invoice], Result([Booking("d", "N", 2)], [Invoice("N", "c", "d", 3)], {"z": 4})) == [
        Row("c", 2, 3, 0),
        Row("z", 0, 0, 4),
    ]
