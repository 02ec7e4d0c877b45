"""A budget lets trials start while there is money for them, and says no for good when there is none."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from flatfield.records import Failure, Reply, Sent, TrialRecord, Turn
from flatfield.runs.budget import Budget, Terms
from flatfield.testing.trials import a_trial

if TYPE_CHECKING:
    from flatfield.testing.clocks import FakeClock

FREE = Terms(most_usd=0.0, priced=True, can_be_held=True)
UNBOUNDED = Terms(priced=True, can_be_held=True)


def at_most(usd: float) -> Terms:
    return Terms(most_usd=usd, priced=True, can_be_held=True)


def stored(
    agent: str, cost_usd: float | None, *, wall_seconds: float = 1.0, failure: Failure | None = None
) -> TrialRecord:
    return a_trial(agent, cost_usd=cost_usd, wall_seconds=wall_seconds, failure=failure)


async def test_without_a_limit_everything_starts() -> None:
    budget = Budget(None)
    for n in range(5):
        assert await budget.admit(str(n), "a")
        budget.settle(str(n), 1e6)
    assert budget.spent_usd == 5e6


async def test_when_it_is_spent_no_trial_starts_of_any_agent() -> None:
    budget = Budget(1.0)
    assert await budget.admit("1", "dear")
    budget.settle("1", 1.0)
    assert not await budget.admit("2", "dear")
    assert not await budget.admit("3", "free")


async def test_a_no_is_final_for_cheaper_agents_too() -> None:
    budget = Budget(1.0)
    for trial, agent, usd in (("1", "dear", 0.6), ("2", "cheap", 0.1)):
        assert await budget.admit(trial, agent)
        budget.settle(trial, usd)
    assert not await budget.admit("3", "dear")
    assert not await budget.admit("4", "cheap")


async def test_what_earlier_sittings_and_judges_spent_counts() -> None:
    assert not await Budget(1.0, spent_usd=1.0).admit("1", "a")
    budget = Budget(1.0)
    budget.charge(1.0)
    assert not await budget.admit("1", "a")


async def test_a_known_price_reserves_the_most_that_the_limits_allow_and_frees_what_was_not_used() -> None:
    budget = Budget(1.0)
    assert await budget.admit("1", "a", at_most(0.4))
    assert await budget.admit("2", "b", at_most(0.4))
    third = asyncio.create_task(budget.admit("3", "a", at_most(0.4)))
    await asyncio.sleep(0)
    assert not third.done()
    budget.settle("1", 0.05)
    assert await third
    assert [budget.purse_usd(trial) for trial in "123"] == [None, None, None]


async def test_what_costs_nothing_runs_beside_all() -> None:
    budget = Budget(1.0)
    assert await budget.admit("1", "a", at_most(1.0))
    assert await budget.admit("2", "local", FREE)
    assert not budget.needs_pilot("local", FREE)


@pytest.mark.parametrize("terms", [at_most(9.0), UNBOUNDED])
async def test_where_its_limits_allow_more_than_there_is_a_trial_runs_alone_and_is_held_to_what_there_is(
    terms: Terms,
) -> None:
    budget = Budget(1.0)
    assert await budget.admit("1", "a", at_most(0.3))
    second = asyncio.create_task(budget.admit("2", "dear", terms))
    await asyncio.sleep(0)
    assert not second.done()
    budget.settle("1", 0.2)
    assert await second
    assert budget.purse_usd("2") == pytest.approx(0.8)
    third = asyncio.create_task(budget.admit("3", "a", at_most(0.3)))
    await asyncio.sleep(0)
    assert not third.done()
    budget.settle("2", 0.3)
    assert await third
    budget.settle("3", 0.3)
    assert not await budget.admit("4", "dear", terms)  # 0.2 are left, and its dearest took 0.3


async def test_one_that_was_ended_for_want_of_money_is_the_last() -> None:
    budget = Budget(1.0)
    assert await budget.admit("1", "a", UNBOUNDED)
    budget.settle("1", 0.6, measured=False, cut=True)
    assert not await budget.admit("2", "a", UNBOUNDED)
    assert budget.unknown_agents == []


async def test_without_a_price_the_first_runs_alone_and_the_others_reserve_what_the_dearest_took() -> None:
    budget = Budget(1.0)
    assert budget.needs_pilot("a", Terms())
    assert await budget.admit("1", "a")
    for waiting in (budget.admit("2", "a"), budget.admit("3", "b"), budget.admit("4", "c", at_most(0.01))):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting, 0.01)
    budget.settle("1", 0.3)
    assert not budget.needs_pilot("a", Terms())
    assert await budget.admit("2", "a")
    assert await budget.admit("3", "a")
    budget.settle("2", 0.4)
    budget.settle("3", 0.1)
    assert not await budget.admit("4", "a")  # 0.8 are spent, and one took 0.4


async def test_a_cost_that_stays_unknown_is_the_end_unless_it_is_to_be_ignored() -> None:
    budget = Budget(1.0)
    assert await budget.admit("1", "a")
    budget.settle("1", None)
    assert budget.unknown_agents == ["a"]
    assert not await budget.admit("2", "a")
    assert not await budget.admit("3", "b", at_most(0.1))
    assert not budget.needs_pilot("a", Terms())
    assert await budget.admit("4", "other")
    budget.settle("4", None)
    assert budget.unknown_agents == ["a", "other"], "whoever else is not known is found in the same sitting"
    assert not await budget.admit("5", "other")
    ignoring = Budget(1.0, ignored=("a",))
    assert not ignoring.needs_pilot("a", Terms())
    for trial in "123":
        assert await ignoring.admit(trial, "a")
    for trial in "123":
        ignoring.settle(trial, None)
    assert ignoring.unknown_agents == []
    assert await ignoring.admit("4", "b", at_most(1.0))


async def test_where_others_of_the_agent_are_known_one_unknown_cost_stays_set_aside() -> None:
    budget = Budget(1.0)
    assert await budget.admit("1", "a", at_most(0.4))
    budget.settle("1", 0.1)
    assert await budget.admit("2", "a", at_most(0.4))
    budget.settle("2", None)
    assert budget.unknown_agents == []
    assert await budget.admit("3", "a", at_most(0.4))
    assert budget.spent_usd == 0.1
    fourth = asyncio.create_task(budget.admit("4", "a", at_most(0.4)))
    await asyncio.sleep(0)
    assert not fourth.done()  # 0.1 are spent, 0.4 may be, 0.4 are reserved
    fourth.cancel()


async def test_one_that_asked_no_model_tells_nothing_and_failed_ones_foretell_nothing() -> None:
    budget = Budget(1.0)
    assert await budget.admit("1", "a")
    budget.settle("1", None, measured=False, used=False)
    assert budget.needs_pilot("a", Terms())
    assert await budget.admit("2", "a")
    budget.settle("2", 0.6, measured=False)
    assert budget.needs_pilot("a", Terms())
    assert await budget.admit("3", "a")  # were 0.6 expected of it, it would not fit


def test_a_price_is_no_bound_for_what_can_only_be_ended_by_its_time() -> None:
    assert Budget(1.0).needs_pilot("scaffold", Terms(priced=True))
    assert not Budget(1.0, earlier=[stored("scaffold", 0.2)]).needs_pilot("scaffold", Terms(priced=True))
    assert not Budget(None).needs_pilot("scaffold", Terms(priced=True))


def test_an_earlier_trial_of_unknown_cost_ends_it() -> None:
    turn = Turn(reply=Reply(text="", request=Sent(api="x", model="m")), cost_usd=None)
    assert Budget(1.0, earlier=[structs.replace(stored("a", None), turns=(turn,))]).unknown_agents == ["a"]
    assert Budget(1.0, earlier=[stored("a", None)]).unknown_agents == [], "it asked no model"


def test_earlier_sittings_say_what_an_agent_costs() -> None:
    assert not Budget(1.0, earlier=[stored("a", 0.2)]).needs_pilot("a", Terms())
    assert Budget(1.0, earlier=[stored("a", 0.2)]).unknown_agents == []


async def test_no_trial_starts_that_would_not_end_in_time(clock: FakeClock) -> None:
    budget = Budget(None, limit_seconds=100.0, clock=clock)
    terms = Terms(most_seconds=60.0)
    assert budget.ends_in_time("a", "t", terms)
    clock.seconds += 50
    assert not budget.ends_in_time("a", "t", terms)
    budget.took(stored("a", None, wall_seconds=20.0))
    budget.took(stored("a", None, wall_seconds=40.0))
    assert budget.expected_seconds("a", "t", terms) == 30.0
    assert budget.ends_in_time("a", "t", terms)
    assert budget.expected_seconds("a", "other", terms) == 30.0, "what it took for another task is better than a limit"
    assert not budget.ends_in_time("b", "t", terms)
    clock.seconds += 21
    assert not budget.ends_in_time("a", "t", terms)


def test_until_a_task_is_done_its_forecast_says_how_long_it_takes_and_a_guess_gives_way_to_other_tasks() -> None:
    budget = Budget(None, earlier=[stored("a", None, wall_seconds=20.0)])
    guess = Terms(likely_seconds=2.0, is_guess=True, most_seconds=60.0)
    assert budget.expected_seconds("b", "t", guess) == 2.0
    assert budget.expected_seconds("a", "t", guess) == 20.0
    assert budget.expected_seconds("a", "other", guess) == 20.0
    assert budget.expected_seconds("a", "other", Terms(likely_seconds=2.0, most_seconds=60.0)) == 2.0
    assert budget.expected_seconds("b", "t", Terms(most_seconds=60.0)) == 60.0


@given(
    seed=st.integers(0, 10**6),
    limit=st.floats(0.01, 20.0),
    bounds=st.lists(st.one_of(st.none(), st.floats(0.0, 5.0)), min_size=1, max_size=4),
)
def test_with_known_prices_more_than_the_budget_is_never_spent(
    seed: int, limit: float, bounds: list[float | None]
) -> None:
    """Whatever trials cost within what they are held to, in whatever order they end."""
    draw = random.Random(seed)
    budget = Budget(limit)

    async def one(number: int) -> None:
        which = number % len(bounds)
        most = bounds[which]
        terms = UNBOUNDED if most is None else at_most(most)
        if not await budget.admit(str(number), str(which), terms):
            return
        held = budget.purse_usd(str(number))
        top = most if held is None else held
        assert top is not None
        for _ in range(draw.randrange(4)):
            await asyncio.sleep(0)
        used = draw.choice((0.0, 0.1, 0.5, 1.0)) * top
        cut = held is not None and used == held
        budget.settle(str(number), used, measured=not cut, cut=cut)
        assert budget.spent_usd <= limit * (1 + 1e-9)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(40)))

    asyncio.run(all_of_them())
    assert budget.spent_usd <= limit * (1 + 1e-9)
