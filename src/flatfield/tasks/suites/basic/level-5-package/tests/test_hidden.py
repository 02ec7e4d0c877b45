import subprocess
import sys

import pytest
import tally
from tally.entry import Entry
from tally.parsing import parse, parse_line
from tally.summary import render, totals


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tally", *map(str, arguments)], capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.parametrize(
    ("amount", "cents"),
    [("0", 0), ("7", 700), ("7.5", 750), ("0.07", 7), ("-0.05", -5), ("-3", -300), ("1234567.89", 123456789), ("0.29", 29), ("90071992547409.93", 9007199254740993)],
)
def test_amounts(amount, cents):
    assert parse_line(f"2026-01-31 misc {amount}").cents == cents


@pytest.mark.parametrize("amount", [
        *["1.234", "1.", ".5", "1,50", "twelve", "+1", "--1", "1e3", "", "-", "1.-5", "1.+5", "NaN", "Infinity"],
        *["1_0", "1._5", "0x1", "\u0661", "1.\u0665", "\uff11", "\u00b2", "1.\u00b2"],
    ])
def test_bad_amounts(amount):
    with pytest.raises(ValueError):
        parse_line(f"2026-01-31 misc {amount}")


@pytest.mark.parametrize(
    "line",
    [
        *["2026-02-30 food 1", "01.02.2026 food 1", "20260201 food 1", "2026-02-01 food 1 extra", "2026-2-1 food 1"],
        *["2026-W05-7 food 1", "2_26-02-01 food 1", "\u0662\u0660\u0662\u0666-02-01 food 1", "2026-02-0\u0661 food 1", ""],
    ],
)
def test_bad_lines(line):
    with pytest.raises(ValueError):
        parse_line(line)


def test_fields_may_be_apart():
    assert parse_line("  2026-01-31   food \t 1  ") == Entry(date="2026-01-31", account="food", cents=100)


def test_other_white_space_is_neither_between_nor_within_nor_around():
    for space in ("\u00a0", "\f", "\v", "\u2003", "\x1f"):
        for line in ("2026-01-31{}food 1", "2026-01-31 fo{}od 1", "{}2026-01-31 food 1", "2026-01-31 food 1{}", "2026-01-31 {} food 1"):
            with pytest.raises(ValueError):
                parse_line(line.format(space))


def test_nothing_but_a_newline_ends_a_line():
    for other in ("\u2028", "\f", "\x85"):
        assert len(list(parse(f"# a{other}b\n2026-01-31 food 1"))) == 1
        with pytest.raises(ValueError, match="line 2"):
            parse(f"# a{other}b\n2026-01-31 food\n")


def test_entries_are_values():
    entry = Entry(date="2026-01-31", account="food", cents=100)
    assert entry == Entry(date="2026-01-31", account="food", cents=100)
    for other in ({"date": "2026-01-30"}, {"account": "Food"}, {"cents": 101}):
        assert entry != Entry(**{"date": "2026-01-31", "account": "food", "cents": 100, **other})
    with pytest.raises(AttributeError):
        entry.cents = 1


def test_comments_and_blank_lines_are_skipped():
    assert list(parse("\n  # note\n \t\n")) == []


def test_line_numbers_count_every_line():
    with pytest.raises(ValueError, match="line 5"):
        parse("\n# two\n\n2026-01-31 food 1\n2026-01-31 food x\n")


def test_totals_of_nothing():
    assert dict(totals([])) == {}
    assert render([]) == ""


def test_render_is_sorted_and_exact():
    entries = [Entry(date="2026-01-01", account=name, cents=cents) for name, cents in [("b", -5), ("a", 7), ("b", -100)]]
    assert render(entries) == "a 0.07\nb -1.05"


def test_render_keeps_signs_and_zeros():
    entries = [Entry(date="2026-01-01", account=name, cents=cents) for name, cents in [("d", 5), ("d", -5), ("c", -5), ("e", 0)]]
    assert render(entries) == "c -0.05\nd 0.00\ne 0.00"
    assert render([Entry(date="2026-01-01", account="f", cents=9007199254740993)]) == "f 90071992547409.93"


def test_the_package_says_what_it_offers():
    assert sorted(tally.__all__) == ["Entry", "parse", "render", "totals"]


def test_the_command_prints_the_table(tmp_path):
    path = tmp_path / "march.txt"
    path.write_text("2026-03-01 food 12.50\n2026-03-02 rent 800\n", encoding="utf-8")
    done = run(path)
    assert (done.returncode, done.stdout) == (0, "food 12.50\nrent 800.00\n")
    path.write_text("# nothing yet\n", encoding="utf-8")
    done = run(path)
    assert (done.returncode, done.stdout) == (0, "\n")


def test_the_command_reports_a_bad_line(tmp_path):
    path = tmp_path / "march.txt"
    for number, before in ((1, ""), (3, "# M\u00e4rz\n2026-03-01 food 12.50\n")):
        path.write_text(f"{before}2026-03-01 food\n", encoding="utf-8")
        done = run(path)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"line {number}" in done.stderr
        assert "Traceback" not in done.stderr
