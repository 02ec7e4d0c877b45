"""Why nobody knows what agents cost: each is told what helps it, and never what changes nothing."""

from __future__ import annotations

import pytest

from flatfield.records import AgentConfig, Reply, Sent, TrialRecord, Turn, Usage
from flatfield.scoring.prices.pricing import unknown_costs
from flatfield.testing.trials import a_trial

SERVED = AgentConfig(name="served", provider="openai-chat", model="m")
SCAFFOLD = AgentConfig(name="scaffold", provider="cli", model="good", command=("good",))


def stored(agent: str, *counts: Usage | None, cost_usd: float | None = None) -> TrialRecord:
    request = Sent(api="x", model="m")
    return a_trial(
        agent,
        turns=tuple(Turn(reply=Reply(text="", request=request, usage=usage), cost_usd=cost_usd) for usage in counts),
    )


@pytest.mark.parametrize("trials", [[], [stored("served", Usage(input_tokens=1))], [stored("served", None, Usage())]])
def test_where_there_are_tokens_a_price_is_what_lacks(trials: list[TrialRecord]) -> None:
    (said,) = unknown_costs([SERVED], trials)
    assert said == (
        "no price is known for served; before the next run, set input_mtok and output_mtok in the table "
        '[prices."openai-chat:m"] in flatfield.toml, or on_device = true for a model on your own device'
    )


def test_where_no_tokens_are_reported_a_price_is_not_advised() -> None:
    (said,) = unknown_costs([SCAFFOLD], [stored("scaffold", None)])
    assert said == (
        "no tokens are reported by scaffold, so that a price changes nothing; before the next run, take an output that "
        "reports them, or, for a model on your own device, on_device = true without a price, or usd_per_hour"
    )
    (served,) = unknown_costs([SERVED], [stored("served", None)])
    assert "take a server that reports them" in served


def test_each_is_told_its_own_and_a_budget_what_helps_a_run_that_goes_on() -> None:
    priced, silent = unknown_costs([SCAFFOLD, SERVED], [stored("scaffold", None)], budgeted=True)
    assert priced.startswith("no price is known for served; set input_mtok")
    assert "on_device" not in priced
    assert silent.startswith("no tokens are reported by scaffold,")
    assert "usd_per_hour" not in silent


def test_a_turn_whose_cost_is_known_says_nothing_of_the_others() -> None:
    (said,) = unknown_costs([SERVED], [stored("served", None, cost_usd=0.1)])
    assert said.startswith("no price is known")


def test_of_many_prices_that_lack_two_tables_are_shown() -> None:
    many = [AgentConfig(name=f"a{number}", provider="openai-chat", model=f"m{number}") for number in range(13)]
    (said,) = unknown_costs(many, [])
    assert said.startswith("no price is known for a0, a1, a2, a3, a4, a5 and 7 more; before the next run, set")
    assert 'in the tables [prices."openai-chat:m0"], [prices."openai-chat:m1"] and 11 more in flatfield.toml' in said
