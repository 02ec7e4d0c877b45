import pytest
from {{package}}.diary import Clash, Diary

OPENS, CLOSES = {{opens}}, {{closes}}
START, END = {{start}}, {{start}} + {{length}}


def diary():
    return Diary(OPENS, CLOSES)


def test_overlaps():
    for start, end in [
        (START, END),
        (START - 5, START + 5),
        (END - 5, END + 5),
        (START + 5, END - 5),
        (START - 5, END + 5),
    ]:
        booked = diary()
        booked.book("a", START, END)
        with pytest.raises(Clash):
            booked.book("b", start, end)


def test_what_touches():
    booked = diary()
    booked.book("a", START, END)
    booked.book("b", END, END + 10)
    booked.book("c", START - 10, START)
    assert [name for _, name, _, _ in booked.bookings()] == ["c", "a", "b"]
    assert booked.bookings()[0] == (3, "c", START - 10, START)
    assert all(start < end for start, end in booked.gaps())


def test_no_booking_of_no_time():
    for start, end in [(START, START), (END, START)]:
        with pytest.raises(ValueError):
            diary().book("a", start, end)


def test_the_day():
    for start, end in [(OPENS - 1, START), (START, CLOSES + 1)]:
        with pytest.raises(ValueError):
            diary().book("a", start, end)
    assert diary().book("a", OPENS, CLOSES) == 1


def test_cancelling_frees_the_time():
    booked = diary()
    booked.cancel(booked.book("a", START, END))
    assert booked.bookings() == []
    booked.book("b", START, END)


def test_cancelling_twice():
    booked = diary()
    number = booked.book("a", START, END)
    booked.cancel(number)
    for gone in (number, 99):
        with pytest.raises(KeyError):
            booked.cancel(gone)


def test_numbers():
    booked = diary()
    booked.cancel(booked.book("a", START, END))
    assert booked.book("b", START, END) == 2
    assert booked.book("c", END + 5, END + 10) == 3


def test_a_refusal():
    booked = diary()
    booked.book("a", START, END)
    with pytest.raises(Clash):
        booked.book("b", START, END + 1)
    assert booked.bookings() == [(1, "a", START, END)]
    assert booked.book("b", END + 5, END + 10) == 2


def test_gaps():
    booked = diary()
    assert booked.gaps() == [(OPENS, CLOSES)]
    booked.book("a", START, END)
    booked.book("b", END + 10, END + 15)
    assert booked.gaps() == [(OPENS, START), (END, END + 10), (END + 15, CLOSES)]


def test_busy():
    booked = diary()
    booked.book("a", START, END)
    booked.book("b", END + 10, END + 20)
    assert booked.busy(OPENS, CLOSES) == END - START + 10
    assert booked.busy(START + 5, END + 15) == END - START
    assert booked.busy(END, END + 10) == 0
    assert booked.busy(START + 1, START + 3) == 2
