import pytest
from {{package}}.pricing import total_cents


def test_a_small_order():
    assert total_cents({{price}}, 2) == {{price}} * 2


def test_the_smallest_bulk_order():
    assert total_cents({{price}}, {{bulk}}) == {{price}} * {{bulk}} * (100 - {{percent}}) // 100


def test_a_large_order():
    assert total_cents({{price}}, 500) == {{price}} * 500 * (100 - {{percent}}) // 100


def test_no_negative_orders():
    with pytest.raises(ValueError):
        total_cents({{price}}, -1)
