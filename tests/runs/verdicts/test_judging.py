"""Judges grade what they have not graded yet, in their lane, within the budget, and what they said is kept."""

from __future__ import annotations

import asyncio
import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from flatfield import plugins
from flatfield.clock import SystemClock
from flatfield.records import AgentConfig, Evaluation, Event, Failure, Reply, Run, Task, TrialRecord, Usage, Verdict
from flatfield.runs.evaluation.evaluate import Conduct, evaluate
from flatfield.runs.judging import open_groups
from flatfield.runs.order import new_run
from flatfield.runs.store.store import Store
from flatfield.vendors.base import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flatfield.runs.evaluation.scheduler import Summary
    from flatfield.vendors.base import Opening

    Letters = dict[str, str | None]

pytestmark = pytest.mark.whole

DESK = [AgentConfig(name=name, provider="desk", model=name) for name in ("one", "two", "judge-a", "judge-b")]
JUDGES = ("judge-a", "judge-b")
ITEM = Task(id="item", title="item", prompt="Do it.", digest="1", rubric="It is polite.")
BEST = Task(id="best", title="best", prompt="Do it.", digest="2", rubric="The shortest answer is best.")


class Desk:
    """A provider with room for one request at a time, as a device has; `steps` decides what a judge says."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.asked: list[tuple[str, str]] = []
        self.usd_per_request = 0.0
        self.said = "A"
        self.hold = asyncio.Event()
        self.hold.set()
        self.judging = asyncio.Event()
        self.holds_from = 10**9

    def create(self, _services: Any) -> Desk:
        return self

    async def check(self, _agent: AgentConfig) -> None:
        pass

    async def converse(self, opening: Opening) -> Any:
        await self._alone(lambda: None)
        return SimpleNamespace(turn=lambda *_: self.turn(opening))

    async def turn(self, opening: Opening) -> Reply:
        text = ["short"]
        if opening.system_prompt.startswith("You grade"):
            self.asked.append((opening.agent.name, opening.prompt))
            self.judging.set()
            if len(self.asked) > self.holds_from:
                self.hold.clear()
            text = [verdict(opening.prompt, self.said)]
        await self._alone(self.hold.wait)
        return Reply(text=text[0], usage=Usage(input_tokens=10, output_tokens=1), model_seconds=0.01)

    async def _alone(self, wait: Any) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        waiting = wait()
        if waiting is not None:
            try:
                await waiting
            finally:
                self.running -= 1
            return
        self.running -= 1

    def lane(self, _agent: AgentConfig) -> Lane:
        return Lane(name="device:local", width=1)

    def on_device(self, _agent: AgentConfig) -> bool:
        return True

    async def close(self) -> None:
        pass


def verdict(prompt: str, letter: str) -> str:
    many = re.search(r"each of the (\d+) pieces", prompt)
    if many is None:
        return json.dumps({"reason": "so it is", "letter": letter})
    ids = [f"work_{number}" for number in range(1, int(many[1]) + 1)]
    return json.dumps({"grades": [{"id": name, "reason": "so", "letter": letter} for name in ids]})


class Sitting:
    """One run that judges sit over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / ".flatfield")
        self.stop = asyncio.Event()
        self.events: list[Event] = []

    def run(self, tasks: Sequence[Task], repeats: int = 2, **fields: Any) -> Run:
        evaluation = Evaluation(agents=("one", "two"), repeats=repeats, **fields)
        return new_run(evaluation, tasks, DESK, SystemClock().utc(), command="test")

    async def judged(self, run: Run, *judges: str) -> Summary:
        conduct = Conduct(
            source=self.folder,
            observe=self.events.append,
            stop=self.stop,
            judges=tuple(agent for agent in DESK if agent.name in judges),
        )
        async with self.store:
            return await evaluate(run, self.store, conduct)

    def letters(self, run: Run) -> Letters:
        return {f"{v.judge}: {v.agent}/{v.task}/{v.repeat}": v.letter for v in self.store.verdicts(run.id)}


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    made, load = Desk(), plugins.load
    monkeypatch.setattr(plugins, "load", lambda kind, name: made if name == "desk" else load(kind, name))
    return made


@pytest.fixture
def sitting(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Sitting:
    assert temporary.is_dir()
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))
    return Sitting(tmp_path)


# ---------------------------------------------------------------------------- lanes


async def test_two_judges_on_a_device_with_room_for_one_request(desk: Desk, sitting: Sitting) -> None:
    run = sitting.run([ITEM, BEST], repeats=3)
    await sitting.judged(run, "judge-a", "judge-b")
    letters = sitting.letters(run)
    assert len(letters) == 2 * 2 * 2 * 3
    assert set(letters.values()) == {"A"}
    assert desk.most == 1
    names = [name for name, _ in desk.asked]
    assert names == sorted(names), "one judge after the other: a device holds one model at a time"
    told = [(event.agent, event.text) for event in sitting.events if event.kind == "judging"]
    assert [each for each in told if each[1].endswith("trials")] == [(name, "12 trials") for name in JUDGES]
    assert {name for name, text in told if re.fullmatch(r"\d+ of 12 judged", text)} == set(JUDGES)
    assert len(told) <= 2 * (1 + 9), "at most a line for each tenth"


# ---------------------------------------------------------------------------- what is missing


async def test_only_what_is_missing_is_judged_again(desk: Desk, sitting: Sitting) -> None:
    run = sitting.run([ITEM])
    desk.said = "very good"
    summary = await sitting.judged(run, "judge-a")
    assert set(sitting.letters(run).values()) == {None}
    assert any(
        "judge-a gave no letter to 4 of 4 trials: the judge's reply could not be used" in n for n in summary.notes
    )
    desk.said = "B"
    await sitting.judged(sitting.store.load_run(run.id), "judge-a")
    assert set(sitting.letters(run).values()) == {"B"}
    desk.asked.clear()
    sitting.events.clear()
    await sitting.judged(sitting.store.load_run(run.id), "judge-a")
    assert desk.asked == []
    assert not [event for event in sitting.events if event.kind == "judging"]
    await sitting.judged(sitting.store.load_run(run.id), "judge-b")
    assert {name for name, _ in desk.asked} == {"judge-b"}


def records(run: Run, *failed: str) -> list[TrialRecord]:
    failure = Failure(kind="provider", message="down")
    return [
        TrialRecord(
            run=run.id, agent=agent, task=task.id, repeat=repeat, task_digest="", agent_fingerprint="", stop="answered",
            failure=failure if f"{agent}/{task.id}/{repeat}" in failed else None,
        )
        for task in run.tasks for agent in ("one", "two") for repeat in (1, 2)
    ]  # fmt: skip


def given(run: Run, *names: str, letter: Any = "A") -> list[Verdict]:
    parts = [name.split("/") for name in names]
    return [
        Verdict(run=run.id, agent=agent, task=task, repeat=int(repeat), judge="j", letter=letter, reason="")
        for agent, task, repeat in parts
    ]


def named(groups: Sequence[Sequence[TrialRecord]]) -> set[frozenset[str]]:
    return {frozenset(f"{trial.agent}/{trial.task}/{trial.repeat}" for trial in group) for group in groups}


def test_what_compares_is_judged_together_and_again_when_one_is_new(sitting: Sitting) -> None:
    run = sitting.run([ITEM, BEST, structs.replace(ITEM, id="none", rubric="")])
    both = [frozenset({"one/best/1", "two/best/1"}), frozenset({"one/best/2", "two/best/2"})]
    alone = [frozenset({f"{agent}/item/{repeat}"}) for agent in ("one", "two") for repeat in (1, 2)]
    assert named(open_groups(run, records(run), [])) == {*both, *alone}
    done = given(run, "one/item/1", "two/item/1", "one/item/2", "one/best/1", "two/best/1", "one/best/2")
    assert named(open_groups(run, records(run), done)) == {both[1], frozenset({"two/item/2"})}
    unread = given(run, "two/item/2", "two/best/2", letter=None)
    assert named(open_groups(run, records(run), [*done, *unread])) == {both[1], frozenset({"two/item/2"})}
    rest = given(run, "two/item/2", "two/best/2")
    assert open_groups(run, records(run), [*done, *rest]) == ()


def test_what_was_not_measured_or_not_here_is_not_judged(sitting: Sitting) -> None:
    run = sitting.run([ITEM, BEST])
    groups = named(open_groups(run, records(run, "one/item/1", "two/best/1"), []))
    assert frozenset({"one/best/1"}) in groups
    assert not any("one/item/1" in group or "two/best/1" in group for group in groups)
    imported = [structs.replace(record, imported=True) for record in records(run)]
    assert open_groups(run, imported, []) == ()


# ---------------------------------------------------------------------------- ends


async def test_stopped_while_judging_keeps_what_was_said_and_goes_on_later(desk: Desk, sitting: Sitting) -> None:
    run = sitting.run([ITEM], repeats=3)
    desk.holds_from = 2
    work = asyncio.create_task(sitting.judged(run, "judge-a"))
    async with asyncio.timeout(60):
        while len(desk.asked) <= desk.holds_from:  # noqa: ASYNC110 - the third must be under way
            await asyncio.sleep(0)
        sitting.stop.set()
        summary = await work
    assert len(summary.measured) == 6
    assert len(sitting.letters(run)) == 2
    desk.hold.set()
    desk.holds_from = 10**9
    desk.asked.clear()
    sitting.stop.clear()
    await sitting.judged(sitting.store.load_run(run.id), "judge-a")
    assert len(desk.asked) == 4
    assert len(sitting.letters(run)) == 6


async def test_cancelled_while_judging(desk: Desk, sitting: Sitting) -> None:
    run = sitting.run([ITEM])
    desk.holds_from = 0
    work = asyncio.create_task(sitting.judged(run, "judge-a"))
    async with asyncio.timeout(60):
        await desk.judging.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert len(sitting.store.trials(run.id)) == 4


async def test_a_budget_that_is_spent_is_spent_for_judges_too(
    desk: Desk, sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each trial and each verdict costs 1 $ here, which is known from the first on; four are asked for at once."""
    monkeypatch.setattr("flatfield.scoring.prices.pricing.Prices.usd", lambda *_, **__: 1.0)
    run = sitting.run([ITEM], repeats=4, budget_usd=13.5)
    summary = await sitting.judged(run, "judge-a", "judge-b")
    assert len(summary.measured) == 8
    judged = len(sitting.letters(run))
    assert 5 <= judged < 8
    assert sitting.store.spent_usd(run.id) == 8 + judged
    assert f"judge judge-a was not asked about {8 - judged} trials: the budget is spent" in summary.notes
    assert "judge judge-b was not asked about 8 trials: the budget is spent" in summary.notes


@pytest.mark.usefixtures("desk")
async def test_a_judge_of_unknown_cost_is_asked_once_within_a_budget_and_the_way_on_is_said(
    sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others' costs are ignored here; what judges cost is nobody's trial, and ends nothing that was measured."""
    monkeypatch.setattr("flatfield.scoring.prices.pricing.Prices.usd", lambda *_, **__: None)
    run = sitting.run([ITEM], repeats=4, budget_usd=13.5)
    names = tuple(agent.name for agent in run.agents)
    run = structs.replace(run, evaluation=structs.replace(run.evaluation, budget_ignores=names))
    summary = await sitting.judged(run, "judge-a")
    assert len(summary.measured) == 8
    assert len(sitting.letters(run)) == 1
    (said,) = [note for note in summary.notes if "judge-a was not asked about 7 trials" in note]
    assert "what it costs is not known" in said
    assert "flatfield regrade --judge judge-a --missing" in said


async def test_a_judge_that_cannot_be_asked_costs_no_trial(
    desk: Desk, sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Reply:
        raise OSError("the device is gone")

    run = sitting.run([ITEM])
    await sitting.judged(run)
    monkeypatch.setattr(desk, "turn", broken)
    summary = await sitting.judged(sitting.store.load_run(run.id), "judge-a")
    assert any("gave no letter to 4 of 4 trials" in note and "the device is gone" in note for note in summary.notes)
    assert all(record.failure is None for record in sitting.store.trials(run.id))
