from {{package}}.ledger import stock_of_all, stock_on
from {{package}}.moves import read_moves

MOVES = read_moves("""
3 {{first}} 40
5 {{second}} 12
{{day}} {{first}} -15
28 {{first}} 7
""")


def test_stock_at_the_end_of_a_day():
    assert stock_on(MOVES, "{{first}}", {{day}}) == 25


def test_stock_of_a_quiet_day():
    assert stock_on(MOVES, "{{first}}", 9) == 40


def test_all_items():
    assert stock_of_all(MOVES, 30) == {"{{first}}": 32, "{{second}}": 12}
