"""What a report says of its judges is what their verdicts say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.records import (
    AgentConfig,
    Check,
    Evaluation,
    Grading,
    Letter,
    Placed,
    Run,
    RunResult,
    Task,
    TrialRecord,
    Verdict,
    Weights,
)
from flatfield.scoring.judge.reliability import JudgeFigures, Moved, trust

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    MakeTrial = Callable[..., TrialRecord]

AGENTS = (
    AgentConfig(name="claude", provider="anthropic", model="claude-x"),
    AgentConfig(name="gpt", provider="openai", model="gpt-x"),
)


def result(trials: Sequence[TrialRecord], verdicts: Sequence[Verdict], aside: Sequence[Verdict] = ()) -> RunResult:
    tasks = tuple(Task(id=name, title=name, prompt="p") for name in dict.fromkeys(trial.task for trial in trials))
    run = Run(id="R", created_at="", evaluation=Evaluation(), tasks=tasks, agents=AGENTS, repeats={})
    grading = Grading(run="R", weights=Weights(), cells=(), scorecards=(), anchors=())
    return RunResult(run=run, trials=tuple(trials), verdicts=tuple(verdicts), grading=grading, set_aside=tuple(aside))


def said(letter: Letter | None, agent: str = "claude", repeat: int = 1, **fields: Any) -> Verdict:
    values: dict[str, Any] = {"run": "R", "task": "t", "judge": "j", "reason": "", "judge_vendor": "anthropic"} | fields
    return Verdict(agent=agent, repeat=repeat, letter=letter, **values)


def check(score: float) -> tuple[Check, ...]:
    return (Check(verifier="answer", label="", score=score, full_at=0.975, reason=""),)


def one(found: RunResult) -> JudgeFigures:
    made = trust(found)
    assert made is not None
    (figures,) = made.judges
    return figures


def test_without_judges_there_is_nothing_to_say(make_trial: MakeTrial) -> None:
    assert trust(result([make_trial()], [])) is None


def test_agreement_with_verifiers_where_both_are(make_trial: MakeTrial) -> None:
    trials = [
        make_trial(agent="claude", repeat=1, checks=check(1.0)),
        make_trial(agent="claude", repeat=2, checks=check(0.0)),
        make_trial(agent="claude", repeat=3),
    ]
    found = one(result(trials, [said("S"), said("F", repeat=2), said("B", repeat=3)]))
    assert (found.verifiers.value, found.verifiers.n, found.same_as_verifiers) == (1.0, 2, 2)
    assert (found.letters, found.verdicts) == (3, 3)


def test_a_panels_agreement_and_a_judge_without_a_letter(make_trial: MakeTrial) -> None:
    trials = [make_trial(agent="claude", repeat=number) for number in (1, 2, 3)]
    verdicts = [
        said("S"), said("F", repeat=2), said(None, repeat=3),
        said("S", judge="k"), said("F", repeat=2, judge="k"), said("A", repeat=3, judge="k"),
    ]  # fmt: skip
    found = trust(result(trials, verdicts))
    assert found is not None
    assert (found.panel.value, found.panel.n) == (1.0, 2)


def test_a_judge_that_likes_length_is_seen(make_trial: MakeTrial) -> None:
    letters: list[Letter] = ["F", "D", "C", "B", "A", "S"] * 2
    trials = [
        make_trial(agent="claude", repeat=number, answer="x" * (1 + "FDCBAS".index(letter)))
        for number, letter in enumerate(letters)
    ]
    found = one(result(trials, [said(letter, repeat=number) for number, letter in enumerate(letters)]))
    assert (found.verbosity.value, found.verbosity.n) == (1.0, 12)


def test_self_preference_is_told_from_better_work_by_the_verifiers(make_trial: MakeTrial) -> None:
    numbers = range(1, 7)
    better = [make_trial(agent="claude", repeat=number, checks=check(0.975)) for number in numbers]
    worse = [make_trial(agent="gpt", repeat=number, checks=check(0.6)) for number in numbers]
    fair = [*(said("S", repeat=n) for n in numbers), *(said("C", "gpt", repeat=n) for n in numbers)]
    found = one(result([*better, *worse], fair)).self_preference
    assert found is not None
    assert (found.vendor, found.own, found.others, found.beyond_verifiers) == ("anthropic", 6, 6, True)
    assert found.difference == pytest.approx(0.0)
    unfair = [*fair[:6], *(said("F", "gpt", repeat=n) for n in numbers)]
    biased = one(result([*better, *worse], unfair)).self_preference
    assert biased is not None
    assert biased.difference == pytest.approx(0.6 - 0.125)
    blind = one(result([make_trial(agent="claude"), make_trial(agent="gpt")], [said("S"), said("C", "gpt")]))
    assert blind.self_preference is not None
    assert not blind.self_preference.beyond_verifiers
    assert blind.self_preference.difference == pytest.approx(0.375)


def test_why_self_preference_is_not_measured(make_trial: MakeTrial) -> None:
    unknown = one(result([make_trial(agent="gpt")], [said("S", "gpt", judge_vendor=None)]))
    assert (unknown.self_preference, unknown.why_no_self_preference) == (None, "its vendor is not known")
    alone = one(result([make_trial(agent="gpt")], [said("S", "gpt")]))
    assert "no task was done both" in alone.why_no_self_preference


def test_stability_and_letters_that_moved_are_of_the_same_version_of_a_trial(make_trial: MakeTrial) -> None:
    trials = [make_trial(agent="claude", repeat=number) for number in (1, 2, 3, 4)]
    now = [
        said("S", judged_at="3"), said("B", repeat=2, judged_at="3"), said("A", repeat=3, trial_started_at="new"),
        said("C", repeat=4, mode="list", judged_at="3"),
    ]  # fmt: skip
    before = [
        said("S", judged_at="2", cost_usd=0.25), said("A", repeat=2, judged_at="2"), said("B", repeat=2, judged_at="1"),
        said("F", repeat=3, trial_started_at="old"), said("A", repeat=4, mode="list", judged_at="1"),
        said("F", judge="other"), said(None, judged_at="1"),
    ]  # fmt: skip
    found = one(result(trials, now, before))
    assert (found.stability.value, found.stability.n) == (0.5, 2)
    assert found.moved == (
        Moved(trial="claude/t/2", before="A", after="B", listwise=False),
        Moved(trial="claude/t/4", before="A", after="C", listwise=True),
    )
    assert (found.cost_usd, found.spent_usd) == (None, 0.25)
    whole = trust(result(trials, now, before))
    assert whole is not None
    assert whole.set_aside == {"j": 6, "other": 1}


def test_position_bias_is_each_answer_against_itself(make_trial: MakeTrial) -> None:
    trials = [make_trial(agent="claude", repeat=number) for number in range(1, 7)]

    def listed(*letters: Letter, places: tuple[int, ...] = (3, 1), repeat: int = 1) -> Verdict:
        placed = tuple(Placed(place=place, letter=letter) for place, letter in zip(places, letters, strict=True))
        return said("A", repeat=repeat, mode="list", placed=placed)

    biased = one(result(trials, [listed("B", "A", repeat=number) for number in range(1, 7)])).position
    assert biased.value == pytest.approx(0.125)
    assert biased.n == 6
    assert biased.interval is not None
    assert biased.interval.low == pytest.approx(0.125)
    fair = one(
        result(trials, [listed("A", "A"), listed("F", "S", places=(2, 2), repeat=2), said("A", repeat=3)])
    ).position
    assert (fair.value, fair.n, fair.interval) == (0.0, 1, None)
    assert one(result(trials, [said("A")])).position.value is None
