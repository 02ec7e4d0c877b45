"""Grades from records: who counts, per work done, anchors, certainty, ranks, and the laws of the scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from flatfield.records import (
    AgentConfig,
    Anchors,
    Cell,
    Check,
    Evaluation,
    Failure,
    Grading,
    Run,
    Scorecard,
    Targets,
    Task,
    TrialRecord,
    Usage,
    VerifierSpec,
    Weights,
)
from flatfield.scoring.grading import GradingTerms, grade, grade_drawn
from flatfield.testing.trials import a_trial

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.whole

ANSWER = VerifierSpec(kind="answer", options={"contains": "x"})


def make_run(agents: Sequence[str | AgentConfig], tasks: Sequence[str | Task] = ("t",), **fields: Any) -> Run:
    plain = Run(
        id="20260101-000000-abcd",
        created_at="2026-01-01T00:00:00+00:00",
        evaluation=Evaluation(),
        tasks=tuple(Task(id=t, title=t, prompt=t, verifiers=(ANSWER,)) if isinstance(t, str) else t for t in tasks),
        agents=tuple(AgentConfig(name=a, provider="openai", model=a) if isinstance(a, str) else a for a in agents),
        repeats={},
    )
    return msgspec.structs.replace(plain, **fields)


def trial(
    agent: str, score: float | None, seconds: float = 1.0, usd: float | None = 0.01, **fields: Any
) -> TrialRecord:
    plain = a_trial(
        agent,
        run="20260101-000000-abcd",
        active_seconds=seconds,
        wall_seconds=seconds + 1,
        cost_usd=usd,
        checks=(Check(verifier="answer", label="answer", score=score, reason="as told"),),
    )
    return msgspec.structs.replace(plain, **fields)


def cell(grading: Grading, agent: str, task: str = "t") -> Cell:
    return next(item for item in grading.cells if (item.agent, item.task) == (agent, task))


def card(grading: Grading, agent: str) -> Scorecard:
    return next(item for item in grading.scorecards if item.agent == agent)


@pytest.mark.parametrize("tasks", [1, 3, 20, 25])
@pytest.mark.parametrize("agents", [(), ("oracle", "noop")])
def test_where_nobody_is_ranked_there_are_still_grades(agents: tuple[str, ...], tasks: int) -> None:
    names = [f"t{number}" for number in range(tasks)]
    run = make_run([AgentConfig(name=name, provider=name) for name in agents], names)
    grading = grade(run, [trial(agent, 1.0, task=name) for agent in agents for name in names], ())
    assert [card.performance.score for card in grading.scorecards] == [1.0] * len(agents)
    assert all(card.rank is None for card in grading.scorecards)


def test_a_failed_trial_is_not_a_zero() -> None:
    failed = trial("a", 0.0, 99.0, repeat=2, failure=Failure(kind="provider", message="server down"))
    grading = grade(make_run(["a"], repeats={"t": 2}), [trial("a", 1.0, 2.0), failed], ())
    found = cell(grading, "a")
    assert (found.n, found.planned, found.performance.score, found.active_seconds) == (1, 2, 1.0, 2.0)
    assert card(grading, "a").trials == 2
    assert card(grading, "a").measured == 1
    assert "1 trial not measured (a): server down" in grading.notes


def test_without_verifier_and_judge_there_is_no_overall() -> None:
    task = Task(id="t", title="t", prompt="p", rubric="be right")
    grading = grade(make_run(["a"], [task]), [trial("a", 0, checks=())], ())
    found = card(grading, "a")
    assert (found.performance.letter, found.speed.letter, found.overall.letter) == (None, None, None)
    assert "not measured" in found.overall.note
    assert found.active_seconds == 1.0


# ------------------------------------------------------------------ speed and cost


def test_speed_and_cost_are_per_work_done() -> None:
    trials = [trial("a", 1.0, 10.0), trial("a", 0.5, 20.0, 0.05, repeat=2), trial("b", 1.0, 40.0, 0.08)]
    found = cell(grade(make_run(["a", "b"]), trials, ()), "a")
    assert found.speed.per_work == pytest.approx(20.0)
    assert found.cost.per_work == pytest.approx(0.04)
    assert (found.speed.ratio, found.speed.relative.letter) == (1.0, "S")
    assert found.active_seconds == 15.0
    assert found.cost_usd == pytest.approx(0.03)


def test_scoring_nothing_is_f_on_both_scales_even_for_free() -> None:
    task = Task(id="t", title="t", prompt="p", targets=Targets(seconds=100.0, cost_usd=1.0))
    grading = grade(make_run(["a", "b"], [task]), [trial("a", 0.0, 0.1, 0.0), trial("b", 1.0, 50.0)], ())
    found = cell(grading, "a")
    assert [found.speed.relative.letter, found.cost.relative.letter] == ["F", "F"]
    assert [found.speed.absolute.letter, found.cost.absolute.letter] == ["F", "F"]
    assert card(grading, "a").overall.score == 0.0


def test_anchors_come_from_agents_that_can_do_the_job_and_are_named() -> None:
    trials = [
        trial("quick", 0.4, 0.1, 0.0001),
        trial("good", 1.0, 10.0, 0.01),
        trial("slow", 0.5, 20.0, 0.02),
        trial("lost", 0.1, 500.0, 5.0),
    ]
    grading = grade(make_run(["quick", "good", "slow", "lost"]), trials, ())
    speed = next(item for item in grading.anchors if item.measure == "speed")
    assert (speed.best, speed.best_agent, speed.worst, speed.worst_agent) == (10.0, "good", 40.0, "slow")
    assert cell(grading, "quick").speed.relative.letter == "S"
    assert cell(grading, "lost").speed.relative.letter == "F"


def test_an_unknown_price_leaves_cost_out_for_all() -> None:
    trials = [trial("a", 1.0, 1.0, None), trial("b", 1.0, 2.0)]
    grading = grade(make_run(["a", "b"]), trials, ())
    found = card(grading, "a")
    assert (found.cost.score, found.cost.lacks, found.cost_usd) == (None, "price", None)
    assert (grading.unpriced, grading.without_scale, grading.weights.cost) == (("a",), (), 0.0)
    assert (found.overall.score, grading.order) == (1.0, ("a", "b"))
    assert card(grading, "b").cost.letter == "S"
    assert card(grading, "b").overall.score == pytest.approx((2 + 0.75) / 3)
    dollars_alone = grade(make_run(["a", "b"]), trials, (), weights=Weights(performance=0.0, speed=0.0, cost=1.0))
    assert (dollars_alone.order, dollars_alone.unpriced) == (("b",), ())


def test_one_price_beside_free_agents_is_no_f() -> None:
    trials = [trial("free", 1.0, 20.0, 0.0), trial("paid", 1.0, 1.0, 0.5)]
    grading = grade(make_run(["free", "paid"]), trials, ())
    assert (grading.without_scale, grading.unpriced, grading.order) == (("paid",), (), ("paid", "free"))
    paid = cell(grading, "paid").cost
    assert (paid.per_work, paid.relative.letter, paid.relative.lacks, paid.ratio) == (0.5, None, "scale", None)
    aimed = Task(id="t", title="t", prompt="t", verifiers=(ANSWER,), targets=Targets(cost_usd=0.25))
    second = grade(make_run(["free", "paid"], [aimed]), trials, ())
    assert cell(second, "paid").cost.relative.letter == "A"
    assert (second.without_scale, second.weights) == ((), Weights())


def test_one_unknown_price_among_many_is_said_and_hurts_nobody() -> None:
    names = [f"t{number}" for number in range(5)]
    trials = [trial(agent, 1.0, usd=0.02, task=name) for agent in "ab" for name in names]
    trials[0] = replace(trials[0], cost_usd=None)
    found = card(grade(make_run(["a", "b"], names), trials, ()), "a")
    assert (found.cost.letter, found.cost.note, found.priced, found.ran) == ("S", "cost known on 4 of 5 trials", 4, 5)
    assert found.known_usd == pytest.approx(0.08)


def test_device_time_is_what_cost_is_graded_on_when_it_has_a_price() -> None:
    own = AgentConfig(name="own", provider="local", usd_per_hour=3.6)
    trials = [trial("own", 1.0, 100.0, 0.0), trial("b", 1.0, 1.0, 0.1)]
    grading = grade(make_run([own, "b"]), trials, ())
    assert cell(grading, "own").cost.per_work == pytest.approx(0.1)
    assert card(grading, "own").device_cost_usd == pytest.approx(0.1)
    assert card(grading, "own").cost_usd == 0.0
    assert card(grading, "b").device_cost_usd is None


def test_the_absolute_scale_needs_no_other_agent() -> None:
    task = Task(id="t", title="t", prompt="p", targets=Targets(seconds=20.0))
    grading = grade(make_run(["a"], [task]), [trial("a", 0.5, 20.0)], ())
    assert cell(grading, "a").speed.absolute.letter == "A"
    assert cell(grading, "a").cost.absolute.note == "no target"
    assert card(grading, "a").speed_absolute.letter == "A"


def test_controls_are_on_no_scale_and_have_no_rank() -> None:
    run = make_run([AgentConfig(name="oracle", provider="oracle"), "a", "b"])
    grading = grade(run, [trial("oracle", 1.0, 0.001, 0.0), trial("a", 1.0, 10.0), trial("b", 1.0, 20.0)], ())
    found = card(grading, "oracle")
    assert (found.control, found.rank, found.overall.score, found.speed.score) == (True, None, None, None)
    assert found.performance.score == 1.0
    assert cell(grading, "a").speed.relative.score == 1.0


def test_scores_are_averaged_over_tasks_each_counting_once() -> None:
    trials = [trial("a", 1.0, repeat=n) for n in (1, 2, 3)] + [trial("a", 0.0, task="u")]
    found = card(grade(make_run(["a"], ["t", "u"]), trials, ()), "a")
    assert (found.performance.score, found.performance.n) == (0.5, 4)


def test_totals_stand_beside_and_the_highest_level_is_told() -> None:
    tasks = [Task(id=name, title=name, prompt="p", level=level) for name, level in (("t", 1), ("u", 2), ("v", 3))]
    usage = Usage(input_tokens=10, output_tokens=5)
    trials = [trial("a", score, 2.0, task=name, usage=usage) for name, score in (("t", 1.0), ("u", 0.5), ("v", 0.2))]
    found = card(grade(make_run(["a"], tasks), trials, ()), "a")
    assert (found.highest_level, found.input_tokens, found.output_tokens) == (2, 30, 15)
    assert (found.active_seconds, found.wall_seconds) == (6.0, 9.0)
    assert found.cost_usd == pytest.approx(0.03)


# ------------------------------------------------------------------ laws

AMOUNTS = st.floats(0.01, 1000.0)
SCORES = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0])
FIELD = st.lists(st.tuples(SCORES, AMOUNTS, AMOUNTS | st.just(0.0)), min_size=2, max_size=5)


def scored(run: Run, trials: Sequence[TrialRecord], anchors: Sequence[Anchors] = ()) -> Grading:
    """Without draws: which score and letter a figure gets does not depend on them."""
    return grade_drawn(run, trials, (), GradingTerms(anchors=tuple(anchors)), None)


def field(figures: Sequence[tuple[float, float, float]]) -> tuple[Run, list[TrialRecord]]:
    trials = [trial(f"a{i}", score, seconds, usd) for i, (score, seconds, usd) in enumerate(figures)]
    return make_run([f"a{i}" for i in range(len(figures))]), trials


@given(FIELD, st.floats(1.0, 50.0))
@settings(max_examples=60, deadline=None)
def test_slower_and_dearer_is_never_better(figures: list[tuple[float, float, float]], factor: float) -> None:
    run, trials = field(figures)
    before = cell(scored(run, trials), "a0")
    worse = msgspec.structs.replace(
        trials[0], active_seconds=trials[0].active_seconds * factor, cost_usd=(trials[0].cost_usd or 0.0) * factor
    )
    after = cell(scored(run, [worse, *trials[1:]]), "a0")
    assert (after.speed.relative.score or 0.0) <= (before.speed.relative.score or 0.0)
    assert (after.cost.relative.score or 0.0) <= (before.cost.relative.score or 0.0)
    assert (after.overall.score or 0.0) <= (before.overall.score or 0.0)


@given(FIELD, st.tuples(SCORES, AMOUNTS, AMOUNTS | st.just(0.0)))
@settings(max_examples=60, deadline=None)
def test_frozen_anchors_reletter_nobody(
    figures: list[tuple[float, float, float]], newcomer: tuple[float, float, float]
) -> None:
    run, trials = field(figures)
    first = scored(run, trials)
    wider, more = field([*figures, newcomer])
    second = scored(wider, more, first.anchors)
    for agent in run.agents:
        old, new = cell(first, agent.name), cell(second, agent.name)
        if first.anchors:
            assert (new.speed, new.cost) == (old.speed, old.cost)
            if second.weights == first.weights:
                assert new.overall == old.overall


@given(st.lists(FIELD, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_the_order_of_agents_and_tasks_is_no_matter(fields: list[list[tuple[float, float, float]]]) -> None:
    agents, tasks = [f"a{n}" for n in range(min(map(len, fields)))], [f"t{n}" for n in range(len(fields))]
    trials = [
        trial(agent, score, seconds, usd, task=task)
        for task, own in zip(tasks, fields, strict=True)
        for agent, (score, seconds, usd) in zip(agents, own, strict=False)
    ]
    one, other = (
        scored(make_run(agents, tasks), trials),
        scored(make_run(agents[::-1], tasks[::-1]), trials[::-1]),
    )
    assert one.order == other.order
    for agent in agents:
        assert card(one, agent).overall == card(other, agent).overall
        assert [cell(one, agent, task) for task in tasks] == [cell(other, agent, task) for task in tasks]


@given(st.lists(FIELD, min_size=1, max_size=3))
@settings(max_examples=15, deadline=None)
def test_ranges_hold_their_scores_and_ranks_their_places(fields: list[list[tuple[float, float, float]]]) -> None:
    """Whatever was measured; and in whatever order agents and tasks are listed."""
    agents, tasks = [f"a{n}" for n in range(min(map(len, fields)))], [f"t{n}" for n in range(len(fields))]
    trials = [
        trial(agent, score, seconds, usd, task=task)
        for task, own in zip(tasks, fields, strict=True)
        for agent, (score, seconds, usd) in zip(agents, own, strict=False)
    ]
    found = grade(make_run(agents, tasks), trials, ())
    turned = grade(make_run(agents[::-1], tasks[::-1]), trials[::-1], ())
    for name in agents:
        one = card(found, name)
        for part in (one.performance, one.speed, one.overall):
            assert (part.interval is None) == (part.score is None)
            if part.interval is not None and part.score is not None:
                assert part.interval.low <= part.score <= part.interval.high
        assert one.performance == card(turned, name).performance
        place = found.order.index(name) + 1
        assert one.rank is not None
        assert one.rank[0] <= place <= one.rank[1]
        assert one.rank == card(turned, name).rank


@given(FIELD)
@settings(max_examples=60, deadline=None)
def test_letters_and_scores_never_disagree(figures: list[tuple[float, float, float]]) -> None:
    from flatfield.scoring.measures.scales import letter_of

    run, trials = field(figures)
    grading = scored(run, trials)
    for one in grading.cells:
        for found in (one.performance, one.speed.relative, one.cost.relative, one.overall):
            assert found.score is not None or found.lacks == "scale"
            assert found.letter == (None if found.score is None else letter_of(found.score))
        if one.performance.letter in ("D", "F"):
            assert one.overall.score is not None
            assert one.performance.score is not None
            assert one.overall.score <= one.performance.score


def test_it_is_no_matter_whether_a_limit_ended_a_trial() -> None:
    run = make_run(["a", "b"])

    def letters(stop: str) -> list[str | None]:
        trials = [
            trial("a", 1.0, 10.0, repeat=1),
            trial("a", 0.0, 300.0, repeat=2, stop=stop),
            trial("b", 1.0, 60.0, repeat=1),
        ]
        return [one.speed.relative.letter for one in scored(run, trials).cells]

    assert letters("time_limit") == letters("answered") == ["D", "S"]


def test_frozen_anchors_are_told() -> None:
    frozen = Anchors(task="t", measure="speed", best=1.0, worst=100.0)
    grading = scored(make_run(["a"]), [trial("a", 1.0, 10.0)], [frozen])
    assert cell(grading, "a").speed.position == 0.5
    assert any("frozen" in note and "t had none there" in note for note in grading.notes)
