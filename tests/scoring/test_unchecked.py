"""The intervals shown reach as far as checks that were not measured may move a figure."""

from __future__ import annotations

import pytest

from flatfield.records import AgentConfig, Check, Evaluation, Grading, Run, Scorecard, Task, TrialRecord
from flatfield.scoring.answer import graded
from flatfield.scoring.grading import grade
from flatfield.testing.trials import a_trial


def trial(agent: str, task: str, repeat: int, second: float | None) -> TrialRecord:
    """The first check is full; the second has this score."""
    checks = tuple(
        Check(verifier="answer", label=label, score=score, reason="") for label, score in (("x", 1.0), ("y", second))
    )
    return a_trial(agent, task, repeat, active_seconds=1.0, cost_usd=0.01, checks=checks)


def graded_run(second: dict[str, float | None], tasks: int, repeats: int) -> Grading:
    names = [f"t{n}" for n in range(tasks)]
    run = Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=tuple(Task(id=name, title=name, prompt="p") for name in names),
        agents=tuple(AgentConfig(name=agent, provider="openai") for agent in second),
        repeats=dict.fromkeys(names, repeats),
    )
    trials = [
        trial(agent, name, repeat, score)
        for agent, score in second.items()
        for name in names
        for repeat in range(1, repeats + 1)
    ]
    return grade(run, trials, ())


def card(grading: Grading, agent: str) -> Scorecard:
    return next(each for each in grading.scorecards if each.agent == agent)


@pytest.mark.parametrize("tasks", [1, 2])
def test_what_was_not_checked_is_in_the_range(tasks: int) -> None:
    grading = graded_run({"lost": None, "whole": 1.0}, tasks, 1)
    found = card(grading, "lost")
    assert found.performance.interval is not None
    assert found.performance.interval.low <= 0.5
    assert found.performance.interval.high == 1.0
    assert found.performance.letter == "A"
    assert found.performance.at_worst in ("C", "D", "F")
    assert graded(found.performance) == ("A (one trial)" if tasks == 1 else f"A ({found.performance.at_worst}–S)")
    assert found.rank == (1, 2) == card(grading, "whole").rank
    assert grading.order == ("whole", "lost")


@pytest.mark.parametrize(("tasks", "repeats"), [(1, 3), (3, 1), (25, 1)])
def test_a_range_of_chance_is_widened_by_it(tasks: int, repeats: int) -> None:
    lost, half = (
        card(graded_run({"a": second, "other": 0.5}, tasks, repeats), "a").performance for second in (None, 0.88)
    )
    assert half.score == lost.score == pytest.approx(0.94)
    assert half.interval is not None
    assert lost.interval is not None
    assert lost.interval.low == pytest.approx(max(half.interval.low - 0.44, 0.0))
    assert lost.interval.high == 1.0


def test_speed_cost_and_overall_are_moved_with_the_work() -> None:
    grading = graded_run({"lost": None, "whole": 1.0}, 1, 1)
    found = card(grading, "lost")
    for grade_ in (found.speed, found.cost, found.overall):
        assert grade_.score is not None
        assert grade_.interval is not None
        assert grade_.interval.low < grade_.score
    (cell,) = (each for each in grading.cells if each.agent == "lost")
    assert [cell.down, cell.up] == pytest.approx([0.44, 0.06])
    assert cell.overall.interval is not None
    assert cell.overall.score is not None
    assert cell.overall.interval.low <= cell.overall.score - 0.44 + 1e-9


def test_where_nobody_was_checked_nothing_is_wider() -> None:
    """The check that came to a score on no trial tells nobody from another."""
    grading = graded_run({"a": None, "b": None}, 5, 5)
    for one in grading.scorecards:
        assert one.performance.interval is not None
        assert one.performance.interval.low > 0.9
