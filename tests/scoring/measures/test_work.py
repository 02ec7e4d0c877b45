"""Amounts per work done, the anchors of a scale, and the published letters that the scale must reproduce."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from flatfield.scoring.measures.performance import Figures
from flatfield.scoring.measures.scales import Measure, letter_of
from flatfield.scoring.measures.work import MEASURES, find_anchors, per_work, relative_score
from flatfield.tasks.importers.nano_agent_2025_08 import load

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from flatfield.records import Anchors, Letter

pytestmark = pytest.mark.whole


def done(score: float, seconds: float = 1.0, usd: float | None = 0.01) -> Figures:
    return Figures(score=score, seconds=seconds, usd=usd)


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


def test_a_trial_of_unknown_price_counts_as_dear_as_the_others() -> None:
    assert per_work([done(1.0, usd=None), done(0.5, usd=0.3)], "cost") == pytest.approx(0.4)
    assert per_work([done(1.0, usd=0.3), done(0.0, usd=None)], "cost") == pytest.approx(0.6)
    assert per_work([done(0.0, usd=0.3), done(1.0, usd=None)], "cost") == pytest.approx(0.6)


def test_anchors_come_from_agents_that_can_do_the_job() -> None:
    entries = {
        "quick": [done(0.4, 0.1)],
        "good": [done(1.0, 10.0)],
        "slow": [done(0.5, 20.0)],
        "lost": [done(0.1, 500)],
    }
    assert ends(find_anchors("t", "speed", entries)) == (10.0, "good", 40.0, "slow")


def test_anchors_are_amounts_that_agents_are_graded_on() -> None:
    entries = {"a": [done(1.0, 10.0), done(0.0, 300.0)], "b": [done(1.0, 20.0)]}
    assert ends(find_anchors("t", "speed", entries)) == (20.0, "b", 310.0, "a")


def test_without_able_agents_all_set_the_anchors() -> None:
    entries = {"a": [done(0.2, 1.0)], "b": [done(0.1, 1.0)], "c": [done(0.0, 0.1)]}
    assert ends(find_anchors("t", "speed", entries)) == (5.0, "a", 10.0, "b")
    assert find_anchors("t", "speed", {"c": [done(0.0, 0.1)]}) is None


def test_beside_a_free_agent_best_is_the_cheapest_price_or_an_eighth_of_the_dearest() -> None:
    near = {"free": [done(1, usd=0.0)], "x": [done(1, usd=0.5)], "y": [done(1, usd=0.8)]}
    far = near | {"x": [done(1, usd=0.01)]}
    assert ends(find_anchors("t", "cost", near)) == (0.1, "y", 0.8, "y")
    assert ends(find_anchors("t", "cost", far)) == (0.01, "x", 0.8, "y")
    assert relative_score(0.0, find_anchors("t", "cost", near)) == 1.0


def test_one_price_beside_free_agents_is_no_scale() -> None:
    entries = {"free": [done(1, usd=0.0)], "paid": [done(1, usd=0.5)], "free too": [done(1, usd=0.0)]}
    alone = find_anchors("t", "cost", entries)
    assert ends(alone) == (0.0, "free", 0.5, "paid")
    assert [relative_score(usd, alone) for usd in (0.0, 0.0009, 0.001, 0.5, math.inf)] == [1.0, 1.0, None, None, 0.0]
    aimed = find_anchors("t", "cost", entries, 0.25)
    assert letter_of(relative_score(0.5, aimed) or 0.0) == "A"


def test_an_unable_agents_price_beside_free_ones_is_no_f_either() -> None:
    entries = {"free": [done(1, usd=0.0)], "weak": [done(0.4, usd=0.5)]}
    assert relative_score(0.5 / 0.4, find_anchors("t", "cost", entries)) is None


def test_below_a_tenth_of_a_cent_nobody_is_told_apart() -> None:
    found = find_anchors("t", "cost", {"a": [done(1, usd=0.00001)], "b": [done(1, usd=0.00099)], "c": [done(1)]})
    assert [relative_score(usd, found) for usd in (0.00001, 0.00099, 0.01)] == [1.0, 1.0, 0.0]


def test_where_all_are_free_all_are_s() -> None:
    found = find_anchors("t", "cost", {"a": [done(1, usd=0.0)], "b": [done(1, usd=0.0)]})
    assert ends(found) == (0.0, "a", 0.0, "b")
    assert relative_score(0.0, found) == 1.0


Side = Literal["seconds", "usd", "score"]
TRIALS = st.lists(
    st.builds(
        Figures,
        score=st.sampled_from([0.0, 0.25, 0.49, 0.5, 0.9, 1.0]),
        seconds=st.floats(0.1, 1000.0),
        usd=st.one_of(st.sampled_from([0.0, 0.0002, 0.001]), st.floats(0.0001, 10.0)),
    ),
    min_size=1,
    max_size=4,
)
FIELDS = st.lists(TRIALS, min_size=1, max_size=5).map(lambda all_trials: dict(zip("abcde", all_trials, strict=False)))


def lettered(entries: Mapping[str, Sequence[Figures]]) -> dict[tuple[str, Measure], Letter | None]:
    """Everybody's letters on one task's scale."""
    found: dict[tuple[str, Measure], Letter | None] = {}
    for measure in MEASURES:
        anchors = find_anchors("t", measure, entries)
        for agent, figures in entries.items():
            score = relative_score(per_work(figures, measure), anchors)
            found[agent, measure] = None if score is None else letter_of(score)
    return found


def bettered(trial: Figures, side: Side, share: float) -> Figures:
    """The same trial, faster, cheaper or better done by a share."""
    if side == "score":
        return replace(trial, score=trial.score + (1.0 - trial.score) * share)
    if side == "seconds":
        return replace(trial, seconds=(trial.seconds or 0.0) * (1.0 - share))
    return replace(trial, usd=(trial.usd or 0.0) * (1.0 - share))


@given(FIELDS, st.data(), st.sampled_from(("seconds", "usd", "score")), st.floats(0.0, 0.99))
def test_who_gets_faster_cheaper_or_better_never_gets_a_worse_letter(
    entries: dict[str, list[Figures]], data: st.DataObject, side: Side, share: float
) -> None:
    agent = data.draw(st.sampled_from(sorted(entries)))
    which = data.draw(st.integers(0, len(entries[agent]) - 1))
    after = entries | {agent: list(entries[agent])}
    after[agent][which] = bettered(after[agent][which], side, share)
    old, new = lettered(entries), lettered(after)
    for measure in MEASURES:
        before, now = old[agent, measure], new[agent, measure]
        if before and now:
            assert "SABCDF".index(now) <= "SABCDF".index(before)


@given(TRIALS)
def test_who_did_the_work_alone_is_s(trials: list[Figures]) -> None:
    done_any = any(trial.score > 0.0 for trial in trials)
    assert set(lettered({"alone": trials}).values()) == ({"S"} if done_any else {"F"})


@given(FIELDS, st.randoms(use_true_random=False))
def test_letters_know_nothing_of_order_and_names(entries: dict[str, list[Figures]], chance: random.Random) -> None:
    plain = lettered(entries)
    agents = sorted(entries)
    chance.shuffle(agents)
    names = {agent: f"{chance.random():.6f}-{agent}" for agent in agents}
    mixed = {names[agent]: chance.sample(entries[agent], len(entries[agent])) for agent in agents}
    assert {(names[agent], measure): letter for (agent, measure), letter in plain.items()} == lettered(mixed)


@given(FIELDS, st.sampled_from([0.001, 0.01, 60.0, 1000.0]))
def test_letters_of_speed_know_no_unit(entries: dict[str, list[Figures]], factor: float) -> None:
    scaled = {a: [replace(t, seconds=(t.seconds or 0.0) * factor) for t in trials] for a, trials in entries.items()}
    plain, other = lettered(entries), lettered(scaled)
    assert all(plain[agent, "speed"] == other[agent, "speed"] for agent in entries)


@pytest.mark.parametrize(("quick", "letter"), [(60.0, "F"), (40.0, "F"), (20.0, "F"), (10.0, "D")])
def test_beside_a_trial_that_a_limit_ended_a_faster_one_never_makes_the_letter_worse(quick: float, letter: str) -> None:
    ended = [done(1.0, quick), done(0.0, 300.0)]
    assert lettered({"alone": ended})["alone", "speed"] == "S"
    both = lettered({"a": ended, "b": [done(1.0, 60.0), done(1.0, 60.0)]})
    assert (both["a", "speed"], both["b", "speed"]) == (letter, "S")


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
