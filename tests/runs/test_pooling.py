"""Several runs as one: the same agents and tasks by what they are, and what does not belong to them is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.records import AgentConfig, Check, Evaluation, Preferences, Run, Task, TrialRecord, Weights
from flatfield.runs.pooling import load_pooled
from flatfield.runs.store.store import Store
from flatfield.scoring.decision import decide
from flatfield.scoring.facts import planned
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

pytestmark = pytest.mark.whole

Scores = dict[str, dict[str, list[float]]]
"""By agent and task, the scores of its trials."""


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., Awaitable[Store]]:
    async def keep_run(day: int, scores: Scores, **more: Any) -> Store:
        models: Mapping[str, str] = more.get("models", {})
        digests: Mapping[str, str] = more.get("digests", {})
        agents = {name: AgentConfig(name=name, provider="openai", model=models.get(name, name)) for name in scores}
        tasks = list(dict.fromkeys(task for each in scores.values() for task in each))
        run = Run(
            id=f"202601{day:02}-000000-abcd",
            created_at=f"2026-01-{day:02}T00:00:00+00:00",
            evaluation=Evaluation(),
            tasks=tuple(Task(id=task, title="t", prompt="p", digest=digests.get(task, task)) for task in tasks),
            agents=tuple(agents.values()),
            repeats={task: max(len(each.get(task, [])) for each in scores.values()) for task in tasks},
            imported=more.get("imported", False),
            delegated=more.get("delegated", False),
        )
        async with Store(tmp_path) as store:
            await store.save_run(run)
            for agent, each in scores.items():
                for task, found in each.items():
                    for repeat, score in enumerate(found, start=1):
                        await store.save_trial(_trial(run, agents[agent], task, repeat, score))
        return Store(tmp_path)

    return keep_run


def _trial(run: Run, agent: AgentConfig, task: str, repeat: int, score: float) -> TrialRecord:
    return TrialRecord(
        run=run.id,
        agent=agent.name,
        task=task,
        repeat=repeat,
        task_digest=next(one.digest for one in run.tasks if one.id == task),
        agent_fingerprint=fingerprint(agent),
        stop="answered",
        started_at=run.created_at,
        active_seconds=1.0,
        cost_usd=0.01,
        checks=(Check(verifier="answer", label="x", score=score, reason=""),),
    )


async def test_the_same_agents_and_tasks_are_pooled_under_the_newest_names(
    keep: Callable[..., Awaitable[Store]],
) -> None:
    await keep(1, {"old-name": {"t": [1.0, 0.0]}}, models={"old-name": "a"})
    store = await keep(2, {"a": {"t": [1.0]}, "b": {"t": [0.0]}})
    found = load_pooled(store)
    assert (found.run.id, found.pooled) == ("20260102-000000-abcd", ("20260101-000000-abcd",))
    assert [(one.agent, one.repeat, one.checks[0].score) for one in found.trials if one.agent == "a"] == [
        ("a", 1, 1.0),
        ("a", 2, 1.0),
        ("a", 3, 0.0),
    ]
    cards = {card.agent: (card.trials, card.measured) for card in found.grading.scorecards}
    assert cards == {"a": (3, 3), "b": (1, 1)}
    decision = decide(found)
    assert decision.runs == (found.run.id, *found.pooled)
    assert "From 2 runs, 1 task and 4 trials; name a run to look at it alone." in decision.advice


async def test_what_was_changed_since_is_left_out_and_said(keep: Callable[..., Awaitable[Store]]) -> None:
    await keep(1, {"a": {"t": [0.0], "u": [0.0]}, "b": {"u": [0.0]}}, models={"b": "other"}, digests={"t": "before"})
    store = await keep(2, {"a": {"t": [1.0]}, "b": {"t": [1.0]}})
    found = load_pooled(store)
    assert {(one.agent, one.task) for one in found.trials} == {("a", "t"), ("b", "t"), ("a", "u")}
    (said,) = found.not_pooled
    assert said == (
        "Not counted, for it has changed since: b of run 20260101-000000-abcd, t of run 20260101-000000-abcd."
    )
    assert said in decide(found).advice


async def test_runs_of_others_imported_and_delegated_ones_stay_out(keep: Callable[..., Awaitable[Store]]) -> None:
    await keep(1, {"x": {"y": [0.0]}})
    await keep(2, {"a": {"t": [0.0]}}, imported=True)
    await keep(3, {"a": {"t": [0.0]}}, delegated=True)
    store = await keep(4, {"a": {"t": [1.0]}})
    found = load_pooled(store)
    assert (found.pooled, len(found.trials)) == ((), 1)
    assert found.not_pooled == ("Not counted, for no agent and no task is the same: 1 other run.",)


async def test_an_imported_run_stands_alone(keep: Callable[..., Awaitable[Store]]) -> None:
    await keep(1, {"a": {"t": [0.0]}})
    store = await keep(2, {"a": {"t": [1.0]}}, imported=True)
    assert (load_pooled(store).pooled, len(load_pooled(store).trials)) == ((), 1)


async def test_preferences_are_those_that_were_asked_for(keep: Callable[..., Awaitable[Store]]) -> None:
    await keep(1, {"a": {"t": [1.0]}})
    store = await keep(2, {"a": {"t": [1.0]}})
    wanted = Preferences(weights=Weights(performance=1.0, speed=0.0, cost=0.0))
    found = load_pooled(store, wanted)
    assert (found.preferences, found.grading.weights.performance) == (wanted, 1.0)


async def test_of_one_task_older_runs_add_that_task_alone(keep: Callable[..., Awaitable[Store]]) -> None:
    await keep(1, {"a": {"t": [0.0], "u": [0.0]}})
    await keep(2, {"a": {"u": [0.0]}})
    store = await keep(3, {"a": {"t": [1.0], "v": [1.0]}})
    found = load_pooled(store, task="t")
    assert ({one.task for one in found.trials}, len(found.pooled)) == ({"t"}, 1)


async def test_repeats_are_counted_in_the_run_that_is_gone_on_with(keep: Callable[..., Awaitable[Store]]) -> None:
    await keep(1, {"a": {"t": [1.0, 0.0, 1.0]}, "b": {"t": [1.0]}})
    store = await keep(2, {"a": {"t": [1.0, 0.0]}})
    found = load_pooled(store)
    assert (planned(found, ["a"]), planned(found, ["b"])) == (2, 0)
