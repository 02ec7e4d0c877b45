"""A budget lets trials start while there is money for them, and says no for good when there is none."""

from __future__ import annotations

import asyncio

import pytest

from flatfield.runs.budget import Budget


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


async def test_a_running_trial_reserves_what_its_agent_has_cost_so_far() -> None:
    budget = Budget(1.0)
    await budget.admit("1", "a")
    budget.settle("1", 0.4)
    assert await budget.admit("2", "a")
    third = asyncio.create_task(budget.admit("3", "a"))
    await asyncio.sleep(0)
    assert not third.done()  # 0.4 spent, 0.4 reserved, 0.4 expected
    budget.settle("2", 0.1)
    assert await third  # 0.5 spent, 0.25 expected
    budget.settle("3", 0.3)
    assert budget.spent_usd == pytest.approx(0.8)


async def test_all_who_wait_are_refused_when_nothing_runs_any_more() -> None:
    budget = Budget(1.0)
    await budget.admit("1", "a")
    budget.settle("1", 0.45)
    await budget.admit("2", "a")
    waiting = [asyncio.create_task(budget.admit(str(n), "a")) for n in range(3, 6)]
    await asyncio.sleep(0)
    budget.settle("2", 0.5)
    assert await asyncio.gather(*waiting) == [False, False, False]


async def test_trials_without_a_price_are_counted_and_those_that_failed_foretell_nothing() -> None:
    budget = Budget(1.0)
    await budget.admit("1", "a")
    budget.settle("1", None)
    await budget.admit("2", "a")
    budget.settle("2", 0.9, measured=False)
    assert budget.unpriced_trials == 1
    assert await budget.admit("3", "a")  # were 0.9 expected of it, it would not fit
