"""Cascades composed from trials: by hand on made-up ones, and held against cascades that really ran."""

from __future__ import annotations

import json
import os
import random
import tomllib
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from flatfield.faces.composed import NOTHING, cascades, name_of
from flatfield.machine.models import cache_folder
from flatfield.records import (
    AgentConfig,
    Check,
    Evaluation,
    FileChange,
    Limits,
    Preferences,
    Run,
    RunResult,
    Task,
    TrialRecord,
    Verdict,
    VerifierSpec,
)
from flatfield.runs.results import load_result
from flatfield.runs.routes.composing import Composed, compose
from flatfield.scoring.grading import grade
from flatfield.tasks.access import everything
from flatfield.tasks.loading import load
from flatfield.testing.fake_chat import FakeChat, FakeReply

from .conftest import Sitting, cascade, model, task

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole

MODELS = cache_folder(os.environ) / "models"
SEEN = VerifierSpec(kind="command", options={"run": "true"})
OWN = VerifierSpec(kind="file", options={"path": "a", "exists": True})


def trial(agent: str, name: str, repeat: int, own: float, seen: float = 1.0, **given: Any) -> TrialRecord:
    checks = (
        Check(verifier="command", label="seen", score=seen, reason="", took_seconds=2.0),
        Check(verifier="file", label="own", score=own, reason="", took_seconds=0.0),
    )
    values: dict[str, Any] = {"active_seconds": 10.0, "wall_seconds": 12.0, "cost_usd": 0.01, "checks": checks}
    return TrialRecord(
        run="r", agent=agent, task=name, repeat=repeat, task_digest=name, agent_fingerprint=agent, stop="answered",
        **(values | given),
    )  # fmt: skip


def result(trials: list[TrialRecord], verdicts: tuple[Verdict, ...] = (), **preferences: Any) -> RunResult:
    names, tasks = dict.fromkeys(one.agent for one in trials), dict.fromkeys(one.task for one in trials)
    run = Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=tuple(Task(id=each, title=each, prompt="", digest=each, verifiers=(SEEN, OWN)) for each in tasks),
        agents=tuple(AgentConfig(name=name, provider="openai", model=name) for name in names),
        repeats=dict.fromkeys(tasks, 2),
    )
    grading = grade(run, trials, verdicts)
    return RunResult(
        run=run, trials=tuple(trials), verdicts=verdicts, grading=grading, preferences=Preferences(**preferences)
    )


def pair(weak: list[tuple[float, float]], strong: list[float]) -> list[TrialRecord]:
    """Trials of one task: of weak (own, seen), of strong own; strong costs ten times as much and takes three times."""
    first = [trial("weak", "t", n, own, seen) for n, (own, seen) in enumerate(weak, start=1)]
    last = [
        trial("strong", "t", n, own, cost_usd=0.1, active_seconds=30.0, wall_seconds=31.0)
        for n, own in enumerate(strong, start=1)
    ]
    return [*first, *last]


def test_all_pairs_of_repeats_are_averaged() -> None:
    """Of weak's trials one passes the check and is right, one passes and is not, two fail; strong is right in half."""
    found = compose(result(pair([(1, 1), (0, 1), (0, 0), (1, 0)], [1, 0])))
    (one,) = [each for each in found.cascades if each.check == "visible" and each.steps == ("weak", "strong")]
    right, wrong = 1.0, 0.5  # by two equal checks; what is not all done is at most .94
    strong = (right + wrong) / 2
    assert one.later == 0.5
    assert one.performance == pytest.approx((right + wrong + strong + strong) / 4)
    assert one.usd == pytest.approx(0.01 + 0.5 * 0.1)
    assert one.seconds == pytest.approx(12.0 + 0.5 * 30.0), (
        "what the check took is the cascade's, of the last step none"
    )
    assert (one.tasks, one.trials) == (1, 4)
    assert not one.upper_bound


def test_a_perfect_check_is_an_upper_bound_and_reaches_it() -> None:
    found = compose(result(pair([(1, 1), (0, 0)], [1, 1])))
    (one,) = [each for each in found.cascades if each.check == "hidden" and each.steps == ("weak", "strong")]
    assert one.upper_bound
    assert one.performance == 1.0
    assert found.best is not None
    assert "upper bound" in one.assumes


def test_what_is_not_on_record_is_not_composed() -> None:
    trials = pair([(1, 1), (0, 0)], [1, 1])
    untold = (structs.replace(trials[0].checks[0], score=None), trials[0].checks[1])
    unknown = [structs.replace(one, checks=untold) if one.agent == "weak" else one for one in trials]
    judged = tuple(
        Verdict(
            run="r",
            agent=one.agent,
            task="t",
            repeat=one.repeat,
            judge="j",
            reason="",
            cost_usd=0.5,
            letter="A" if one.repeat == 1 else "D",
        )
        for one in trials
    )
    by_letters = compose(result(unknown, judged))
    assert {each.check for each in by_letters.cascades if each.steps[0] == "weak"} == {"judge"}
    (one,) = [each for each in by_letters.cascades if each.steps[0] == "weak"]
    assert one.usd == pytest.approx(0.51 + 0.5 * 0.1), "the judge's dollars are the cascade's"
    assert one.later == 0.5, "a D goes on, an A does not"
    rewrote = (FileChange(path="tests/test_a.py", kind="modified"),)
    cheated = [structs.replace(one, changes=rewrote) if one.agent == "weak" else one for one in trials]
    assert {each.check for each in compose(result(cheated)).cascades if each.steps[0] == "weak"} == {"hidden"}


def test_unknown_prices_stay_unknown_only_where_they_are_needed() -> None:
    """On `t` the second step is never needed, on `u` it is: only there does its unknown price matter."""

    def composed(unpriced: str) -> Composed:
        both = [*pair([(1, 1), (1, 1)], [1, 1]), *(structs.replace(one, task="u") for one in pair([(0, 0)], [1]))]
        trials = [
            structs.replace(one, cost_usd=None) if (one.agent, one.task) == ("strong", unpriced) else one
            for one in both
        ]
        (found,) = [
            each
            for each in compose(result(trials)).cascades
            if each.steps == ("weak", "strong") and each.check == "visible"
        ]
        return found

    assert composed("t").usd == pytest.approx((0.01 + 0.01 + 0.1) / 2)
    assert composed("u").usd is None
    assert composed("u").real_usd is None


def test_what_never_goes_on_is_no_cascade() -> None:
    found = compose(result(pair([(1, 1), (0, 0)], [1, 1])))
    assert {each.steps for each in found.cascades} == {("weak", "strong")}


def test_three_steps_and_money() -> None:
    trials = [
        *pair([(1, 1), (0, 0)], [1, 1]),
        *(trial("middle", "t", n, own, own, cost_usd=0.03) for n, own in ((1, 1.0), (2, 0.0))),
    ]
    found = compose(result(trials, solved_usd=1.0))
    assert found.unit == "usd"
    best = found.cascades[0]
    three = next(each for each in found.cascades if len(each.steps) == 3)
    assert best.steps == ("weak", "middle", "strong"), "each cheaper one is tried first"
    assert three.usd == pytest.approx(0.01 + 0.5 * 0.03 + 0.25 * 0.1)
    assert best.better > 0.5


def test_an_agent_without_some_task_is_no_step_and_named() -> None:
    trials = [
        *pair([(1, 1), (0, 0)], [1, 1]),
        trial("weak", "u", 1, 1),
        trial("strong", "u", 1, 1),
        trial("late", "u", 1, 1),
    ]
    found = compose(result(trials))
    assert not any("late" in each.steps for each in found.cascades)
    assert "late" in " ".join(found.left_out)


def test_seconds_that_nobody_told_are_none_and_make_no_step_beside_those_that_are_known() -> None:
    untold = {"imported": True, "active_seconds": 0.0, "wall_seconds": 0.0}
    whole = pair([(1, 1), (0, 0)], [1, 1])
    found = compose(result([*whole, trial("blind", "t", 1, 1.0, 0.0, **untold)]))
    assert "no cascade has blind as a step: its seconds are not known" in found.left_out
    assert all("blind" not in one.steps for one in found.cascades)
    found = compose(result([structs.replace(one, **untold) for one in whole]))
    (one,) = [each for each in found.cascades if each.check == "hidden" and each.steps == ("weak", "strong")]
    assert (one.seconds, one.real_seconds) == (None, None)
    assert one.usd == pytest.approx(0.01 + 0.5 * 0.1)


def test_in_money_a_flat_rates_step_costs_nothing_more() -> None:
    given = result(pair([(1, 1), (0, 0)], [1, 1]), solved_usd=5.0)
    agents = tuple(structs.replace(one, subscription=one.name == "strong") for one in given.run.agents)
    given = structs.replace(given, run=structs.replace(given.run, agents=agents))
    (one,) = [each for each in compose(given).cascades if each.check == "hidden" and each.steps == ("weak", "strong")]
    assert one.usd == pytest.approx(0.01)
    by_weights = structs.replace(given, preferences=Preferences())
    (one,) = [each for each in compose(by_weights).cascades if each.check == "hidden" and each.steps[0] == "weak"]
    assert one.usd == pytest.approx(0.01 + 0.5 * 0.1)


def test_the_page_says_what_is_assumed_and_what_the_best_one_costs_for_real() -> None:
    given = result(pair([(1, 1), (0, 0)], [1, 1]))
    section = cascades(compose(given), given)
    assert section.title.startswith("weak → strong, checked by visible, would do 1.00 where the best single agent")
    text = " ".join(section.points)
    assert "upper bound" in text
    assert 'steps = ["weak", "strong"], check = "visible"' in text
    assert "flatfield eval --extend r --agents weak-then-strong" in text
    alone = result([trial("weak", "t", 1, 1)])
    assert cascades(compose(alone), alone).title == NOTHING


def test_what_is_to_be_written_for_it_is_one_table_of_toml() -> None:
    one = compose(result(pair([(1, 1), (0, 0)], [1, 1]))).cascades[0]
    name = name_of(structs.replace(one, steps=("openai:gpt-5.5", "big 2.5@http://h:1/v1")))
    assert set(tomllib.loads(f"[agents.{name}]\nx = 1")["agents"]) == {name}


def agrees(found: RunResult) -> Composed:
    """The composition of weak and strong, once it and the cascade that ran lie in each other's interval."""
    (composed,) = [each for each in compose(found).cascades if each.steps == ("weak", "strong")]
    ran = next(card for card in found.grading.scorecards if card.agent == "both")
    assert ran.performance.interval is not None
    assert ran.performance.interval.low <= composed.performance <= ran.performance.interval.high
    low, high = composed.levels.performance.low, composed.levels.performance.high
    assert low <= (ran.performance.score or 0.0) <= high
    return composed


@pytest.mark.slow
@pytest.mark.needs("half a billion")
@pytest.mark.needs("one and a half billion")
@pytest.mark.timeout(7200)
async def test_two_real_models_in_a_row_agree_with_their_composition(sitting: Sitting, tmp_path: Path) -> None:
    """Of suite:basic the easier half, which such models do in part; each step costs what its device's hour does."""
    sizes = {"weak": "qwen2.5-coder-0.5b", "strong": "qwen2.5-coder-1.5b"}
    weak, strong = (
        AgentConfig(name=name, provider="local", model=str(MODELS / f"{size}.gguf"), protocol="json", usd_per_hour=1.0)
        for name, size in sizes.items()
    )
    both = AgentConfig(name="both", provider="cascade", check="hidden", steps=(weak, strong))
    limits = Limits(turns=6, seconds=600, output_tokens=1500)
    tasks = [
        structs.replace(one, limits=limits)
        for one in load(["suite:basic"], tmp_path, access=everything()).tasks
        if (one.level or 0) <= 2
    ]
    run = sitting.run(tasks, [weak, strong, both], repeats=2, jobs=1)
    summary = await sitting.evaluate(run)
    assert len(summary.measured) == 3 * 2 * len(tasks)
    found = load_result(sitting.store, run.id)
    composed = agrees(found)
    took = [one for one in found.trials if one.agent == "both"]
    usd = [one.device_cost_usd or 0.0 for one in took]
    assert composed.usd == pytest.approx(mean(usd), rel=0.5), "a machine is not always as quick"
    assert all((len(one.steps) == 2) == (one.steps[0].passed is False) for one in took)


@pytest.mark.slow
async def test_a_cascade_that_really_ran_agrees_with_its_composition(sitting: Sitting) -> None:
    """Models that are right by chance, each with its own rate: what was composed lies in the interval of what ran."""
    rates, chance = {"weak": 0.4, "strong": 0.8}, random.Random(7)

    def script(request: dict[str, Any], _: int) -> FakeReply:
        if any(message["role"] == "tool" for message in request["messages"]):
            return FakeReply(text="done")
        text = "right" if chance.random() < rates[request["model"]] else "wrong"
        return FakeReply(calls=(("write_file", json.dumps({"file_path": "done.txt", "content": text})),))

    tasks = [task(name) for name in ("one", "two", "three")]
    async with FakeChat(script, models=["weak", "strong"]) as server:
        agents = [model(server.base_url, "weak"), model(server.base_url, "strong"), cascade(server.base_url, "hidden")]
        run = sitting.run(tasks, agents, repeats=12, jobs=1)  # one after the other, so that chance is the same
        await sitting.evaluate(run)
    found = load_result(sitting.store, run.id)
    composed = agrees(found)
    took = [one for one in found.trials if one.agent == "both"]
    usd = [one.cost_usd or 0.0 for one in took]
    assert composed.usd == pytest.approx(mean(usd), abs=3 * stdev(usd) / len(usd) ** 0.5)
    went_on = [float(len(one.steps) > 1) for one in took]
    assert composed.later == pytest.approx(mean(went_on), abs=3 * stdev(went_on) / len(took) ** 0.5)
