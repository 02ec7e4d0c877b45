"""One side against another: which tasks count, who is local, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import NotFound
from flatfield.faces.comparisons import claims, points, sentence
from flatfield.records import AgentConfig, Check, Comparison, Evaluation, Run, Task, TrialRecord
from flatfield.scoring.comparing import Field, against_earlier, compare, read_field, side_of

if TYPE_CHECKING:
    from collections.abc import Callable

Scores = dict[str, list[list[float]]]
"""By agent: for each task its trials' scores."""


@pytest.fixture
def field(make_trial: Callable[..., TrialRecord]) -> Callable[..., Field]:
    def make(scores: Scores, usd: dict[str, float | None] | None = None, **more: Any) -> Field:
        count = max(map(len, scores.values()))
        run = Run(
            id=more.get("run", "r1"),
            created_at="",
            evaluation=Evaluation(),
            tasks=tuple(Task(id=f"t{n}", title="t", prompt="p", digest=more.get("digest", "d")) for n in range(count)),
            agents=tuple(AgentConfig(name=name, provider="noop" if name == "noop" else "x") for name in scores),
            repeats={},
        )
        trials = [
            make_trial(
                agent=agent,
                task=f"t{task}",
                repeat=number,
                active_seconds=2.0 if agent == "slow" else 1.0,
                cost_usd=(usd or {}).get(agent, 0.01),
                checks=(Check(verifier="answer", label="l", score=score, reason="r"),),
            )
            for agent, tasks in scores.items()
            for task, each in enumerate(tasks)
            for number, score in enumerate(each)
        ]
        return read_field(run, trials, ())

    return make


def pair(field: Field, first: str, second: str) -> Comparison:
    found = compare(side_of(field, first), side_of(field, second))
    assert found is not None
    return found


MIXED = [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0]]


def test_a_clear_lead_in_one_sentence(field: Callable[..., Field]) -> None:
    found = pair(field({"good": [[1.0] * 5] * 8, "slow": [[0.2] * 5] * 8}, {"good": 0.031}), "good", "slow")
    assert (found.verdict, found.kind, found.tasks) == ("first", "agents", tuple(f"t{n}" for n in range(8)))
    said = sentence(found)
    assert said.startswith("good did 80 points more of the work than slow (95 %: 6")
    assert said.endswith("better with probability >0.99; 8 tasks × 5) at 3.1× the cost and in 0.5× the time.")
    assert pair(field({"good": [[1.0] * 5] * 8, "slow": [[0.2] * 5] * 8}), "slow", "good").verdict == "second"


def test_equals_are_too_close_to_call(field: Callable[..., Field]) -> None:
    found = pair(field({"a": MIXED, "b": MIXED}), "a", "b")
    assert (found.verdict, found.difference, found.probability) == ("too close to call", 0.0, 0.5)
    assert sentence(found).startswith("Too close to call: a did as much of the work as b (95 %: -")
    assert sentence(found).endswith("at the same cost and in the same time.")


def test_one_trial_each_says_too_little(field: Callable[..., Field]) -> None:
    found = pair(field({"a": [[1.0]], "b": [[0.0]]}), "a", "b")
    assert (found.verdict, found.interval, found.probability) == ("too few to say", None, None)
    assert "(1 task × 1)" in sentence(found)
    assert sentence(found).endswith("; that is too little to say which is better.")


def test_one_task_with_repeats_speaks_of_its_trials(field: Callable[..., Field]) -> None:
    found = pair(field({"a": [[1.0] * 20], "b": [[0.0] * 20]}), "a", "b")
    assert (found.verdict, found.interval and found.interval.method) == ("first", "of the trials of these tasks")
    assert pair(field({"a": [[1.0, 1.0, 0.0]], "b": [[0.0] * 3]}), "a", "b").verdict == "too close to call"


def test_cloud_against_local_goes_by_price_and_leaves_controls_out(field: Callable[..., Field]) -> None:
    scores = {"own": MIXED, "api": MIXED, "other": [[0.0] * 3] * 4, "unpriced": MIXED, "noop": MIXED}
    found = pair(field(scores, {"own": 0.0, "noop": 0.0, "unpriced": None}), "cloud", "local")
    assert (found.first, found.second, found.kind) == ("cloud (3 agents)", "local (own)", "groups")
    assert found.first_score == pytest.approx(found.second_score * 2 / 3)
    assert (found.first_usd, found.second_usd) == (None, 0.0)
    assert "at a cost that is not known for both" in sentence(found)


def test_only_tasks_that_both_did_and_that_did_not_change(field: Callable[..., Field]) -> None:
    found = pair(field({"a": MIXED, "b": MIXED[:3]}), "a", "b")
    assert (found.tasks, found.left_out) == (("t0", "t1", "t2"), ("t3",))
    now, changed = field({"a": MIXED}), field({"a": MIXED}, run="r0", digest="other")
    assert against_earlier(now, changed) == ()
    (same,) = against_earlier(now, field({"a": MIXED, "b": MIXED}, run="r0"))
    assert (same.kind, same.first_run, same.second_run) == ("runs", "r1", "r0")
    assert "a in run r1 did as much of the work as in run r0" in sentence(same)


def test_names_may_be_begun_but_must_be_clear(field: Callable[..., Field]) -> None:
    found = field({"alpha": MIXED, "alpine": MIXED})
    assert side_of(found, "alph").agents == ("alpha",)
    with pytest.raises(NotFound, match="2 agents begin with 'al'"):
        side_of(found, "al")
    with pytest.raises(NotFound, match="no agent 'x' took part in run r1; there are: alpha, alpine, cloud, local"):
        side_of(found, "x")
    with pytest.raises(NotFound, match="no local agent took part"):
        side_of(found, "local")


def test_points_never_say_minus_nothing() -> None:
    assert [points(share) for share in (0.124, 0.004, -0.0001, -0.2, 0.0096)] == ["12", "0.4", "0", "-20", "1"]


def test_both_sides_claims_are_counted_over_the_tasks_compared(field: Callable[..., Field]) -> None:
    found = pair(field({"a": MIXED, "b": [[0.0, 1.0, 1.0]] * 3}), "a", "b")
    assert (found.claims, found.wrong_claims) == ((9, 9), (3, 3))
    assert claims(found).endswith("not all is done): a 3 of 9, b 3 of 9.")


def test_checks_that_were_not_measured_widen_the_difference(make_trial: Callable[..., TrialRecord]) -> None:
    run = Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=tuple(Task(id=f"t{n}", title="t", prompt="p") for n in range(8)),
        agents=tuple(AgentConfig(name=name, provider="x") for name in "ab"),
        repeats={},
    )

    def against(second: float | None, repeats: int = 20) -> Comparison:
        scores: dict[str, tuple[float | None, ...]] = {"a": (1.0, second), "b": (0.5, 0.4)}
        trials = [
            make_trial(
                agent=agent,
                task=f"t{task}",
                repeat=repeat,
                checks=tuple(
                    Check(verifier="answer", label=label, score=score, reason="r")
                    for label, score in zip("xy", scores[agent], strict=True)
                ),
            )
            for agent in "ab"
            for task in range(8 if repeats > 1 else 1)
            for repeat in range(1, repeats + 1)
        ]
        return pair(read_field(run, trials, ()), "a", "b")

    known, lacking = against(0.88), against(None)
    assert known.difference == lacking.difference == pytest.approx(0.49)
    assert known.interval is not None
    assert lacking.interval is not None
    assert (known.verdict, lacking.verdict) == ("first", "too close to call")
    assert lacking.interval.low == pytest.approx(known.interval.low - 0.44)
    assert lacking.probability is None
    assert "with what checks leave that were not measured; 8 tasks × 20)" in sentence(lacking)
    alone = against(None, repeats=1)
    assert (alone.interval, alone.verdict) == (None, "too few to say")
    assert "(5 to 55 by the checks that were not measured; 1 task × 1)" in sentence(alone)
