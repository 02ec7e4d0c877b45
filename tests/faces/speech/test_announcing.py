"""One sentence for an agent when its last trial is done, one when the run is graded."""

from __future__ import annotations

import pytest
from msgspec import structs

from flatfield.faces.speech.sentences import Announcer, finished, graded, letters
from flatfield.records import Event, Failure, RunResult, TrialPlan, TrialRecord
from flatfield.scoring.grading import grade
from flatfield.tasks.importers.nano_agent_2025_08 import load as load_published
from flatfield.testing.trials import a_trial

FAILED = Failure(kind="provider", message="down")


def trial(agent: str = "gpt-5-mini", repeat: int = 1, usd: float | None = 0.001, **fields: object) -> TrialRecord:
    made = a_trial(agent, "t", repeat, active_seconds=4.0, wall_seconds=9.0, cost_usd=usd)
    return structs.replace(made, **fields)


def ended(record: TrialRecord) -> Event:
    return Event(kind="trial_finished", agent=record.agent, task="t", repeat=record.repeat, record=record)


@pytest.fixture
def published() -> RunResult:
    found = load_published()
    return RunResult(run=found.run, trials=found.trials, verdicts=(), grading=grade(found.run, found.trials, ()))


def test_an_agent_is_spoken_of_once_when_all_its_trials_are_done() -> None:
    said: list[str] = []
    plans = [TrialPlan(run="r", agent=agent, task="t", repeat=n) for agent in ("gpt-5-mini", "b") for n in (1, 2, 3)]
    announcer = Announcer(plans, said.append)
    for number in (1, 2):
        announcer.observe(ended(trial(repeat=number)))
    announcer.observe(Event(kind="tool", agent="gpt-5-mini", text="read_file"))
    announcer.observe(ended(trial("stranger")))
    assert said == []
    announcer.observe(ended(trial(repeat=3)))
    assert said == ["gpt-5 mini: done in 12 seconds, a third of a cent"]


def test_the_grade_is_said_where_it_is_known() -> None:
    said: list[str] = []
    announcer = Announcer([TrialPlan(run="r", agent="a", task="t", repeat=1)], said.append, {"a": "A"})
    announcer.observe(ended(trial("a", usd=None)))
    assert said == ["a: done in 4 seconds, grade A"]


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([trial("a", failure=FAILED)], "a: not measured in 9 seconds"),
        ([trial("a"), trial("a", failure=FAILED)], "a: 1 of 2 trials done in 4 seconds, a tenth of a cent"),
        ([trial("a", usd=0.0)], "a: done in 4 seconds, free"),
        ([trial("a"), trial("a", usd=None)], "a: done in 8 seconds"),
    ],
)
def test_what_is_not_measured_or_priced_is_not_made_up(trials: list[TrialRecord], said: str) -> None:
    assert finished("a", trials) == said


def test_the_end_names_the_winner(published: RunResult) -> None:
    assert graded(published).startswith("The evaluation is graded: gpt-5 nano came first, grade A, in 2 minutes")
    assert letters(published)["claude-opus-4-1"] == "D"


def test_nobody_comes_first_alone(published: RunResult) -> None:
    own = tuple(each for each in published.trials if each.agent == "gpt-5-nano")
    run = structs.replace(published.run, agents=tuple(one for one in published.run.agents if one.name == "gpt-5-nano"))
    alone = structs.replace(published, run=run, trials=own, grading=grade(run, own, ()))
    assert "came first" not in graded(alone)
    assert "gpt-5 nano" in graded(alone)


def test_nothing_measured_is_said(published: RunResult) -> None:
    failed = tuple(structs.replace(each, failure=FAILED) for each in published.trials)
    run = structs.replace(published, trials=failed, grading=grade(published.run, failed, ()))
    assert graded(run) == "The evaluation is over: nothing was measured"
