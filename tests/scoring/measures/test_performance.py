"""Performance of trials: what counts, what is left out, and how verifiers and judge blend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from flatfield.records import AgentConfig, Check, Evaluation, Letter, Run, Task, TrialRecord, Verdict, VerifierSpec
from flatfield.scoring.measures.performance import NOT_ALL, Measured, checks_score, device_cost, is_wrong_claim, measure
from flatfield.testing.trials import a_trial

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER = VerifierSpec(kind="answer", options={"contains": "x"})
RUBRIC = VerifierSpec(kind="rubric", options={"items": ["is right"]})


def check(score: float | None, verifier: str = "answer", weight: float = 1.0) -> Check:
    return Check(verifier=verifier, label=verifier, score=score, reason="", weight=weight)


def trial(agent: str, *checks: Check) -> TrialRecord:
    return a_trial(agent, checks=checks)


def verdict(agent: str, letter: Letter | None, judge: str = "j") -> Verdict:
    return Verdict(run="r", agent=agent, task="t", repeat=1, judge=judge, letter=letter, reason="")


def measured(
    trials: Sequence[TrialRecord],
    verdicts: Sequence[Verdict],
    verifiers: tuple[VerifierSpec, ...] = (ANSWER, RUBRIC),
    judge_weight: float = 0.0,
) -> Measured:
    run = Run(
        id="r",
        created_at="",
        evaluation=Evaluation(judge_weight=judge_weight),
        tasks=(Task(id="t", title="t", prompt="p", verifiers=verifiers),),
        agents=(AgentConfig(name="a", provider="openai"), AgentConfig(name="b", provider="openai")),
        repeats={},
    )
    return measure(run, trials, verdicts)


def test_checks_average_by_weight_over_what_was_measured() -> None:
    checks = [check(1.0, "file", 3.0), check(0.0), check(None, "command", 9.0), check(None, "rubric")]
    assert checks_score(checks) == 0.75
    assert checks_score([check(None), check(None, "rubric")]) is None


def test_a_rubric_alone_is_the_judges_letters_averaged_over_judges() -> None:
    verdicts = (verdict("a", "S"), verdict("a", "A", "k"), verdict("a", "A", "k"), verdict("a", None, "l"))
    found = measured([trial("a", check(None, "rubric"))], verdicts, (RUBRIC,))
    assert found.figures["a", "t"][0].score == pytest.approx((0.975 + 0.90) / 2)


@pytest.mark.parametrize(("weight", "score"), [(0.0, 1.0), (0.5, 0.6875), (1.0, 0.375)])
def test_the_judge_blends_by_its_weight_and_agreement_is_reported(weight: float, score: float) -> None:
    found = measured([trial("a", check(1.0))], [verdict("a", "D")], judge_weight=weight)
    assert found.figures["a", "t"][0].score == pytest.approx(score)
    assert found.judged["a", "t"] == (0.375,)
    assert "same letter in 0 of 1 trials" in found.notes[0]


def test_a_judge_does_not_stand_in_for_verifiers_that_measured_nothing() -> None:
    found = measured([trial("a", check(None))], [verdict("a", "S")])
    assert ("a", "t") not in found.figures


def test_where_the_judge_left_a_gap_the_verifiers_count_alone_for_all() -> None:
    trials = [trial("a", check(1.0)), trial("b", check(0.5))]
    found = measured(trials, [verdict("a", "D"), verdict("b", None)], judge_weight=0.5)
    assert {agent: figures[0].score for (agent, _), figures in found.figures.items()} == {"a": 1.0, "b": 0.5}
    assert "the judge gave no letter for some trials of t: there the verifiers count alone, for all" in found.notes


def test_a_judge_that_counts_alone_leaves_what_it_did_not_grade_unmeasured() -> None:
    trials = [trial("a", check(1.0)), trial("b", check(1.0))]
    found = measured(trials, [verdict("a", "S"), verdict("b", None)], judge_weight=1.0)
    assert list(found.figures) == [("a", "t")]


def test_without_any_judge_the_verifiers_count_alone_and_that_is_said() -> None:
    found = measured([trial("a", check(1.0))], (), judge_weight=0.5)
    assert found.figures["a", "t"][0].score == 1.0
    assert "no judge graded t" in found.notes[0]


def test_device_cost_is_seconds_at_the_hourly_price() -> None:
    agent = AgentConfig(name="a", provider="local", usd_per_hour=2.0)
    record = a_trial(active_seconds=900)
    assert device_cost(record, agent) == 0.5
    assert device_cost(record, AgentConfig(name="a", provider="local")) is None


def _graded(score: float | None, weight: float = 1.0, full_at: float = 1.0) -> Check:
    return Check(verifier="command", label="", score=score, weight=weight, full_at=full_at, reason="")


@pytest.mark.parametrize(
    ("checks", "score"),
    [
        ([_graded(1.0), _graded(1.0)], 1.0),
        ([_graded(43 / 44)], 0.94),
        ([_graded(1.0, weight=99.0), _graded(0.5)], 0.94),
        ([_graded(1.0), _graded(None)], 0.94),
        ([_graded(0.96, full_at=0.95)], 0.96),
        ([_graded(0.92, full_at=0.9)], 0.95),
        ([_graded(0.92, full_at=0.9), _graded(1.0)], 0.975),
        ([_graded(0.8, full_at=0.9)], 0.8),
        ([_graded(0.5), _graded(None)], 0.5),
    ],
)
def test_the_best_letter_means_all_of_it(checks: list[Check], score: float) -> None:
    assert checks_score(checks) == pytest.approx(score)


@given(
    st.lists(st.tuples(st.none() | st.floats(0, 1), st.floats(0.1, 9), st.floats(0.01, 1)), min_size=1, max_size=6),
    st.data(),
)
def test_more_of_one_check_never_lowers_the_score(found: list[tuple[float | None, float, float]], data: Any) -> None:
    checks = [_graded(*each) for each in found]
    before = checks_score(checks)
    assert before is None or before <= 0.94 or all(c.score is not None and c.score >= c.full_at for c in checks)
    at = data.draw(st.integers(0, len(checks) - 1))
    if (score := checks[at].score) is None or before is None:
        return
    checks[at] = structs.replace(checks[at], score=data.draw(st.floats(score, 1)))
    after = checks_score(checks)
    assert after is not None
    assert after >= before - 1e-12


def test_a_check_that_others_were_measured_by_leaves_its_weight_open() -> None:
    trials = [
        trial("a", check(1.0, "file"), check(None, "command", 3.0)),
        trial("b", check(1.0, "file"), check(0.5, "command", 3.0)),
    ]
    figures = measured(trials, ()).figures
    (lacking,), (whole,) = figures["a", "t"], figures["b", "t"]
    assert lacking.score == NOT_ALL
    assert [lacking.score - lacking.down, lacking.score + lacking.up] == pytest.approx([0.25, 1.0])
    assert (whole.down, whole.up) == (0.0, 0.0)


def test_a_check_that_nobody_was_measured_by_is_nobodys_gap() -> None:
    trials = [trial(agent, check(1.0, "file"), check(None, "command")) for agent in "ab"]
    for (found,) in measured(trials, ()).figures.values():
        assert (found.score, found.down, found.up) == (NOT_ALL, 0.0, 0.0)


def test_what_is_left_open_counts_as_the_checks_do_beside_a_judge() -> None:
    trials = [
        trial("a", check(0.5, "file"), check(None, "command")),
        trial("b", check(0.5, "file"), check(0.5, "command")),
    ]
    verdicts = [verdict("a", "S"), verdict("b", "S")]
    for weight, ends in ((0.0, (0.25, 0.25)), (0.5, (0.125, 0.125)), (1.0, (0.0, 0.0))):
        (found,) = measured(trials, verdicts, judge_weight=weight).figures["a", "t"]
        assert (found.down, found.up) == ends


def test_only_checks_with_a_weight_keep_a_trial_from_the_best_letter() -> None:
    assert checks_score([check(1.0), check(None, "command", 0.0), check(0.0, "file", 0.0)]) == 1.0
    assert checks_score([check(1.0, weight=0.0)]) is None


@pytest.mark.parametrize(
    ("scores", "wrong"),
    [((1.0, 1.0), False), ((1.0, 0.9), True), ((0.9, None), True), ((1.0, None), None), ((None, None), None)],
)
def test_a_claim_is_wrong_only_by_a_check_that_says_so(scores: tuple[float | None, ...], wrong: bool | None) -> None:
    assert is_wrong_claim(trial("a", *map(check, scores))) is wrong


def test_what_is_full_and_who_claims_nothing_is_no_wrong_claim() -> None:
    assert is_wrong_claim(trial("a", _graded(0.96, full_at=0.95))) is False
    assert is_wrong_claim(structs.replace(trial("a", check(0.0)), stop="turn_limit")) is None
    assert is_wrong_claim(trial("a", check(1.0), check(0.0, "file", 0.0))) is False
    assert is_wrong_claim(trial("a", check(None, "rubric"))) is None
