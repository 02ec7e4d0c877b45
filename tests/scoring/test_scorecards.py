"""Certainty: which interval a figure gets, what is said of one trial, and ranks as ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from flatfield.records import AgentConfig, Cell, Check, Evaluation, Grading, Run, Scorecard, Task, TrialRecord
from flatfield.scoring.answer import graded
from flatfield.scoring.grading import grade
from flatfield.testing.trials import a_trial

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_run(agents: Sequence[str], tasks: Sequence[str] = ("t",)) -> Run:
    return Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=tuple(Task(id=task, title=task, prompt=task) for task in tasks),
        agents=tuple(AgentConfig(name=agent, provider="openai") for agent in agents),
        repeats={},
    )


def trial(agent: str, score: float, seconds: float = 1.0, *, task: str = "t", repeat: int = 1) -> TrialRecord:
    return a_trial(
        agent,
        task,
        repeat,
        active_seconds=seconds,
        cost_usd=0.01,
        checks=(Check(verifier="answer", label="answer", score=score, reason="as told"),),
    )


def cell(grading: Grading, agent: str) -> Cell:
    return next(item for item in grading.cells if item.agent == agent)


def card(grading: Grading, agent: str) -> Scorecard:
    return next(item for item in grading.scorecards if item.agent == agent)


def test_one_trial_says_so_and_has_no_interval() -> None:
    found = cell(grade(make_run(["a"]), [trial("a", 1.0)], ()), "a").performance
    assert (found.n, found.interval, found.at_worst, found.note) == (1, None, None, "one trial")


def test_five_passes_of_one_task_are_s_at_worst_c() -> None:
    grading = grade(make_run(["a"]), [trial("a", 1.0, repeat=n) for n in range(1, 6)], ())
    for found in (cell(grading, "a").performance, card(grading, "a").performance):
        assert (found.letter, found.n, found.at_worst) == ("S", 5, "C")
        assert found.interval is not None
        assert found.interval.method == "Clopper–Pearson on 5 trials, one-sided"


def test_two_tasks_twice_have_no_interval_and_everybody_shares_all_ranks() -> None:
    trials = [trial(a, s, task=t, repeat=r) for a, s in (("a", 1.0), ("b", 0.2)) for t in "tu" for r in (1, 2)]
    grading = grade(make_run(["a", "b"], ["t", "u"]), trials, ())
    assert card(grading, "a").performance.interval is None
    assert [card(grading, name).rank for name in "ab"] == [(1, 2), (1, 2)]


def test_two_tasks_thrice_average_their_ends() -> None:
    trials = [trial("a", 1.0, task=t, repeat=r) for t in "tu" for r in (1, 2, 3)]
    found = card(grade(make_run(["a"], ["t", "u"]), trials, ()), "a").performance
    assert found.interval is not None
    assert found.interval.low == pytest.approx(0.05 ** (1 / 3))
    assert found.interval.method == "mean of the ends of 2 tasks' intervals"


def test_pass_fail_over_tasks_is_clopper_pearson_on_tasks_and_scores_get_gaffke() -> None:
    names = ["t", "u", "v", "w"]
    passes = [trial("a", float(i > 0), task=t) for i, t in enumerate(names)]
    partly = [trial("a", 0.5 + i / 10, task=t) for i, t in enumerate(names)]
    for trials, method in ((passes, "Clopper–Pearson on 4 tasks"), (partly, "Gaffke on 4 tasks")):
        found = card(grade(make_run(["a"], names), trials, ()), "a").performance
        assert found.interval is not None
        assert found.interval.method == method
        assert found.score is not None
        assert found.interval.low < found.score < found.interval.high


def test_clearly_better_agents_have_ranks_of_their_own() -> None:
    names = [f"t{n}" for n in range(8)]
    trials = [
        trial(agent, score, seconds, task=name)
        for n, name in enumerate(names)
        for agent, score, seconds in (
            ("good", 0.9 + n % 3 / 20, 1.0),
            ("close", 0.9 + n % 2 / 20, 1.0),
            ("bad", 0.3, 9.0),
        )
    ]
    grading = grade(make_run(["good", "close", "bad"], names), trials, ())
    assert [card(grading, name).rank for name in ("good", "close", "bad")] == [(1, 2), (1, 2), (3, 3)]


def test_from_twenty_tasks_up_the_bootstrap_is_clustered_by_task_and_repeatable() -> None:
    names = [f"t{n}" for n in range(20)]
    trials = [
        trial(agent, ((n * step) % 7) / 7, 1.0 + (n * step) % 5, task=name, repeat=repeat)
        for n, name in enumerate(names)
        for agent, step in (("a", 3), ("b", 5))
        for repeat in (1, 2)
    ]
    run = make_run(["a", "b"], names)
    one, two = grade(run, trials, ()), grade(run, trials, ())
    assert one == two
    for part in ("performance", "speed", "overall"):
        found = getattr(card(one, "a"), part)
        assert found.interval.method == (
            "bootstrap clustered by task, 2000 resamples of 20 tasks, at least Gaffke on 20 tasks"
        )
        assert found.interval.low < found.score < found.interval.high


def test_with_twenty_tasks_all_passed_it_stays_clopper_pearson() -> None:
    names = [f"t{n}" for n in range(20)]
    found = card(grade(make_run(["a"], names), [trial("a", 1.0, task=name) for name in names], ()), "a")
    assert found.performance.interval is not None
    assert found.performance.interval.method == "Clopper–Pearson on 20 tasks, one-sided"
    assert found.performance.interval.low == pytest.approx(0.8609, abs=1e-4)


def test_the_interval_of_repeats_on_a_scale_holds_the_estimate() -> None:
    slow = [trial("b", 1.0, seconds, repeat=r) for r, seconds in enumerate((18.0, 20.0, 22.0), start=1)]
    found = cell(grade(make_run(["a", "b"]), [trial("a", 1.0, 10.0), *slow], ()), "b").speed.relative
    assert found.score is not None
    assert found.interval is not None
    assert found.interval.low < found.score < found.interval.high
    assert found.at_worst == "F"  # three passes of three allow that every third passes


def test_an_unknown_price_is_no_grade_even_where_a_task_failed() -> None:
    unpriced = [
        structs.replace(trial("a", score, task=task), cost_usd=None) for task, score in (("t", 1.0), ("u", 0.0))
    ]
    found = card(grade(make_run(["a"], ["t", "u"]), unpriced, ()), "a")
    assert (found.cost.letter, found.cost.note) == (None, "no price known")


def test_an_average_over_some_of_the_tasks_says_so() -> None:
    trials = [trial("a", 1.0, task=task, repeat=n) for task in "tu" for n in (1, 2)]
    found = card(grade(make_run(["a"], ["t", "u", "v"]), trials, ()), "a")
    assert found.overall.note == "2 of 3 tasks measured"


def test_claims_are_answers_and_wrong_ones_had_not_done_all() -> None:
    scores = (1.0, 0.99, 0.0)
    trials = [trial("a", score, repeat=repeat) for repeat, score in enumerate(scores, start=1)]
    stopped = structs.replace(trial("a", 0.0, repeat=4), stop="turn_limit")
    unchecked = structs.replace(trial("a", 0.0, repeat=5), checks=())
    found = card(grade(make_run(["a"]), [*trials, stopped, unchecked], ()), "a")
    assert (found.claims, found.wrong_claims) == (3, 2)


def test_a_trial_with_full_and_unmeasured_checks_is_neither_right_nor_wrong() -> None:
    full, lacking, wrong = (
        Check(verifier="answer", label=label, score=score, reason="")
        for label, score in (("x", 1.0), ("y", None), ("y", 0.5))
    )
    checks = ((full,), (full, lacking), (full, wrong), (lacking,), (lacking, wrong))
    trials = [
        structs.replace(trial("a", 1.0, repeat=repeat), checks=found) for repeat, found in enumerate(checks, start=1)
    ]
    found = card(grade(make_run(["a"]), trials, ()), "a")
    assert (found.claims, found.wrong_claims) == (3, 2)


def test_a_cost_that_is_known_once_does_not_make_five_trials_one() -> None:
    trials = [trial("a", 1.0, repeat=n) for n in range(1, 6)]
    known_once = [trials[0], *(structs.replace(each, cost_usd=None) for each in trials[1:])]
    found = card(grade(make_run(["a"]), known_once, ()), "a")
    assert (found.overall.n, found.overall.note, found.cost.n) == (5, "", 1)
    assert graded(found.overall) == "S (n=5)"
