"""The answer, and how sure it is: on the published runs, with gaps, limits, money and moved weights."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from msgspec.structs import replace

from flatfield.records import RunResult, Weights
from flatfield.scoring.certainty import choice
from flatfield.scoring.certainty.plan import least_difference, power
from flatfield.scoring.certainty.posterior import score_of
from flatfield.scoring.certainty.rates import rising
from flatfield.scoring.certainty.study import Study, by_preference, cells, certainty, compare, study, study_run
from flatfield.scoring.certainty.utility import overall
from flatfield.scoring.certainty.values import Ask, Bounds, Money
from flatfield.scoring.grading import grade
from flatfield.scoring.scales import letter_of, score_at
from flatfield.tasks.importers.nano_agent_2025_08 import load
from tests.scoring.certainty.made_up import observations, studied

pytestmark = pytest.mark.whole

PERFORMANCE = Weights(performance=1.0, speed=0.0, cost=0.0)


@cache
def published() -> Study:
    imported = load()
    grading = grade(imported.run, imported.trials, ())
    found = study_run(RunResult(run=imported.run, trials=imported.trials, verdicts=(), grading=grading))
    assert found is not None
    return found


def test_the_published_nine_have_an_answer() -> None:
    found = certainty(published())
    first = found.standings[0]
    assert (found.answer, found.runner_up) == ("gpt-5-nano", "claude-3-haiku")
    assert 0.4 < first.best < 0.8
    assert first.regret.mean < 0.05
    assert first.rank[0] == 1
    assert first.front > 0.95
    assert sum(one.share for one in found.standings) == pytest.approx(1.0)
    assert all(one.best < 0.02 for one in found.standings if one.agent.startswith(("claude-opus", "gpt-oss")))


def test_a_weight_that_moves_far_enough_changes_the_answer() -> None:
    speed = next(one for one in certainty(published()).reaches if one.weight == "speed")
    assert speed.above == "claude-3-haiku"
    moved = 1.0 - speed.high
    beyond = Weights(performance=moved * 2 / 3, speed=speed.high + 0.03, cost=moved / 3)
    within = Weights(performance=moved * 2 / 3 + 0.02, speed=speed.high - 0.03, cost=moved / 3 + 0.01)
    assert certainty(published(), Ask(measure=beyond)).answer == "claude-3-haiku"
    assert certainty(published(), Ask(measure=within)).answer == "gpt-5-nano"


def test_every_step_of_a_weight_is_the_mean_of_what_overall_says_there() -> None:
    """Also where the cap of who fails takes from some draws and not from others."""
    drawn = np.random.default_rng(3).random((3, 400, 4))
    drawn[1, :3] = drawn[0, :3]
    performance, speed, cost = drawn
    means = replace(published().posterior.next, performance=performance, speed=speed, cost=cost)
    for now, which, end in (((0.5, 0.25, 0.25), 0, 0.0), ((0.5, 0.25, 0.25), 1, 1.0), ((0.0, 1.0, 0.0), 1, 0.0)):
        steps = np.linspace(now[which], end, 7)
        found = choice.averages(means, choice.with_share(now, which, 0.0), which, steps)
        one_by_one = [overall(means, choice.with_share(now, which, step)).mean(axis=0) for step in steps.tolist()]
        np.testing.assert_allclose(found, one_by_one, atol=1e-12)


def test_a_weight_of_what_nobody_measured_changes_nothing() -> None:
    untimed = study(
        [replace(one, seconds=None, wait_seconds=None) for one in published().observations],
        published().posterior.agents,
        published().table.tasks,
    )
    assert untimed is not None
    found = certainty(untimed, Ask(measure=Weights(performance=0.75, speed=0.0, cost=0.25)))
    assert [one.weight for one in found.reaches] == ["performance", "cost"]


def test_scores_of_positions_and_counts_of_passes_are_those_of_their_formulas() -> None:
    places = np.asarray([-0.2, 0.0, 0.02, 0.05, 0.13, 0.2, 0.31, 0.4, 0.6, 0.77, 0.8, 0.93, 1.0, 7.0])
    np.testing.assert_allclose(score_of(places), [score_at(place) for place in places.tolist()], atol=1e-6)
    x, n = np.asarray([0.01, 0.6, 3.0, 250.0]), np.asarray([[0.0], [1.0], [4.0], [2.5], [40.0]])
    exact = [[math.lgamma(a + b) - math.lgamma(a) for a in x.tolist()] for (b,) in n.tolist()]
    np.testing.assert_allclose(rising(x, n), exact, atol=1e-5)
    np.testing.assert_allclose(rising(x, n[:3]), exact[:3], atol=1e-9)


def test_cells_have_letters_with_a_range() -> None:
    found = cells(published())
    one = found["gpt-5-nano", "3_file_operations"]
    assert len(found) == 45
    assert letter_of(one.performance.high) == "S"
    assert 0.7 < one.performance.low < 0.85
    assert found["claude-3-haiku", "1_dummy"].speed.mean > found["gpt-oss-120b", "1_dummy"].speed.mean


def test_a_clear_lead_is_clear() -> None:
    found = certainty(studied({"good": [[1.0] * 3] * 8, "bad": [[0.0, 1.0, 0.0]] * 8}), Ask(measure=PERFORMANCE))
    assert found.answer == "good"
    assert found.standings[0].best > 0.99
    assert found.standings[0].regret.worst < 0.01
    assert found.pairs[0].apart
    assert (
        compare(studied({"good": [[1.0] * 3] * 8, "bad": [[0.0] * 3] * 8}), "bad", "good", "these").probability < 0.01
    )


def test_equal_agents_share_being_best() -> None:
    same = [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
    found = certainty(studied({"a": same, "b": same}), Ask(measure=PERFORMANCE))
    assert [one.share for one in found.standings] == pytest.approx([0.5, 0.5], abs=0.05)
    assert not found.pairs[0].apart


def drawn_as(performance: dict[str, list[float]], **amounts: dict[str, float]) -> Study:
    """A study whose draws of performance on the next task are these, over and over."""
    found = studied({name: [[1.0]] * 4 for name in performance}, **amounts)
    rows = [performance[name] for name in found.posterior.agents]
    draws = len(found.posterior.next.performance)
    values = np.asarray([np.resize(row, draws) for row in rows]).T
    return replace(found, posterior=replace(found.posterior, next=replace(found.posterior.next, performance=values)))


def test_of_those_as_good_on_average_the_most_probable_one_is_the_answer() -> None:
    """`risky` is 0.004 behind on average, and the best in three draws of five; `behind` is too far behind."""
    draws = {"steady": [0.8] * 5, "risky": [1.0, 1.0, 1.0, 0.49, 0.49], "behind": [0.99, 0.99, 0.99, 0.48, 0.48]}
    for order in (list(draws), list(reversed(draws))):
        found = certainty(drawn_as({name: draws[name] for name in order}), Ask(measure=PERFORMANCE))
        assert [one.agent for one in found.standings] == ["risky", "steady", "behind"]
        assert [round(one.best, 2) for one in found.standings] == [0.6, 0.4, 0.6]
        assert (found.answer, found.runner_up) == ("risky", "behind")


def test_of_those_as_good_and_as_probable_the_cheaper_then_the_faster_then_the_first_name_is_the_answer() -> None:
    alike = {"b": [0.8], "a": [0.8], "c": [0.8]}
    ask = Ask(measure=PERFORMANCE)
    assert certainty(drawn_as(alike, usd={"c": 0.01}), ask).answer == "c"
    assert certainty(drawn_as(alike, usd={"c": 0.0, "b": 0.01}), ask).answer == "c"
    assert certainty(drawn_as(alike, seconds={"b": 1.0}), ask).answer == "b"
    assert certainty(drawn_as(alike), ask).answer == "a"


def test_a_name_decides_between_equals_alone() -> None:
    """The last two have the same mean, and did different tasks."""
    scores = {"a": [[0.0], [0.0]], "d": [[0.0], [0.2]], "c": [[0.5], [0.0]], "b": [[0.0], [0.5]], "e": [[0.5], [0.0]]}
    found = studied(scores)
    places = dict(zip(found.table.agents, by_preference(found), strict=True))
    assert sorted(places, key=places.__getitem__) == ["c", "e", "b", "d", "a"]


def test_who_lacks_trials_never_stands_above_who_did_as_well() -> None:
    found = studied({"gap": [[1.0], [1.0], [1.0], []], "whole": [[1.0]] * 4}, seconds={"gap": 1.0, "whole": 30.0})
    answered = certainty(found)
    assert answered.answer == "whole"
    assert [one.missing for one in answered.standings] == [0, 1]


def test_whether_missing_trials_could_change_the_answer_is_said() -> None:
    scores = {"gap": [[1.0], [1.0], [1.0], [], []], "steady": [[1.0], [1.0], [0.0], [1.0], [1.0]]}
    found = certainty(studied(scores), Ask(measure=PERFORMANCE))
    assert found.answer == "gap"
    assert found.if_missing_fail == "steady"
    whole = certainty(studied({"a": [[1.0]] * 4, "b": [[0.0]] * 4}))
    assert (whole.answer, whole.if_missing_fail) == ("a", "a")


def test_nobody_who_fails_is_recommended_where_another_does_the_job() -> None:
    scores = {"able": [[1.0]] * 10, "cheap": [[1.0], *[[0.0]] * 9]}
    amounts = {"seconds": {"able": 500.0, "cheap": 1.0}, "usd": {"able": 5.0, "cheap": 0.01}}
    assert (
        certainty(studied(scores, **amounts), Ask(measure=Weights(performance=0.1, speed=1.0, cost=1.0))).answer
        == "able"
    )
    limited = certainty(studied(scores, **amounts), Ask(bounds=Bounds(max_usd=0.5)))
    assert limited.answer is None
    assert {one.agent: one.allowed for one in limited.standings} == {"able": False, "cheap": True}


def test_limits_are_met_with_a_probability() -> None:
    scores = {"quick": [[1.0], [0.0], [1.0], [1.0]], "slow": [[1.0]] * 4}
    found = studied(scores, seconds={"quick": 2.0, "slow": 100.0})
    asked = certainty(found, Ask(bounds=Bounds(max_seconds=20.0)))
    by_name = {one.agent: one for one in asked.standings}
    assert asked.answer == "quick"
    assert by_name["quick"].within > 0.95
    assert by_name["slow"].within < 0.05
    assert [by_name["quick"].best, by_name["slow"].best] == [1.0, 0.0]
    surer = certainty(found, Ask(bounds=Bounds(min_performance=0.7, least_probability=0.95)))
    assert 0.2 < {one.agent: one for one in surer.standings}["quick"].within < 0.8
    assert surer.answer is None


def test_money_weighs_what_is_solved_against_dollars_and_waiting() -> None:
    scores = {"strong": [[1.0]] * 10, "weak": [[1.0], [0.0]] * 5}
    found = studied(scores, seconds={"strong": 600.0, "weak": 10.0}, usd={"strong": 1.0, "weak": 0.01})
    assert certainty(found, Ask(measure=Money(solved_usd=20.0))).answer == "strong"
    assert certainty(found, Ask(measure=Money(solved_usd=1.0))).answer == "weak"
    assert certainty(found, Ask(measure=Money(solved_usd=20.0, hour_usd=200.0))).answer == "weak"
    none = certainty(found, Ask(measure=Money(solved_usd=0.001, hour_usd=10.0)))
    assert (none.answer, none.pays) == (None, False)


def test_what_a_worth_moves_to_is_where_the_answer_changes() -> None:
    scores = {"strong": [[1.0]] * 10, "weak": [[1.0], [0.0]] * 5}
    found = studied(scores, seconds={"strong": 600.0, "weak": 10.0}, usd={"strong": 1.0, "weak": 0.01})
    solved, hour = certainty(found, Ask(measure=Money(solved_usd=20.0))).reaches
    assert (solved.weight, solved.now, solved.below, solved.above) == ("solved_usd", 20.0, "weak", None)
    assert (hour.weight, hour.now, hour.low, hour.below, hour.above) == ("hour_usd", 0.0, 0.0, None, "weak")
    for within, beyond in (
        (Money(solved_usd=solved.low * 1.001), Money(solved_usd=solved.low * 0.97)),
        (Money(solved_usd=20.0, hour_usd=hour.high * 0.999), Money(solved_usd=20.0, hour_usd=hour.high * 1.03)),
    ):
        assert certainty(found, Ask(measure=within)).answer == "strong"
        assert certainty(found, Ask(measure=beyond)).answer == "weak"


def test_half_of_a_task_is_not_solved() -> None:
    found = studied({"half": [[0.6]] * 8, "whole": [[1.0], [1.0], [0.0], [0.0]] * 2})
    half = found.posterior.agents.index("half")
    assert found.posterior.next.solved[:, half].mean() < 0.1
    assert certainty(found, Ask(measure=Money(solved_usd=10.0))).answer == "whole"


def test_an_unknown_price_excludes_nobody() -> None:
    scores = {"a": [[1.0]] * 6, "b": [[1.0], [0.0]] * 3, "unpriced": [[1.0]] * 6}
    found = studied(scores, usd={"a": 0.05, "b": 0.02, "unpriced": None})
    said = {one.agent: one for one in certainty(found).standings}
    known, unknown = said["a"].next.usd, said["unpriced"].next.usd
    assert known is not None
    assert unknown is not None
    assert unknown.high / unknown.low > 3 * known.high / known.low
    assert said["unpriced"].best > 0.05
    nobody = studied(scores, usd=dict.fromkeys(scores, None))
    assert nobody.posterior.next.cost is None
    assert certainty(nobody).standings[0].next.usd is None


def test_what_is_free_costs_nothing_and_one_price_beside_it_has_no_scale() -> None:
    scores = {"free": [[1.0]] * 4, "dear": [[1.0]] * 4, "dearer": [[1.0]] * 4}
    three = certainty(studied(scores, usd={"free": 0.0, "dear": 0.1, "dearer": 0.3}))
    costs = {one.agent: one.next.cost for one in three.standings}
    assert costs["free"] is not None
    assert costs["free"].low == 1.0
    assert costs["dear"] is not None
    assert 0.1 < costs["dear"].mean < 0.9
    two = studied({"free": [[1.0]] * 4, "dear": [[1.0]] * 4}, usd={"free": 0.0, "dear": 0.1})
    assert two.posterior.next.cost is None
    assert studied({"x": [[1.0]], "y": [[1.0]]}, usd={"x": 0.0, "y": 0.0}).posterior.next.cost is not None


def test_who_scored_nothing_is_as_far_from_an_f_on_speed_and_cost_as_its_score_may_be() -> None:
    """Neither a price of $0 nor speed is of use to who does no work."""
    scores = {"idle": [[0.0]] * 5, "good": [[1.0]] * 5, "fair": [[1.0], [0.0], [1.0], [1.0], [1.0]]}
    usd = {"idle": 0.0, "good": 0.1, "fair": 0.3}
    found = studied(scores, usd=usd, seconds={"idle": 1.0})
    idle = {one.agent: one for one in certainty(found).standings}["idle"]
    for levels in (idle.these, idle.next):
        assert levels.cost is not None
        assert levels.cost.high < 0.65
        assert levels.speed.high < 0.65
        assert levels.cost.low < 0.05
    assert idle.these.cost is not None
    assert idle.these.cost.high == pytest.approx(idle.these.performance.high)
    ends = found.ends.cells["cost", False][found.table.agents.index("idle")]
    np.testing.assert_allclose(ends, found.ends.cells["performance", False][found.table.agents.index("idle")])
    more = studied({**scores, "idle": [[0.0] * 8] * 5}, usd=usd)
    again = {one.agent: one for one in certainty(more).standings}["idle"].these.cost
    assert again is not None
    assert again.high < idle.these.cost.high / 2


def test_who_is_free_and_did_some_work_is_an_s_there_alone() -> None:
    scores = {"free": [[1.0], [1.0], [0.0], [1.0]], "dear": [[1.0]] * 4, "dearer": [[1.0]] * 4}
    found = studied(scores, usd={"free": 0.0, "dear": 0.1, "dearer": 0.3})
    ends = found.ends.cells["cost", False][found.table.agents.index("free")]
    assert (ends[[0, 1, 3]] == 1.0).all()
    assert ends[2, 1] < 1.0
    cost = {one.agent: one for one in certainty(found).standings}["free"].these.cost
    assert cost is not None
    assert 0.75 <= cost.low < cost.high < 1.0


def test_one_trial_of_one_agent_is_an_answer() -> None:
    found = certainty(studied({"only": [[1.0]]}))
    assert (found.answer, found.runner_up, found.purchases) == ("only", None, ())
    assert found.standings[0].next.performance.low < 0.4


def test_nothing_measured_is_no_study() -> None:
    assert study([], ["a"], ["t"]) is None


def test_what_to_buy_next_is_for_those_between_whom_it_is_open() -> None:
    scores = {"a": [[1.0], [0.0], [1.0], [1.0]] * 2, "b": [[1.0], [1.0], [0.0], [1.0]] * 2, "out": [[0.0]] * 8}
    found = certainty(studied(scores), Ask(measure=PERFORMANCE))
    assert found.purchases
    assert all("out" not in one.agents for one in found.purchases)
    assert all(one.gain > 0.0 and one.trials >= one.each for one in found.purchases)
    sure = certainty(studied({"a": [[1.0] * 4] * 12, "out": [[0.0] * 4] * 12}), Ask(measure=PERFORMANCE))
    assert sure.purchases == ()


def test_a_gap_is_offered_to_be_filled() -> None:
    scores = {"a": [[1.0]] * 8, "b": [[1.0]] * 4 + [[]] * 4}
    kinds = [one.kind for one in certainty(studied(scores), Ask(measure=PERFORMANCE)).purchases]
    assert "missing" in kinds


def test_power_grows_with_trials() -> None:
    found = studied({"a": [[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]], "b": [[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]})
    powers = [power(found.posterior, (0, 1), "these", times) for times in (1.0, 2.0, 8.0, 100.0)]
    assert powers == sorted(powers)
    assert powers[0] < 0.8
    assert powers[-1] > 0.9
    assert least_difference(25, 5, "these") < least_difference(25, 5, "next") < least_difference(5, 5, "next")


def test_observations_leave_out_what_was_not_measured() -> None:
    assert len(published().observations) == 45
    assert {one.solved for one in published().observations} == {True, False}
    assert len(observations({"a": [[1.0], []]})) == 1


def test_frozen_scales_keep_an_agents_score_when_another_is_added() -> None:
    from flatfield.records import Anchors

    scores = {"a": [[1.0] * 4] * 6, "b": [[1.0] * 4] * 6}
    seconds = {"a": 20.0, "b": 60.0, "quick": 1.0}
    found = observations({**scores, "quick": scores["a"]}, seconds)
    tasks = sorted({one.task for one in found})
    anchors = [Anchors(task=task, measure="speed", best=20.0, worst=160.0) for task in tasks]
    two, three = study(found, ["a", "b"], tasks, None, anchors), study(found, list(seconds), tasks, None, anchors)
    own = study(found, list(seconds), tasks)
    assert two is not None
    assert three is not None
    assert own is not None
    speeds = [certainty(one).standings for one in (two, three, own)]
    before, after, relative = (next(s for s in each if s.agent == "a").these.speed.mean for each in speeds)
    assert after == pytest.approx(before, abs=0.05)
    assert relative < before - 0.3


def test_an_imported_run_is_studied_by_its_records() -> None:
    found = published()
    assert len(found.posterior.agents) == 9
    assert set(found.planned.values()) == {1}
