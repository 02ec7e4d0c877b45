import pytest
from pipeline.clean import amount, clean
from pipeline.convert import convert
from pipeline.dedupe import dedupe

ORDER = {"id": "A", "line": 1, "day": "2031-02-03", "town": "T", "currency": "X", "cents": 1000}


@pytest.mark.parametrize(
    "text, cents",
    [("0,05", 5), ("7,50", 750), ("999,99", 99999), ("1.000,00", 100000), ("1.234.567,89", 123456789), ("1.000.000.000,01", 100000000001)],
)
def test_amounts(text, cents):
    assert amount(text) == cents


def test_what_is_no_amount_is_left_out():
    assert [order["id"] for order in clean(["A;1;2031-02-03;T;X;1,00", "B;1;2031-02-03;T;X;none"])] == ["A"]


def test_an_order_is_its_id_and_line():
    orders = [ORDER, {**ORDER, "line": 2}, dict(ORDER), {**ORDER, "id": "B"}]
    assert [(order["id"], order["line"]) for order in dedupe(orders)] == [("A", 1), ("A", 2), ("B", 1)]


@pytest.mark.parametrize("day, eur", [("2031-01-31", 100), ("2031-02-03", 255), ("2031-03-01", 999)])
def test_rates_are_of_the_month(day, eur):
    rates = {("X", "2031-01"): 1000, ("X", "2031-02"): 2555, ("X", "2031-03"): 9999}
    assert convert([{**ORDER, "day": day}], rates)[0]["eur"] == eur


def test_the_data_are_as_they_were():
    with open("data/orders.csv") as file:
        assert "{{row}}" in file.read().splitlines()
