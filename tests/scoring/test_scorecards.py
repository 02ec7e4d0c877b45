"""Certainty: the range of a letter, what is said of one trial, and ranks as ranges."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec import structs

from flatfield.records import (
    AgentConfig,
    Cell,
    Check,
    Evaluation,
    Grade,
    Grading,
    Run,
    Scorecard,
    Targets,
    Task,
    TrialRecord,
)
from flatfield.scoring.answer import graded
from flatfield.scoring.certainty.study import study_trials
from flatfield.scoring.grading import GradingTerms, grade, grade_drawn
from flatfield.testing.trials import a_trial

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.whole


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


def width(found: Grade) -> float:
    assert found.interval is not None
    return found.interval.high - found.interval.low


def test_one_trial_says_so_and_has_a_wide_range_beside_it() -> None:
    found = cell(grade(make_run(["a"]), [trial("a", 1.0)], ()), "a").performance
    assert (found.n, found.letter, found.note, graded(found)) == (1, "S", "one trial", "S (one trial)")
    assert found.interval is not None
    assert found.interval.low < 0.5 < found.interval.high == 1.0


def test_five_passes_of_one_task_are_s_and_at_worst_c() -> None:
    grading = grade(make_run(["a"]), [trial("a", 1.0, repeat=n) for n in range(1, 6)], ())
    for found in (cell(grading, "a").performance, card(grading, "a").performance):
        assert (found.letter, found.n, found.at_best) == ("S", 5, "S")
        assert found.at_worst in ("B", "C", "D")
        assert found.interval is not None
        assert found.interval.method == "on these tasks"
    assert card(grading, "a").performance.next_interval is not None


def lower_end_of_jeffreys(passes: int) -> float:
    """Of Beta(passes + 1/2, 1/2), the posterior of a chance whose every trial passed: of its arcsine, as a sum."""
    angles = np.linspace(0.0, np.pi / 2.0, 20_001)
    below = np.cumsum(np.sin(angles) ** (2 * passes))
    return float(np.sin(np.interp(0.025 * below[-1], below, angles)) ** 2)


def test_a_perfect_third_task_takes_no_certainty_away() -> None:
    """Nothing jumps where a method changes: from two tasks to three, from nineteen to twenty.

    On fixed tasks n trials pass no more variably than n of one chance, of which Jeffreys's interval is the exact
    posterior, for every n by one formula. So the lower end stays at his, and no step is larger than his own (0.207 from
    three passes to six, where it is largest), but for the draws' chance.
    """
    for repeats, counts in ((3, range(1, 7)), (1, range(1, 23))):
        low, exact = [], []
        for count in counts:
            names = [f"t{n:02}" for n in range(count)]
            trials = [trial("a", 1.0, task=name, repeat=r) for name in names for r in range(1, repeats + 1)]
            found = card(grade(make_run(["a"], names), trials, ()), "a").performance
            assert found.interval is not None
            low.append(found.interval.low)
            exact.append(lower_end_of_jeffreys(count * repeats))
        assert low == pytest.approx(exact, abs=0.02)
        for (before, after), (least, most) in zip(pairwise(low), pairwise(exact), strict=True):
            assert -0.01 < after - before < most - least + 0.01, (low, exact)


def test_an_interval_holds_its_estimate_and_narrows_with_repeats_and_tasks() -> None:
    def found(tasks: int, repeats: int) -> Grade:
        names = [f"t{n}" for n in range(tasks)]
        trials = [
            trial("a", float((n + r) % 4 > 0), task=name, repeat=r)
            for n, name in enumerate(names)
            for r in range(1, repeats + 1)
        ]
        return card(grade(make_run(["a"], names), trials, ()), "a").performance

    grades = {(t, r): found(t, r) for t, r in ((4, 4), (4, 8), (4, 16), (8, 4), (16, 4))}
    for one in grades.values():
        assert one.interval is not None
        assert one.score == 0.75
        assert one.interval.low < 0.75 < one.interval.high
    assert width(grades[4, 4]) > width(grades[4, 8]) > width(grades[4, 16])
    assert width(grades[4, 4]) > width(grades[8, 4]) > width(grades[16, 4])


def test_the_next_tasks_are_less_sure_than_these() -> None:
    names = [f"t{n}" for n in range(6)]
    trials = [trial("a", float(n % 2), task=name, repeat=r) for n, name in enumerate(names) for r in range(1, 6)]
    found = card(grade(make_run(["a"], names), trials, ()), "a").performance
    assert found.interval is not None
    assert found.next_interval is not None
    assert found.next_interval.high - found.next_interval.low > 1.5 * width(found)
    assert found.next_interval.method == "on the next task like these"


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


def test_the_same_records_give_the_same_ranges() -> None:
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
        assert found.interval.low < found.score < found.interval.high


def test_a_posterior_that_is_there_already_gives_the_same_grades() -> None:
    names = ["t", "u", "v"]
    trials = [trial(a, s, task=t, repeat=r) for a, s in (("a", 1.0), ("b", 0.2)) for t in names for r in (1, 2)]
    run = make_run(["a", "b"], names)
    study = study_trials(run, trials, ())
    assert grade_drawn(run, trials, (), GradingTerms(), study) == grade(run, trials, ())
    bare = grade_drawn(run, trials, (), GradingTerms(), None)
    assert [one.overall.score for one in bare.scorecards] == [
        one.overall.score for one in grade(run, trials, ()).scorecards
    ]
    assert card(bare, "a").overall.interval is None


def test_nothing_measured_has_no_range() -> None:
    grading = grade(make_run(["a"]), (), ())
    assert card(grading, "a").performance.interval is None
    assert (card(grading, "a").rank, grading.order) == (None, ())


def test_a_target_has_a_range_of_its_own() -> None:
    task = Task(id="t", title="t", prompt="p", targets=Targets(seconds=20.0, cost_usd=0.02))
    run = structs.replace(make_run(["a"]), tasks=(task,))
    trials = [trial("a", 1.0, seconds, repeat=r) for r, seconds in enumerate((20.0, 30.0, 40.0, 50.0), start=1)]
    found = card(grade(run, trials, ()), "a")
    for one in (found.speed_absolute, found.cost_absolute):
        assert one.interval is not None
        assert one.score is not None
        assert one.interval.low < one.score <= one.interval.high


def test_the_interval_of_repeats_on_a_scale_holds_the_estimate() -> None:
    slow = [trial("b", 1.0, seconds, repeat=r) for r, seconds in enumerate((18.0, 20.0, 22.0), start=1)]
    found = cell(grade(make_run(["a", "b"]), [trial("a", 1.0, 10.0), *slow], ()), "b").speed.relative
    assert found.score is not None
    assert found.interval is not None
    assert found.interval.low < found.score < found.interval.high
    assert found.at_worst in ("D", "F")  # three passes of three allow that every second fails


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
    assert graded(found.overall) == f"S ({found.overall.at_worst}–S)"
