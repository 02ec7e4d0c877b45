"""Repeats are added where they matter, fairly, and no longer than they can help."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from flatfield.clock import SystemClock
from flatfield.records import (
    AgentConfig,
    Check,
    Evaluation,
    Event,
    Price,
    Run,
    RunResult,
    Task,
    TrialRecord,
    VerifierSpec,
    Weights,
)
from flatfield.runs.evaluation.evaluate import Conduct, evaluate
from flatfield.runs.evaluation.until_sure import next_step
from flatfield.runs.order import how_often, new_run, plan, remaining
from flatfield.runs.store.store import Store
from flatfield.runs.world import Outside
from flatfield.scoring.certainty.study import study_trials
from flatfield.scoring.grading import GradingTerms, grade_drawn
from flatfield.scoring.looks import order_of
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.access import everything
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.runs.evaluation.scheduler import Summary

pytestmark = pytest.mark.whole

WORK_ALONE = Weights(performance=1.0, speed=0.0, cost=0.0)


def a_run(agents: dict[str, Any], tasks: int, repeats: int, **fields: Any) -> Run:
    return Run(
        id="20260101-000000-0000",
        created_at="",
        evaluation=Evaluation(repeats=repeats, weights=fields.pop("weights", WORK_ALONE)),
        tasks=tuple(Task(id=f"t{n}", title="t", prompt="p", digest=f"d{n}") for n in range(tasks)),
        agents=tuple(AgentConfig(name=name, provider="x") for name in agents),
        repeats={f"t{n}": repeats for n in range(tasks)},
        **fields,
    )


class Played:
    """A run whose trials are drawn: `rates[agent](task)` is how often it passes."""

    def __init__(self, run: Run, rates: dict[str, Callable[[str], float]], seed: int = 0) -> None:
        self.run, self.rates, self.draw = run, rates, random.Random(seed)
        self.trials: list[TrialRecord] = []
        self.rounds = 0
        self.said: list[str] = []

    def do(self) -> None:
        for trial in remaining(self.run, ()).plans:
            if trial.id in {done.id for done in self.trials}:
                continue
            passed = self.draw.random() < self.rates[trial.agent](trial.task)
            check = Check(verifier="answer", label="l", score=float(passed), reason="r")
            record = TrialRecord(
                run=trial.run, agent=trial.agent, task=trial.task, repeat=trial.repeat, task_digest="",
                agent_fingerprint="", stop="answered", checks=(check,), active_seconds=1.0, cost_usd=0.01,
            )  # fmt: skip
            self.trials.append(record)

    def result(self) -> RunResult:
        trials = tuple(sorted(self.trials, key=lambda trial: (trial.task, trial.agent, trial.repeat)))
        study = study_trials(self.run, trials, ())
        grading = grade_drawn(self.run, trials, (), GradingTerms(), study)
        return RunResult(run=self.run, trials=trials, verdicts=(), grading=grading, study=study)

    def until_sure(self, most: int = 30) -> str:
        self.do()
        while True:
            step = next_step(self.result(), most)
            self.run = step.run
            self.said += step.said
            if not step.trials:
                return step.said[-1]
            self.rounds += 1
            self.do()


def always(rate: float) -> Callable[[str], float]:
    return lambda _task: rate


def test_a_clear_lead_is_settled_soon_and_the_right_way_round() -> None:
    played = Played(a_run({"good": 0, "bad": 0}, 6, 3), {"good": always(0.95), "bad": always(0.2)})
    said = played.until_sure()
    assert said.startswith("until sure: the lead is settled on these 6 tasks; good ")
    assert " bad (p = " in said
    assert played.rounds <= 1


def test_a_narrow_lead_takes_more_rounds_and_each_says_why() -> None:
    played = Played(a_run({"a": 0, "b": 0}, 6, 3), {"a": always(0.85), "b": always(0.7)}, seed=4)
    said = played.until_sure()
    assert played.rounds > 1
    assert " are not told apart yet (p = 0." in played.said[0]
    assert "being wrong would cost 0.0" in played.said[0]
    assert played.said[0].endswith(" more trials")
    assert played.said[-1] == said
    assert [note for note in played.run.notes if note.startswith("round ")] == played.said[:-1]
    assert any("as if the repeats had been fixed beforehand" in note for note in played.run.notes)


def test_equal_agents_end_without_an_order() -> None:
    ordered = 0
    for seed in range(3):
        played = Played(a_run({"a": 0, "b": 0}, 6, 3), {"a": always(0.5), "b": always(0.5)}, seed=seed)
        ordered += "is ahead of" in played.until_sure(12)
        assert max(how_often(played.run).values()) <= 12
    assert ordered <= 1


def test_tasks_that_both_always_pass_show_that_two_are_alike() -> None:
    played = Played(a_run({"a": 0, "b": 0}, 20, 3), {"a": always(1.0), "b": always(1.0)})
    assert " are alike: whichever is chosen loses less than 0.01 on average" in played.until_sure()


def test_what_repeats_cannot_change_is_not_tried() -> None:
    """Each is sure of half the tasks: they are as good as each other, and no repeat will show more."""
    rates = {"a": lambda task: float(task in {"t0", "t1"}), "b": lambda task: float(task in {"t2", "t3"})}
    played = Played(a_run(rates, 4, 12), rates)
    played.until_sure(14)
    assert played.rounds == 0


def test_what_only_more_tasks_tell_is_said() -> None:
    rates = {"a": lambda task: float(task != "t3"), "b": lambda task: float(task in {"t2", "t3"})}
    played = Played(a_run(rates, 4, 12), rates)
    said = played.until_sure()
    assert "the lead is settled on these 4 tasks" in said
    assert said.endswith("on average: more tasks tell, no repeats")


def test_one_agent_has_nobody_to_be_told_apart_from() -> None:
    played = Played(a_run({"a": 0}, 3, 2), {"a": always(0.5)})
    assert played.until_sure() == "until sure: a has nobody to be told apart from"
    assert played.run.added == {}


def test_one_repeat_is_a_look_too() -> None:
    played = Played(a_run({"a": 0, "b": 0}, 8, 1), {"a": always(1.0), "b": always(0.0)})
    said = played.until_sure()
    assert "the lead is settled" in said
    assert max(how_often(played.run).values()) <= 3


def test_trials_are_bought_for_the_leader_and_the_rivals_that_carry_most_of_the_regret() -> None:
    rates = {"a": always(0.9), "b": always(0.8), "last": always(0.0)}
    played = Played(a_run(rates, 6, 4), rates, seed=2)
    played.do()
    order = order_of(played.result(), 20)
    assert order.agents[-1] == "last"
    assert set(order.buying) <= {"a", "b"}
    played.until_sure(20)
    often = how_often(played.run)
    assert {often[task, "last"] for task, _ in often} == {4}
    assert max(often.values()) > 4
    assert all(often[task, "a"] == often[task, "b"] for task, _ in often)


def test_repeats_go_to_the_tasks_that_scatter() -> None:
    rates: dict[str, Callable[[str], float]] = {
        "a": lambda task: 0.6 if task == "t0" else 1.0,
        "b": lambda task: 0.4 if task == "t0" else 1.0,
    }
    played = Played(a_run(rates, 4, 4), rates, seed=1)
    played.do()
    step = next_step(played.result(), 30)
    often = how_often(step.run)
    assert step.trials
    assert often["t0", "a"] == max(often.values()) > often["t3", "a"]


@pytest.mark.slow
def test_agents_that_are_equal_are_seldom_put_in_order() -> None:
    """Over all looks; so is one that is a little behind seldom said to be ahead."""
    ordered = 0
    for seed in range(12):
        played = Played(a_run({"a": 0, "b": 0}, 4, 3), {"a": always(0.6), "b": always(0.6)}, seed=seed)
        ordered += "is ahead of" in played.until_sure(12)
    assert ordered <= 2


def test_agents_without_a_price_are_put_in_order_without_cost() -> None:
    played = Played(a_run({"a": 0, "b": 0}, 3, 3, weights=Weights()), {"a": always(1.0), "b": always(0.5)})
    played.do()
    played.trials = [structs.replace(each, cost_usd=None) for each in played.trials]
    assert set(order_of(played.result(), 30).agents) == {"a", "b"}
    only_cost = Weights(performance=0, speed=0, cost=1)
    dollars_alone = Played(a_run({"a": 0, "b": 0}, 3, 3, weights=only_cost), played.rates)
    dollars_alone.trials = played.trials
    assert order_of(dollars_alone.result(), 30).agents == ()
    assert next_step(dollars_alone.result(), 30).said == ("until sure: no agent has an overall score",)


# ---------------------------------------------------------------------------- with servers


CONTAINS = VerifierSpec(kind="answer", options={"contains": "42"})


def passing(times: str) -> Callable[[dict[str, Any], int], FakeReply | Fault]:
    """`+` passes, `-` fails, over and over; each task begins one later, whatever the order in which they are asked."""
    asked: Counter[int] = Counter()

    def reply(request: dict[str, Any], _number: int) -> FakeReply:
        (task,) = (n for n in range(4) if f"{n}?" in str(request["messages"]))
        asked[task] += 1
        return FakeReply(text="42" if times[(task + asked[task] - 1) % len(times)] == "+" else "no")

    return reply


GOOD, BAD = "+++-", "+-"


class Desk:
    """A store, and what was told while evaluating."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / ".flatfield")
        self.stop = asyncio.Event()
        self.events: list[Event] = []

    def run(self, servers: list[FakeChat], **fields: Any) -> Run:
        agents = [
            AgentConfig(name=f"a{n}", provider="openai-chat", model="fake-model", base_url=server.base_url)
            for n, server in enumerate(servers)
        ]
        tasks = [Task(id=f"t{n}", title="t", prompt=f"{n}?", digest=f"{n}", verifiers=(CONTAINS,)) for n in range(4)]
        values: dict[str, Any] = {
            "agents": tuple(agent.name for agent in agents),
            "weights": WORK_ALONE,
            "repeats": 3,
        } | fields
        return new_run(Evaluation(**values), tasks, agents, SystemClock().utc(), command="test")

    async def evaluate(self, run: Run, most: int | None, prices: Prices | None = None, **conduct: Any) -> Summary:
        values: dict[str, Any] = {"observe": self.events.append, "stop": self.stop} | conduct
        given = Outside(access=everything(), prices=prices or Prices())
        async with self.store:
            return await evaluate(
                run,
                self.store,
                Conduct(outside=given, source=self.folder, until_sure=most, **values),
            )


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))
    return Desk(tmp_path)


async def test_rounds_are_run_and_stored_and_told(desk: Desk) -> None:
    async with FakeChat(passing(GOOD)) as good, FakeChat(passing(BAD)) as bad:
        run = desk.run([good, bad])
        summary = await desk.evaluate(run, 20)
    stored = desk.store.load_run(run.id)
    planned = [event for event in desk.events if event.kind == "planned"]
    assert len(planned) == len(plan(stored)) - 24 > 0
    assert len(summary.measured) == len(plan(stored)) == len(desk.store.trials(run.id))
    assert desk.store.runs()[0].planned == len(plan(stored))
    assert stored.notes[-2].startswith("until sure: the lead is settled on these 4 tasks; a0 ")
    assert [event.text for event in desk.events if event.text.startswith("round 1: ")]


async def test_without_it_nothing_is_added(desk: Desk) -> None:
    async with FakeChat(passing(GOOD)) as good, FakeChat(passing(BAD)) as bad:
        run = desk.run([good, bad])
        await desk.evaluate(run, None)
    assert len(desk.store.trials(run.id)) == 24
    assert desk.store.load_run(run.id).added == {}


async def test_an_interrupted_round_is_finished_by_resuming(desk: Desk) -> None:
    def observe(event: Event) -> None:
        if event.kind == "trial_finished" and len(desk.store.trials(run.id)) > 26:
            desk.stop.set()

    async with FakeChat(passing(GOOD)) as good, FakeChat(passing(BAD)) as bad:
        run = desk.run([good, bad], jobs=1)
        summary = await desk.evaluate(run, 20, observe=observe)
        stored = desk.store.load_run(run.id)
        assert summary.not_started or summary.cancelled
        left = remaining(stored, desk.store.trials(run.id)).plans
        assert left
        desk.stop.clear()
        await desk.evaluate(stored, 20)
    after = desk.store.load_run(run.id)
    assert not remaining(after, desk.store.trials(run.id)).plans
    assert [note for note in after.notes if note.startswith("until sure: the lead")]


async def test_a_spent_budget_ends_it_and_leaves_no_trial_open(desk: Desk) -> None:
    prices = Prices({"fake-model": Price(input_mtok=100.0, output_mtok=0.0, source="test")})  # one cent a trial
    async with FakeChat(passing(GOOD)) as good, FakeChat(passing(BAD)) as bad:
        run = desk.run([good, bad], budget_usd=0.26)
        summary = await desk.evaluate(run, 20, prices=prices)
    stored = desk.store.load_run(run.id)
    assert 24 < len(desk.store.trials(run.id)) <= 28
    assert summary.not_started == {}
    assert not remaining(stored, desk.store.trials(run.id)).plans
    assert any("until sure: the budget is spent; a0 and a1 are not told apart" in note for note in stored.notes)


async def test_a_round_whose_trials_fail_is_the_last(desk: Desk) -> None:
    good = passing(GOOD)

    def failing(request: dict[str, Any], number: int) -> FakeReply | Fault:
        return Fault(status=400, message="no") if number >= 12 else good(request, number)

    async with FakeChat(failing) as first, FakeChat(passing(BAD)) as second:
        run = desk.run([first, second])
        summary = await desk.evaluate(run, 20)
    assert summary.not_measured
    notes = desk.store.load_run(run.id).notes
    assert sum(note.startswith("round ") for note in notes) == 1
    assert any("trials of the last round are not measured" in note for note in notes)
