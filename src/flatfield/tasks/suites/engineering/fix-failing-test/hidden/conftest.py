"""Nothing counts until the README's three main examples hold: most of the tests pass before the bug is mended."""

import pytest
from {{package}}.ledger import stock_on
from {{package}}.moves import Move
from {{package}}.pricing import total_cents
from {{package}}.reorder import to_reorder


@pytest.fixture(autouse=True)
def the_bug_is_gone():
    assert stock_on([Move(4, "a", 9), Move(7, "a", -2)], "a", 7) == 7
    assert total_cents(1000, {{bulk}}) == 1000 * {{bulk}} * (100 - {{percent}}) // 100
    assert to_reorder({"a": 2, "b": 1}) == ["b", "a"]
