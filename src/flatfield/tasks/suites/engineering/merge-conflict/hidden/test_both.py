import pytest
from {{package}}.cli import main
from {{package}}.rates import cost

DEPOSIT = {{deposit}}


def hire(day, days):
    whole = day * days
    return whole * (100 - {{percent}}) // 100 if days >= {{week}} else whole


@pytest.mark.parametrize("days", [1, {{week}} - 1, {{week}}, {{week}} + 1, 30])
@pytest.mark.parametrize("boat, day", [("{{boat}}", {{day}}), ("{{second}}", {{other}})])
def test_costs(boat, day, days):
    assert cost(boat, days) == hire(day, days)
    assert cost(boat, days, deposit=True) == hire(day, days) + DEPOSIT


@pytest.mark.parametrize(
    "arguments, days, deposit",
    [
        (["{{boat}}", "3"], 3, 0),
        (["{{boat}}", "2w"], 14, 0),
        (["{{boat}}", "2w", "--deposit"], 14, DEPOSIT),
        (["--deposit", "{{boat}}", "1w"], 7, DEPOSIT),
        (["{{boat}}", "--deposit", "2"], 2, DEPOSIT),
    ],
)
def test_the_command_line(arguments, days, deposit):
    assert main(arguments) == f"{{boat}}: {hire({{day}}, days) + deposit} cents"


def test_no_hire_of_no_days():
    with pytest.raises(ValueError):
        cost("{{boat}}", 0)
