"""Counts the work of a run: nothing else is measured until four times the rows take about four times as much.

The work is counted, not timed: lines that Python executes, comparisons of texts, and elements that the functions and the
methods of lists go through which would otherwise search or sort unseen.
"""

import builtins
import functools
import math
import sys

import pytest
from {{package}}.models import Invoice, Payment
from {{package}}.run import run

FEW, MANY = 120, 480
MOST = 1.7 * MANY / FEW  # with a logarithm it is 1.3 times as much; quadratic work is four times as much
SCANS = {"min": min, "max": max, "sum": sum, "sorted": sorted}
METHODS = {"index", "remove", "count", "sort", "copy", "reverse"}


class TooMuch(Exception):
    pass


class Work:
    def __init__(self, most=math.inf):
        self.done, self.most, self.over = 0, most, False

    def add(self, amount):
        self.done += amount
        if self.done > self.most and not self.over:
            self.over = True
            raise TooMuch

    def line(self, frame, event, argument):
        if event == "line":
            self.add(1)
        return self.line

    def call(self, frame, event, argument):
        if event == "c_call" and argument.__name__ in METHODS and isinstance(getattr(argument, "__self__", None), list):
            self.add(len(argument.__self__))

    def scan(self, function):
        @functools.wraps(function)
        def counted(*arguments, **options):
            if len(arguments) == 1 and hasattr(arguments[0], "__len__"):
                self.add(len(arguments[0]))
            elif len(arguments) == 1 or function in (sum, sorted):
                arguments = (self.each(arguments[0]), *arguments[1:])
            return function(*arguments, **options)

        return counted

    def each(self, items):
        """What a `map` or a `filter` goes through is not seen otherwise."""
        for item in items:
            self.add(1)
            yield item


def text(work):
    """A kind of str whose comparisons are counted."""

    class Text(str):
        __slots__ = ()

        def __eq__(self, other):
            work.add(1)
            return str.__eq__(self, other)

        def __lt__(self, other):
            work.add(1)
            return str.__lt__(self, other)

        __hash__ = str.__hash__

    return Text


def shapes(size, kind):
    """Invoices and payments by what they make a slow run slow with."""
    amounts = [1000 + 7 * (at * 37 % size) for at in range(size)]
    yield "one customer", (
        [Invoice(kind(f"N{at}"), kind("C"), kind("2031-01-01"), amounts[at]) for at in range(size)],
        [Payment(kind(f"D{at}"), kind("C"), amounts[at] - at % 3, kind("")) for at in range(size)],
    )
    yield "many customers", (
        [Invoice(kind(f"N{at}"), kind(f"C{at}"), kind("2031-01-01"), amounts[at]) for at in range(size)],
        [Payment(kind("D"), kind(f"C{at}"), amounts[at], kind("")) for at in range(size)],
    )
    yield "many references", (
        [Invoice(kind(f"N{at}"), kind("C"), kind("2031-01-01"), 1000) for at in range(size)],
        [Payment(kind("D"), kind("C"), 999, kind(f"N{size - 1 - at}")) for at in range(size)],
    )


def work(size, shape, most=math.inf):
    counted = Work(most)
    invoices, payments = dict(shapes(size, text(counted)))[shape]
    before = sys.gettrace(), sys.getprofile()
    for name, function in SCANS.items():
        setattr(builtins, name, counted.scan(function))
    sys.setprofile(counted.call)
    sys.settrace(counted.line)
    try:
        run(invoices, payments)
    except TooMuch:
        pass
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
        for name, function in SCANS.items():
            setattr(builtins, name, function)
    return counted


@functools.cache
def problem():
    """What still grows too fast; empty when nothing does."""
    for shape in ("one customer", "many customers", "many references"):
        if work(MANY, shape, most=MOST * work(FEW, shape).done).over:
            return f"{shape}: {MANY} rows take more than {MOST:.1f} times the work of {FEW} rows"
    return ""


@pytest.fixture(autouse=True)
def work_grows_with_the_rows():
    assert not problem(), problem()
