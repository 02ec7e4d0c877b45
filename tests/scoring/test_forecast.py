"""What a trial will take: from its like where there was one, else a guess that says so; unknown prices stay unknown."""

from __future__ import annotations

from typing import Any

import pytest

from flatfield.records import Limits, SolutionStep, Task, Usage
from flatfield.scoring.forecast import Job, Past, Subject, expect, guessed_turns, guessed_verdict, total

TASK = Task(id="t", title="t", prompt="Do it.", digest="d", level=1)
ME = Subject(agent="print", model="p:m@")


def job(task: Task = TASK, **limits: Any) -> Job:
    return Job(task=task, limits=Limits(**limits))


def past(task: str = "t", **fields: Any) -> Past:
    values: dict[str, Any] = {"agent": "print", "model": "p:m@", "digest": "d", "usd": 1.0, "active_seconds": 10.0}
    return Past(task=task, **({"wall_seconds": 12.0} | values | fields))


def price(usage: Usage) -> float:
    return usage.input_tokens / 1e6 + usage.output_tokens * 10 / 1e6


def nothing(_: Usage) -> None:
    return None


def test_the_same_task_comes_first() -> None:
    found = expect(ME, job(), [past(usd=2.0), past(usd=4.0), past("other", usd=100.0)], price)
    assert (found.basis, found.usd, found.active_seconds, found.wall_seconds) == ("measured", 3.0, 10.0, 12.0)


def test_then_other_tasks_each_once_and_other_versions_of_this_one() -> None:
    others = [past("a", usd=1.0), past("a", usd=1.0), past("b", usd=4.0)]
    found = expect(ME, job(), others, price)
    assert (found.basis, found.usd) == ("other tasks", 2.5)
    assert expect(ME, job(), [past(digest="older")], price).basis == "other tasks"


def test_an_agent_with_other_settings_counts_only_where_the_agent_itself_never_ran() -> None:
    others = past(agent="warmer", usd=9.0)
    assert expect(ME, job(), [others], price).usd == 9.0
    assert expect(ME, job(), [others, past("a", usd=1.0)], price).usd == 1.0
    assert expect(ME, job(), [past(agent="x", model="p:other@")], price).basis == "guess"


def test_a_guess_is_from_sizes_and_prices_and_grows_with_them() -> None:
    small = expect(ME, job(), [], price)
    assert small.basis == "guess"
    assert small.usd == pytest.approx(sum(price(usage) for usage in guessed_turns(job())))
    large = expect(ME, Job(task=TASK, limits=Limits(), workspace_bytes=40_000), [], price)
    assert (large.usd or 0) > (small.usd or 0)
    steps = tuple(SolutionStep(tool="read_file") for _ in range(9))
    planned = Task(id="t", title="t", prompt="p", solution=steps)
    assert len(guessed_turns(job(planned))) == 10
    assert len(guessed_turns(job(planned, turns=4))) == 4
    assert sum(usage.output_tokens for usage in guessed_turns(job(planned, output_tokens=100))) <= 100
    slow = expect(Subject(agent="print", model="p:m@", on_device=True), job(), [], price)
    assert slow.active_seconds > small.active_seconds


def test_no_forecast_is_longer_than_the_limit_and_what_comes_beside_it() -> None:
    assert expect(ME, job(seconds=0.5), [], price).wall_seconds == 0.5
    found = expect(ME, job(seconds=4.0), [past(active_seconds=10.0, wall_seconds=12.0)], price)
    assert (found.active_seconds, found.wall_seconds) == (4.0, 6.0)


def test_no_price_stays_unknown() -> None:
    found = expect(ME, job(cost_usd=1.0), [], nothing)
    assert (found.usd, found.most_usd) == (None, None)
    assert expect(ME, job(), [past(usd=None)], nothing).usd is None
    assert expect(ME, job(), [past("a", usd=None), past("b", usd=1.0)], price).usd is None
    assert total([1.0, None]) is None


def test_the_limits_bound_it() -> None:
    assert expect(ME, job(cost_usd=0.5), [], price).most_usd == 0.5
    assert expect(ME, job(seconds=77.0), [], price).most_seconds == 77.0
    assert expect(ME, job(), [], price).most_usd is None
    known = Subject(agent="print", model="p:m@", context_tokens=100_000)
    found = expect(known, job(turns=10, output_tokens=1000), [], price)
    assert found.most_usd == pytest.approx(10 * 0.1 + 0.01)


def test_controls_cost_nothing_and_compared_verdicts_twice() -> None:
    assert expect(Subject(agent="o", model="oracle:@", control=True), job(), [], nothing).usd == 0.0
    once, twice = guessed_verdict(TASK, compared=False), guessed_verdict(TASK, compared=True)
    assert (twice.input_tokens, twice.output_tokens) == (2 * once.input_tokens, 2 * once.output_tokens)
