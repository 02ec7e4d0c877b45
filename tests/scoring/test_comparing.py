"""One side against another: which tasks count, who is local, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import NotFound
from flatfield.faces.comparisons import claims, points, sentence
from flatfield.faces.varied import effect_sentence
from flatfield.records import AgentConfig, Check, Comparison, Evaluation, Run, RunResult, Task, TrialRecord, Variation
from flatfield.scoring.certainty.study import compare as certainty_compare
from flatfield.scoring.certainty.study import study_run
from flatfield.scoring.comparing import Field, against_earlier, compare, p_value, read_field, side_of
from flatfield.scoring.effects import Effect
from flatfield.scoring.grading import grade
from flatfield.tasks.importers.nano_agent_2025_08 import load

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.whole

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
    assert found.p_value == 0.0001
    assert 0.5 < found.these.low < 0.8 < found.these.high < 0.95
    assert found.next.low <= found.these.low
    said = sentence(found)
    assert said.startswith("good did 80 points more of the work than slow (on these tasks ")
    assert "better with probability >0.99; on the next task like these with >0.99; permutation test p < 0.001;" in said
    assert said.endswith("; 8 tasks × 5) at 3.1× the cost and in 0.5× the time.")
    assert pair(field({"good": [[1.0] * 5] * 8, "slow": [[0.2] * 5] * 8}), "slow", "good").verdict == "second"


def test_equals_are_too_close_to_call(field: Callable[..., Field]) -> None:
    found = pair(field({"a": MIXED, "b": MIXED}), "a", "b")
    assert (found.verdict, found.difference, found.p_value) == ("too close to call", 0.0, 1.0)
    assert 0.4 < found.these.probability < 0.6
    assert sentence(found).startswith("Too close to call: a did as much of the work as b (on these tasks -")
    assert sentence(found).endswith("at the same cost and in the same time.")


def test_one_trial_each_is_wide_and_says_so(field: Callable[..., Field]) -> None:
    found = pair(field({"a": [[1.0]], "b": [[0.0]]}), "a", "b")
    assert (found.verdict, found.p_value) == ("too close to call", 1.0)
    assert found.these.high - found.these.low > 0.5
    assert 0.5 < found.these.probability < 0.99
    assert "; 1 task × 1)" in sentence(found)


def test_a_difference_that_is_likely_but_not_sure_is_called_so(field: Callable[..., Field]) -> None:
    found = pair(field({"a": [[1.0, 1.0]] * 3, "b": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]}), "a", "b")
    assert (found.verdict, found.these.probability > 0.9) == ("too close to call", True)
    assert sentence(found).startswith("Likely, not sure: a did 33 points more of the work than b")


def test_told_apart_asks_for_more_than_an_interval_without_a_zero(field: Callable[..., Field]) -> None:
    more, less = [[1.0] * 4 + [0.0], [1.0] * 3 + [0.0] * 2], [[1.0, 1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]]
    found, turned = pair(field({"a": more, "b": less}), "a", "b"), pair(field({"a": more, "b": less}), "b", "a")
    assert found.these.low > 0.0 > turned.these.high
    assert 0.975 < found.these.probability < 0.99
    assert found.verdict == turned.verdict == "too close to call"
    assert sentence(found).startswith("Likely, not sure: a did 40 points more of the work than b")
    unsure = Effect(variation=Variation(agent="a", baseline="b", factor="tools", value="x", was="y"), comparison=found)
    assert not unsure.did_otherwise
    assert effect_sentence(unsure).startswith("likely a difference, not sure: x against y ")
    sure = pair(field({"a": [[1.0] * 5] * 2, "b": [[0.0] * 5] * 2}), "a", "b")
    assert (sure.verdict, sure.these.probability > 0.99) == ("first", True)


def test_the_permutation_test_is_that_of_the_books() -> None:
    """Fisher's: 1 of the 20 splits of three and three is as large to one side, and 1 to the other."""
    assert p_value([([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])]) == pytest.approx(0.1, abs=0.015)
    signs = [([1.0], [0.0])] * 5
    assert p_value(signs) == pytest.approx(2 / 2**5, abs=0.01)
    assert p_value([([0.5], [0.5])]) == 1.0


def test_two_agents_are_compared_as_the_decision_sees_them(published: RunResult) -> None:
    field = read_field(published.run, published.trials, ())
    found = pair(field, "gpt-5-nano", "claude-3-haiku")
    study = study_run(published)
    assert study is not None
    seen = certainty_compare(study, "gpt-5-nano", "claude-3-haiku", "next")
    assert (found.next.low, found.next.high) == (seen.difference.low, seen.difference.high)


@pytest.fixture(scope="module")
def published() -> RunResult:
    imported = load()
    grading = grade(imported.run, imported.trials, ())
    return RunResult(run=imported.run, trials=imported.trials, verdicts=(), grading=grading)


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

    def against(second: float | None) -> Comparison:
        scores: dict[str, tuple[float | None, ...]] = {"a": (1.0, second), "b": (0.6, 0.5)}
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
            for task in range(8)
            for repeat in range(1, 21)
        ]
        return pair(read_field(run, trials, ()), "a", "b")

    known, lacking = against(0.88), against(None)
    assert known.difference == lacking.difference == pytest.approx(0.39)
    assert (known.verdict, lacking.verdict) == ("first", "too close to call")
    assert list(lacking.left_open) == pytest.approx([0.44, 0.06])
    assert ", give or take 44 for checks that were not measured, " in sentence(lacking)
