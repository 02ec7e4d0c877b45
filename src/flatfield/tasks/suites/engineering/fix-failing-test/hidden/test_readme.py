"""The rules of the README."""

import pytest
from {{package}}.ledger import stock_on
from {{package}}.moves import Move
from {{package}}.pricing import total_cents
from {{package}}.reorder import to_reorder


@pytest.mark.parametrize("day, left", [(3, 0), (4, 9), (6, 9), (7, 7), (31, 7)])
def test_stock(day, left):
    assert stock_on([Move(4, "a", 9), Move(7, "a", -2), Move(5, "b", 1)], "a", day) == left


@pytest.mark.parametrize("unit", [1, 99, 1001])
@pytest.mark.parametrize("quantity", [0, {{bulk}} - 1, {{bulk}}, {{bulk}} + 1])
def test_prices(unit, quantity):
    whole = unit * quantity
    assert total_cents(unit, quantity) == (whole * (100 - {{percent}}) // 100 if quantity >= {{bulk}} else whole)


def test_order_of_reorders():
    assert to_reorder({"c": 1, "b": 1, "a": 2, "d": 0, "e": {{low}}}) == ["d", "b", "c", "a"]
