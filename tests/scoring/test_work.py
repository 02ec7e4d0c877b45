"""Amounts per work done, the anchors of a scale, and the published letters that the scale must reproduce."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from flatfield.scoring.performance import Figures
from flatfield.scoring.scales import Measure, letter_of
from flatfield.scoring.work import find_anchors, per_work, relative_score
from flatfield.tasks.importers.nano_agent_2025_08 import load

if TYPE_CHECKING:
    from flatfield.records import Anchors


def done(score: float, seconds: float = 1.0, usd: float | None = 0.01, *, limited: bool = False) -> Figures:
    return Figures(score=score, seconds=seconds, usd=usd, limited=limited)


def ends(found: Anchors | None) -> tuple[float, str, float, str]:
    assert found is not None
    return round(found.best, 9), found.best_agent, round(found.worst, 9), found.worst_agent


def test_amounts_are_per_work_done() -> None:
    figures = [done(1.0, 10.0, 0.02), done(0.5, 20.0, 0.04)]
    assert per_work(figures, "speed") == 20.0
    assert per_work(figures, "cost") == pytest.approx(0.04)


def test_no_work_is_infinite_no_trial_and_no_price_is_unknown() -> None:
    assert per_work([done(0.0, usd=0.0)], "cost") == math.inf
    assert per_work([], "speed") is None
    assert per_work([done(1.0, usd=None)], "cost") is None
    assert per_work([done(1.0, usd=None), done(0.5, usd=0.3)], "cost") == pytest.approx(0.6)


def test_anchors_come_from_agents_that_can_do_the_job() -> None:
    entries = {
        "quick": [done(0.4, 0.1)],
        "good": [done(1.0, 10.0)],
        "slow": [done(0.5, 20.0)],
        "lost": [done(0.1, 500)],
    }
    assert ends(find_anchors("t", "speed", entries)) == (10.0, "good", 40.0, "slow")


def test_trials_that_a_limit_ended_set_no_anchor() -> None:
    entries = {"a": [done(1.0, 10.0), done(1.0, 300.0, limited=True)], "b": [done(1.0, 20.0)]}
    assert ends(find_anchors("t", "speed", entries)) == (10.0, "a", 20.0, "b")


def test_without_able_agents_all_set_the_anchors() -> None:
    entries = {"a": [done(0.2, 1.0, limited=True)], "b": [done(0.1, 1.0)], "c": [done(0.0, 0.1)]}
    assert ends(find_anchors("t", "speed", entries)) == (5.0, "a", 10.0, "b")
    assert find_anchors("t", "speed", {"c": [done(0.0, 0.1)]}) is None


def test_beside_a_free_agent_best_is_the_cheapest_price_or_an_eighth_of_the_dearest() -> None:
    near = {"free": [done(1, usd=0.0)], "x": [done(1, usd=0.5)], "y": [done(1, usd=0.8)]}
    far = near | {"x": [done(1, usd=0.01)]}
    assert ends(find_anchors("t", "cost", near)) == (0.1, "y", 0.8, "y")
    assert ends(find_anchors("t", "cost", far)) == (0.01, "x", 0.8, "y")
    assert relative_score(0.0, find_anchors("t", "cost", near)) == 1.0


def test_where_all_are_free_all_are_s() -> None:
    found = find_anchors("t", "cost", {"a": [done(1, usd=0.0)], "b": [done(1, usd=0.0)]})
    assert ends(found) == (0.0, "a", 0.0, "b")
    assert relative_score(0.0, found) == 1.0


def test_the_scale_gives_the_published_letters() -> None:
    trials = load().trials
    steps: list[int] = []
    for measure, amount in (("speed", "seconds"), ("cost", "cost_usd")):
        kind: Measure = "speed" if measure == "speed" else "cost"
        for task in dict.fromkeys(trial.task for trial in trials):
            cells = {t.agent: t.published for t in trials if t.task == task and t.published[amount] is not None}
            entries = {a: [done(1.0, p["seconds"], p["cost_usd"])] for a, p in cells.items()}
            anchors = find_anchors(task, kind, entries)
            for agent, published in cells.items():
                score = relative_score(per_work(entries[agent], kind), anchors)
                assert score is not None
                letters = "SABCDF"
                steps.append(letters.index(letter_of(score)) - letters.index(published[measure].replace("E", "F")))
    assert (len(steps), steps.count(0), sum(abs(step) <= 1 for step in steps)) == (89, 62, 84)
