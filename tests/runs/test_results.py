"""A stored run is graded anew each time it is read, on its own scales or on another run's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from flatfield.errors import NotFound
from flatfield.records import Check, Failure, Preferences, Run, TrialRecord, Weights
from flatfield.runs.order import plan, unmeasured
from flatfield.runs.results import load_result
from flatfield.runs.store.store import Store
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSED = Check(verifier="answer", label="answer", score=1.0, reason="so it is")


def compared(run: Run) -> Run:
    """The run with agents that are on the scales: the room's own are controls."""
    agents = tuple(structs.replace(agent, provider="openai-chat", base_url="http://h/v1") for agent in run.agents)
    return structs.replace(run, agents=agents)


async def stored(folder: Path, run: Run, seconds: dict[str, float]) -> Store:
    store = Store(folder)
    prints = {agent.name: fingerprint(agent) for agent in run.agents}
    async with store:
        await store.save_run(run)
        for trial in plan(run):
            used = seconds[trial.agent]
            record = TrialRecord(
                run=run.id, agent=trial.agent, task=trial.task, repeat=trial.repeat, task_digest=f"digest-{trial.task}",
                agent_fingerprint=prints[trial.agent], stop="answered", checks=(PASSED,), cost_usd=used / 100,
                active_seconds=used, model_seconds=used, wall_seconds=used,
            )  # fmt: skip
            await store.save_trial(record)
    return store


async def test_grades_are_computed_from_records(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    run = compared(make_run())
    result = load_result(await stored(tmp_path, run, {"fast": 1.0, "slow": 9.0}))
    assert (result.run, len(result.trials)) == (run, 8)
    speed = {card.agent: card.speed.letter for card in result.grading.scorecards}
    assert speed["fast"] == "S"
    assert speed["slow"] == "F"
    assert result.manifest[0].heading == "context"
    only_work = load_result(
        Store(tmp_path), run.id, preferences=Preferences(weights=Weights(performance=1, speed=0, cost=0))
    )
    assert {card.overall.letter for card in only_work.grading.scorecards} == {"S"}


async def test_the_scales_of_another_run(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    store = await stored(tmp_path, compared(make_run()), {"fast": 1.0, "slow": 9.0})
    later = compared(make_run(id="20270101-000000-0000", created_at="2027-01-01T00:00:00+00:00"))
    await stored(tmp_path, later, {"fast": 2.0, "slow": 18.0})
    own = load_result(store)
    frozen = load_result(store, anchors_of="2026")
    assert own.run.id == frozen.run.id == later.id
    assert {item.best for item in own.grading.anchors if item.measure == "speed"} == {2.0}
    assert {item.best for item in frozen.grading.anchors if item.measure == "speed"} == {1.0}


async def test_a_run_without_a_single_measured_trial(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    run = make_run()
    store = Store(tmp_path)
    async with store:
        await store.save_run(run)
        for trial in plan(run):
            failed = unmeasured(run, trial, Failure(kind="not_ready", message="no key"))
            await store.save_trial(failed)
    result = load_result(store)
    assert len(result.trials) == 8
    assert all(card.overall.letter is None and card.measured == 0 for card in result.grading.scorecards)


def test_there_is_no_such_run(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_result(Store(tmp_path))
