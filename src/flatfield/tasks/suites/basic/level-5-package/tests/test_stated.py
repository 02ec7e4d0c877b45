"""The tests that are stated to whoever builds the package."""

import pytest
import tally
from tally.entry import Entry
from tally.parsing import parse, parse_line
from tally.summary import render, totals

TEXT = """\
# March
2026-03-01 food 12.50

2026-03-02 rent 800
2026-03-02 food -2.05
"""


def test_the_package_offers_its_names():
    assert (tally.Entry, tally.parse, tally.totals, tally.render) == (Entry, parse, totals, render)


def test_a_line_is_an_entry():
    assert parse_line("2026-03-01 food 12.50") == Entry(date="2026-03-01", account="food", cents=1250)


def test_a_text_is_a_list_of_entries():
    assert [entry.cents for entry in parse(TEXT)] == [1250, 80000, -205]


def test_a_bad_line_is_named():
    with pytest.raises(ValueError, match="line 2"):
        parse("2026-03-01 food 1\n2026-03-01 food\n")


def test_totals():
    assert totals(parse(TEXT)) == {"food": 1045, "rent": 80000}


def test_render():
    assert render(parse(TEXT)) == "food 10.45\nrent 800.00"
