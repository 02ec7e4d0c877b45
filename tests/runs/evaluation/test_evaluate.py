"""An evaluation from readiness to report: what stops it before anything is spent, and what is never lost after."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
import zlib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from flatfield import plugins
from flatfield.agent.tiny import TOKENS
from flatfield.clock import SystemClock
from flatfield.errors import FlatfieldError, NotFound, NotReady, StoreError
from flatfield.records import (
    AgentConfig,
    Evaluation,
    Event,
    LaneLimits,
    LimitChanges,
    Price,
    Run,
    Task,
    TrialRecord,
    Usage,
    VerifierSpec,
)
from flatfield.runs.evaluation.evaluate import Conduct, evaluate
from flatfield.runs.order import new_run
from flatfield.runs.results import load_result
from flatfield.runs.store import tables
from flatfield.runs.store.store import Store
from flatfield.runs.traffic.lanes import Lanes
from flatfield.runs.traffic.servers import Attempt
from flatfield.runs.trial import needs_commands
from flatfield.runs.world import Outside
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.access import everything
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat
from flatfield.vendors.base import THIS_DEVICE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from flatfield.records import RunResult
    from flatfield.runs.evaluation.scheduler import Summary

pytestmark = pytest.mark.whole

CONTAINS = VerifierSpec(kind="answer", options={"contains": "42"})
RUBRIC = VerifierSpec(kind="rubric", options={"value": ["It is polite."]})
KEY = "sk-planted-0123456789abcdef"


def task(name: str = "t", **fields: Any) -> Task:
    values = {"title": name, "prompt": f"Do {name}.", "digest": name, "verifiers": (CONTAINS,)} | fields
    return Task(id=name, **values)


def agent(base_url: str, name: str = "a", **fields: Any) -> AgentConfig:
    values = {"provider": "openai-chat", "model": "fake-model", "base_url": base_url} | fields
    return AgentConfig(name=name, **values)


def answering(text: str = "42", letter: str = "A") -> Callable[[dict[str, Any], int], FakeReply | Fault]:
    """The same to every agent; every judge gives the same letter to all that it is shown."""

    def script(request: dict[str, Any], _: int) -> FakeReply:
        return verdict(request, letter) if is_judging(request) else FakeReply(text=text)

    return script


def is_judging(request: dict[str, Any]) -> bool:
    return str(request["messages"][0]["content"]).startswith("You grade the work")


def verdict(request: dict[str, Any], letter: str) -> FakeReply:
    works = sorted(set(re.findall(r"work_\d+", request["messages"][-1]["content"])))
    if not works:
        return FakeReply(text=json.dumps({"reason": "so it is", "letter": letter}))
    count = int(re.findall(r"each of the (\d+) pieces", request["messages"][-1]["content"])[0])
    grades = [{"id": f"work_{number}", "reason": "so", "letter": letter} for number in range(1, count + 1)]
    return FakeReply(text=json.dumps({"grades": grades}))


class Sitting:
    """A store, a folder that plain LOPs copy, and what was told while evaluating."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "project"
        self.source.mkdir()
        self.store = Store(folder / ".flatfield")
        self.stop = asyncio.Event()
        self.events: list[Event] = []

    def run(self, tasks: list[Task], agents: list[AgentConfig], **fields: Any) -> Run:
        evaluation = Evaluation(agents=tuple(each.name for each in agents), **fields)
        return new_run(evaluation, tasks, agents, SystemClock().utc(), command="test")

    async def evaluate(self, run: Run, **conduct: Any) -> Summary:
        known = {field.name for field in fields(Outside)} & conduct.keys()
        given: dict[str, Any] = {name: conduct.pop(name) for name in known}
        values: dict[str, Any] = {"source": self.source, "observe": self.events.append, "stop": self.stop}
        outside = Outside(**{"access": everything(), **given})
        async with self.store:
            return await evaluate(run, self.store, Conduct(outside=outside, **(values | conduct)))

    def stored(self, run: Run) -> Run:
        return self.store.load_run(run.id)

    def trials(self, run: Run) -> dict[str, TrialRecord]:
        return {record.id.partition("/")[2]: record for record in self.store.trials(run.id)}

    def letters(self, run: Run) -> dict[str, str | None]:
        return {f"{v.agent}/{v.task}/{v.repeat}/{v.judge}": v.letter for v in self.store.verdicts(run.id)}

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if event.kind == "note"]


@pytest.fixture
def sitting(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Sitting:
    assert temporary.is_dir()
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))
    return Sitting(tmp_path)


# ---------------------------------------------------------------------------- before anything is spent


async def test_all_that_is_not_ready_is_said_at_once_and_nothing_is_started(sitting: Sitting) -> None:
    def only_its_own(request: dict[str, Any], _number: int) -> FakeReply | Fault:
        return Fault(status=404) if request["model"] == "other" else FakeReply(text="ok")

    async with FakeChat(only_its_own, models=["fake-model"]) as server:
        agents = [
            agent(server.base_url, "good"),
            agent(server.base_url, "keyless", api_key_env="NO_SUCH_KEY"),
            agent("http://127.0.0.1:1/v1", "gone"),
            agent(server.base_url, "unserved", model="other"),
            agent(server.base_url, "lost", provider="nobody", source="agents/lost.md"),
        ]
        run = sitting.run([task(verifiers=(RUBRIC,))], agents)
        judges = (agent(server.base_url, "judge", api_key_env="NO_JUDGE_KEY"),)
        with pytest.raises(NotReady) as caught:
            await sitting.evaluate(run, judges=judges)
        assert [request["max_tokens"] for request in server.requests] == [TOKENS], "asked for the unlisted model"
    text = str(caught.value)
    for part in ("NO_SUCH_KEY", "'gone': no server answers at http://127.0.0.1:1/v1", "does not serve 'other'",
                 "agent 'lost' (agents/lost.md): there is no provider 'nobody'", "; there are: ", "openai-chat",
                 "as judge: agent 'judge' needs a key: set the environment variable NO_JUDGE_KEY"):  # fmt: skip
        assert part in text
    assert "'good'" not in text
    assert sitting.store.runs() == ()


async def test_agents_that_are_not_ready_can_be_skipped_and_are_listed(sitting: Sitting) -> None:
    async with FakeChat(answering()) as server:
        run = sitting.run([task()], [agent(server.base_url), agent("http://127.0.0.1:1/v1", "gone")], repeats=2)
        with pytest.raises(NotReady, match="--skip-unready runs the others"):
            await sitting.evaluate(run)
        summary = await sitting.evaluate(run, skip_unready=True)
    assert len(summary.measured) == len(summary.not_measured) == 2
    failures = [record.failure for name, record in sitting.trials(run).items() if name.startswith("gone")]
    assert [failure and (failure.kind, "no server answers" in failure.message) for failure in failures] == [
        ("not_ready", True)
    ] * 2


async def test_a_judge_that_is_not_ready_stops_all_the_same(sitting: Sitting) -> None:
    async with FakeChat(answering()) as server:
        run = sitting.run([task(verifiers=(RUBRIC,))], [agent(server.base_url)])
        with pytest.raises(NotReady, match=r"as judge: .*NO_SUCH_KEY"):
            await sitting.evaluate(
                run, judges=(agent(server.base_url, "j", api_key_env="NO_SUCH_KEY"),), skip_unready=True
            )
        assert server.requests == []
        await sitting.evaluate(
            sitting.run([task()], [agent(server.base_url)]), judges=(agent("http://127.0.0.1:1/v1", "j"),)
        )


async def test_a_workspace_that_is_too_large_stops_before_anything(sitting: Sitting) -> None:
    (sitting.source / "data").mkdir()
    with (sitting.source / "data" / "huge.bin").open("wb") as huge:
        huge.truncate(600 * 1024**2)
    async with FakeChat(answering()) as server:
        run = sitting.run([task(plain=True)], [agent(server.base_url)])
        with pytest.raises(FlatfieldError, match=r"too large for a workspace.*largest folder is data"):
            await sitting.evaluate(run)
        assert server.requests == []
    assert sitting.store.runs() == ()


async def test_no_room_for_workspaces_is_one_sentence(sitting: Sitting, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Any) -> str:
        raise PermissionError(13, "Permission denied", "/somewhere")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    async with FakeChat(answering()) as server:
        with pytest.raises(
            FlatfieldError, match="no workspace can be made in /somewhere: Permission denied; set TMPDIR"
        ):
            await sitting.evaluate(sitting.run([task()], [agent(server.base_url)]))


# ---------------------------------------------------------------------------- what a run is


async def test_what_is_left_out_of_workspaces_is_said_and_kept(sitting: Sitting) -> None:
    (sitting.source / ".env").write_text("KEY=1")
    (sitting.source / "kept.txt").write_text("kept")
    script = [FakeReply(calls=(("list_directory", "{}"),)), FakeReply(text="42")]
    async with FakeChat(script) as server:
        run = sitting.run([task(plain=True)], [agent(server.base_url)])
        await sitting.evaluate(run)
    assert any("left out of the workspace" in note and ".env" in note for note in sitting.notes)
    assert any(".env" in note for note in sitting.stored(run).notes)
    listed = sitting.trials(run)["a/t/1"].turns[0].results[0].text
    assert "kept.txt" in listed
    assert ".env" not in listed


async def test_versions_prices_and_the_kind_of_sandbox_are_kept(sitting: Sitting) -> None:
    command = VerifierSpec(kind="command", options={"run": "true"})
    async with FakeChat(answering()) as server:
        plain = sitting.run([task()], [agent(server.base_url)])
        unsafe = sitting.run([task(verifiers=(command,))], [agent(server.base_url)])
        await sitting.evaluate(plain)
        await sitting.evaluate(unsafe, unsafe_commands=True)
    assert sitting.stored(plain).versions["sandbox"] == "none"
    assert sitting.stored(unsafe).versions["sandbox"] == "none (unsafe)"
    assert "genai-prices" in sitting.stored(plain).versions["prices"]
    assert sitting.trials(unsafe)["a/t/1"].checks[0].score == 1.0


async def test_without_a_sandbox_what_needs_it_is_not_measured_and_said(
    sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: Any) -> None:
        raise NotReady("bubblewrap is not installed")

    monkeypatch.setattr("flatfield.runs.evaluation.evaluate.find_sandbox", none)
    command = VerifierSpec(kind="command", options={"run": "true"})
    tasks = [task("tool", tools=("run_command",)), task("check", verifiers=(command,)), task("plain")]
    assert [needs_commands(each) for each in tasks] == [True, True, False]
    async with FakeChat(answering()) as server:
        run = sitting.run(tasks, [agent(server.base_url)])
        summary = await sitting.evaluate(run)
    trials = sitting.trials(run)
    assert {name: failure.kind for name, failure in summary.not_measured.items()} == {f"{run.id}/a/tool/1": "sandbox"}
    assert trials["a/check/1"].checks[0].score is None
    assert trials["a/plain/1"].checks[0].score == 1.0
    assert any("bubblewrap is not installed" in note for note in sitting.notes)


async def test_names_are_neutral_and_the_same_when_resumed(sitting: Sitting) -> None:
    asks = task(prompt="Write MODEL_NAME.")
    control = AgentConfig(name="noop", provider="noop")
    async with FakeChat(answering()) as server:
        agents = [control, agent(server.base_url, "zoe"), agent(server.base_url, "abe")]
        run = sitting.run([asks], agents)
        await sitting.evaluate(run)
        again = structs.replace(sitting.stored(run), repeats={"t": 2})
        await sitting.evaluate(again)
    names = {name: record.system_prompt.rpartition(" ")[2] for name, record in sitting.trials(run).items()}
    assert names == {
        "zoe/t/1": "agent_1.", "zoe/t/2": "agent_1.", "abe/t/1": "agent_2.", "abe/t/2": "agent_2.",
        "noop/t/1": "agent_0.", "noop/t/2": "agent_0.",
    }  # fmt: skip


async def test_each_task_is_done_by_its_own_roster(sitting: Sitting) -> None:
    async with FakeChat(answering()) as server:
        roster = [agent(server.base_url, "a"), agent(server.base_url, "b")]
        tasks = [task("x", agents=("a", "b")), task("y", agents=("b",))]
        run = new_run(Evaluation(), tasks, roster, SystemClock().utc(), command="test")
        await sitting.evaluate(run)
        assert len(server.requests) == 3
    assert set(sitting.trials(run)) == {"a/x/1", "b/x/1", "b/y/1"}


# ---------------------------------------------------------------------------- resuming


async def test_resuming_does_only_what_is_missing(sitting: Sitting, monkeypatch: pytest.MonkeyPatch) -> None:
    down = True

    def script(request: dict[str, Any], _: int) -> FakeReply | Fault:
        return Fault(status=400, message="no") if down and "Do y." in str(request) else FakeReply(text="42")

    async with FakeChat(script) as server:
        run = sitting.run([task("x"), task("y")], [agent(server.base_url)], repeats=2)
        first = await sitting.evaluate(run)
        assert (len(first.measured), len(first.not_measured)) == (2, 2)
        down = False
        server.requests.clear()
        second = await sitting.evaluate(sitting.stored(run))
        assert (len(second.measured), len(server.requests)) == (2, 2)
        assert any("not measured before (provider): 2 trials are done again" in note for note in sitting.notes)
        server.requests.clear()
        third = await sitting.evaluate(sitting.stored(run))
        assert (third.measured, server.requests) == ((), [])
        monkeypatch.setattr(tables, "_trial", None)
        fourth = await sitting.evaluate(sitting.stored(run))
        assert fourth.measured == (), "where nothing is missing, no record is read"
        monkeypatch.undo()
    assert all(record.failure is None for record in sitting.trials(run).values())


async def test_a_resumed_run_copies_the_folder_that_it_was_started_in(sitting: Sitting, tmp_path: Path) -> None:
    (sitting.source / "here.txt").write_text("x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def script(request: dict[str, Any], _: int) -> FakeReply:
        if request["messages"][-1]["role"] == "tool":
            return FakeReply(text=str(request["messages"][-1]["content"]))
        return FakeReply(calls=(("list_directory", "{}"),))

    async with FakeChat(script) as server:
        run = sitting.run([task(plain=True)], [agent(server.base_url)])
        await sitting.evaluate(run)
        again = structs.replace(sitting.stored(run), repeats={"t": 2})
        await sitting.evaluate(again, source=elsewhere)
    assert all("here.txt" in record.answer for record in sitting.trials(run).values())
    assert any(f"copied from {sitting.source}" in note for note in sitting.notes)


async def test_stopped_in_the_middle_and_resumed(sitting: Sitting) -> None:
    def script(_: dict[str, Any], number: int) -> FakeReply | Fault:
        if number == 1:
            sitting.stop.set()
            return Fault(kind="stall")
        return FakeReply(text="42")

    async with FakeChat(script) as server:
        run = sitting.run([task()], [agent(server.base_url)], repeats=4, jobs=1)
        summary = await sitting.evaluate(run)
        assert (len(summary.measured), len(summary.cancelled), len(summary.not_started)) == (1, 1, 2)
        sitting.stop.clear()
        await sitting.evaluate(sitting.stored(run))
    assert [record.failure for record in sitting.trials(run).values()] == [None] * 4
    assert os.listdir(os.environ["TMPDIR"]) == []  # noqa: PTH208 - names


async def test_a_store_that_fails_in_the_middle_loses_nothing(
    sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, kept = sitting.store.save_trial, 0

    async def full(record: TrialRecord) -> bool:
        nonlocal kept
        kept += 1
        if kept == 2:
            raise StoreError("no space left")
        return await real(record)

    monkeypatch.setattr(sitting.store, "save_trial", full)
    async with FakeChat(answering()) as server:
        run = sitting.run([task()], [agent(server.base_url)], repeats=4, jobs=1)
        with pytest.raises(StoreError, match="no space left"):
            await sitting.evaluate(run)
        assert len(sitting.trials(run)) == 1
        monkeypatch.undo()
        await Sitting.evaluate(sitting, sitting.stored(run))
    assert len(sitting.trials(run)) == 4


# ---------------------------------------------------------------------------- what must not happen


def drawn(name: str, result: RunResult) -> str:
    """A report with what it packs unpacked: the parts of a page. A picture is its bytes, a letter each."""
    said = plugins.load("report", name).render(result)
    text = said.decode("latin-1") if isinstance(said, bytes) else said
    packed = re.findall(r"<template [^>]*>([^<]*)<", text)
    return text + "".join(zlib.decompress(base64.b64decode(part)).decode("utf-8", "replace") for part in packed)


async def test_a_run_whose_every_trial_fails_still_makes_every_report(sitting: Sitting) -> None:
    async with FakeChat(lambda *_: Fault(status=401, message="no")) as server:
        agents = [agent(server.base_url), agent(server.base_url, "b", temperature=1.0)]
        run = sitting.run([task(), task("u", verifiers=(RUBRIC,))], agents)
        summary = await sitting.evaluate(run, judges=(agent(server.base_url, "j"),))
        assert not any(is_judging(request) for request in server.requests)
    assert len(summary.not_measured) == 4
    result = load_result(sitting.store)
    assert all(card.overall.letter is None for card in result.grading.scorecards)
    for name in plugins.names("report"):
        assert run.id in drawn(name, result) or name in {"csv", "png", "svg"}, name


async def test_a_display_that_breaks_costs_no_trial(sitting: Sitting) -> None:
    def broken(event: Event) -> None:
        if event.kind != "note":
            raise BrokenPipeError("the terminal is gone")

    async with FakeChat(answering()) as server:
        run = sitting.run([task()], [agent(server.base_url)], repeats=3)
        summary = await sitting.evaluate(run, observe=broken)
    assert len(summary.measured) == 3


async def test_no_key_is_ever_written_or_told(
    sitting: Sitting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that repeats the key in its errors, with and without a status, in the stream, and to the judge."""
    monkeypatch.setenv("PLANTED_KEY", KEY)

    def script(request: dict[str, Any], number: int) -> FakeReply | Fault:
        echo = f"you sent Authorization: Bearer {KEY}"
        if is_judging(request):
            return Fault(status=403, message=echo)
        faults = [
            Fault(status=401, message=echo),
            Fault(kind="whole", message=f"data: {json.dumps({'error': {'message': echo, 'code': 400}})}\n\n"),
            Fault(status=200, kind="whole", message=json.dumps({"error": {"message": KEY, "code": 404}})),
        ]
        return faults[number] if number < len(faults) else FakeReply(text="42")

    async with FakeChat(script) as server:
        keyed = agent(server.base_url, api_key_env="PLANTED_KEY")
        judge = structs.replace(keyed, name="j")
        run = sitting.run([task(verifiers=(CONTAINS, RUBRIC))], [keyed], repeats=4, jobs=1)
        summary = await sitting.evaluate(run, judges=(judge,))
        assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    assert len(summary.not_measured) == 3
    assert all("[key]" in failure.message for failure in summary.not_measured.values())
    result = load_result(sitting.store)
    shown = [drawn(name, result) for name in plugins.names("report")]
    told = [*shown, repr(summary), repr(sitting.events)]
    assert not any(KEY in text for text in told)
    files = [Path(folder, name) for folder, _, names in os.walk(tmp_path) for name in names]
    assert sitting.store.path in files
    assert not any(KEY.encode() in path.read_bytes() for path in files)


# ---------------------------------------------------------------------------- how it was measured


async def test_every_turn_is_measured_for_lag(sitting: Sitting) -> None:
    async with FakeChat(answering()) as server:
        run = sitting.run([task()], [agent(server.base_url)])
        await sitting.evaluate(run)
    (record,) = sitting.trials(run).values()
    assert all(turn.lag_seconds is not None for turn in record.turns)


async def test_a_server_that_asks_for_less_has_the_lane_of_the_model_told(
    sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    asked: list[tuple[str, str]] = []
    admit = Lanes.admit

    def admitting(lanes: Lanes, place: str, model: str, tokens: int) -> AbstractAsyncContextManager[Attempt]:
        asked.append((place, model))
        return admit(lanes, place, model, tokens)

    monkeypatch.setattr(Lanes, "admit", admitting)
    monkeypatch.setattr(Attempt, "refused", lambda _, _wait, _times: told.append("refused"))
    monkeypatch.setattr(Attempt, "served", lambda _: told.append("served"))
    async with FakeChat([Fault(status=429), FakeReply(text="42")]) as server:
        await sitting.evaluate(sitting.run([task()], [agent(server.base_url)]))
    assert told == ["refused", "served"]
    assert asked == [(server.base_url.split("/")[2], "fake-model")] * 2


@pytest.mark.parametrize(
    ("jobs", "repeats", "said"), [(100, 20, True), (16, 20, False), (100, 16, False), (None, 20, False)]
)
@pytest.mark.some(2)
async def test_more_jobs_than_a_lane_takes_are_said_once_with_the_way_out(
    sitting: Sitting, jobs: int | None, repeats: int, said: bool
) -> None:
    async with FakeChat(answering()) as server:
        run = sitting.run([task()], [agent(server.base_url)], repeats=repeats, jobs=jobs)
        await sitting.evaluate(run)
    place = server.base_url.split("/")[2]
    line = (
        f"of the 100 trials at once that --jobs asks for, 16 run at once: openai-chat:{place} fake-model takes 16; "
        f'for more, write concurrent = 100 below [lanes."{place}"] in flatfield.toml'
    )
    assert [note for note in sitting.notes if "--jobs" in note] == [line] * said
    assert (line in sitting.stored(run).notes) == said


async def test_a_wide_lane_takes_all_jobs(sitting: Sitting) -> None:
    async with FakeChat(answering()) as server:
        run = sitting.run([task()], [agent(server.base_url)], repeats=20, jobs=100)
        await sitting.evaluate(run, lane_limits={"openai-chat": LaneLimits(concurrent=100, source="flatfield.toml:1")})
    assert not [note for note in sitting.notes if "--jobs" in note]


async def test_an_evaluation_of_models_elsewhere_does_not_wait_for_the_device(sitting: Sitting, tmp_path: Path) -> None:
    """Another process has it all the while."""
    locks = tmp_path / "cache" / "locks"
    locks.mkdir(parents=True)
    command = [sys.executable, str(Path(__file__).parents[1] / "holding_child.py"), str(locks), THIS_DEVICE]
    child = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        assert await child.stdout.readline() == b"held\n"
        async with FakeChat(answering()) as server, asyncio.timeout(60):
            run = sitting.run([task(verifiers=(CONTAINS, RUBRIC))], [agent(server.base_url)], repeats=2)
            await sitting.evaluate(run, judges=(agent(server.base_url, "judge"),))
    finally:
        child.kill()
        await child.communicate()
    assert not [note for note in sitting.notes if "device" in note]
    assert set(sitting.letters(run).values()) == {"A"}


# ---------------------------------------------------------------------------- budgets

PRICES = Prices({"fake-model": Price(input_mtok=1000.0, output_mtok=0.0, source="test")})
"""A dollar per thousand tokens read."""


async def test_fifty_trials_of_unknown_price_are_one(sitting: Sitting) -> None:
    async with FakeChat(answering()) as server:
        one = agent(server.base_url, protocol="native")
        run = sitting.run([task()], [one], repeats=50, budget_usd=0.11, jobs=50)
        with pytest.raises(NotReady, match=f"--resume {run.id} --budget-ignores a"):
            await sitting.evaluate(run)
        assert len(server.requests) == 1
        assert [trial.failure for trial in sitting.trials(run).values()] == [None], "the first trial is kept"
        with pytest.raises(NotReady, match="what a costs is not known"):
            await sitting.evaluate(run)
        assert len(server.requests) == 1, "nothing more is spent by asking again"
        ignoring = structs.replace(run, evaluation=structs.replace(run.evaluation, budget_ignores=("a",)))
        summary = await sitting.evaluate(ignoring)
    assert len(summary.measured) == 49


async def test_a_budget_that_ignores_nobody_there_is_a_mistake(sitting: Sitting) -> None:
    async with FakeChat(answering()) as server:
        run = sitting.run([task()], [agent(server.base_url)], budget_usd=1.0, budget_ignores=("b",))
        with pytest.raises(NotFound, match="there is no agent 'b'; there are: a"):
            await sitting.evaluate(run)
        assert server.requests == []


@pytest.mark.parametrize(("limits", "least"), [(LimitChanges(), 3), (LimitChanges(cost_usd=0.3), 2)])
async def test_with_known_prices_it_is_kept_whatever_runs_at_once(
    sitting: Sitting, limits: LimitChanges, least: int
) -> None:
    """Each trial costs a little more than 0.2 of the budget, and what it costs is known only when it has ended."""

    def reading(_request: dict[str, Any], _number: int) -> FakeReply:
        return FakeReply(text="42", usage=Usage(input_tokens=220, output_tokens=5))

    async with FakeChat(reading) as server:
        run = sitting.run([task()], [agent(server.base_url)], repeats=20, budget_usd=1.0, jobs=20, limits=limits)
        summary = await sitting.evaluate(run, prices=PRICES)
    assert least <= len(summary.measured) <= 4
    assert (sitting.store.spent_usd(run.id) or 0.0) <= 1.0
    assert set(summary.not_started.values()) == {"budget"}


async def test_a_trial_that_what_is_left_would_not_pay_is_ended_and_not_measured(sitting: Sitting) -> None:
    def growing(request: dict[str, Any], _number: int) -> FakeReply:
        usage = Usage(input_tokens=600 + 10 * len(request["messages"]), output_tokens=5)
        return FakeReply(calls=(("list_directory", "{}"),), usage=usage)

    async with FakeChat(growing) as server:
        run = sitting.run([task()], [agent(server.base_url)], repeats=5, budget_usd=3.0)
        summary = await sitting.evaluate(run, prices=PRICES)
    assert (sitting.store.spent_usd(run.id) or 0.0) <= 3.0
    (trial,) = sitting.trials(run).values()
    assert trial.failure is not None
    assert trial.failure.kind == "interrupted"
    assert "left of the run's budget" in trial.failure.message
    assert (summary.cancelled, len(summary.not_started)) == ((trial.id,), 4)


async def test_a_budget_of_seconds_starts_nothing_that_its_forecast_would_carry_past_it(sitting: Sitting) -> None:
    async with FakeChat(answering()) as server:
        run = sitting.run([task()], [agent(server.base_url)], budget_seconds=5.0)
        summary = await sitting.evaluate(run)
        assert server.requests == []
        assert summary.not_started == {f"{run.id}/a/t/1": "time"}
        longer = structs.replace(run, evaluation=structs.replace(run.evaluation, budget_seconds=100.0))
        assert len((await sitting.evaluate(longer)).measured) == 1, "its limit is 300 s, its forecast less"
        again = sitting.run([task()], [agent(server.base_url)], budget_seconds=5.0)
        assert len((await sitting.evaluate(again)).measured) == 1, "what an earlier run took is the forecast"


async def test_a_price_that_is_set_after_the_first_trial_lets_the_run_go_on_and_counts_that_trial(
    sitting: Sitting,
) -> None:
    def reading(_request: dict[str, Any], _number: int) -> FakeReply:
        return FakeReply(text="42", usage=Usage(input_tokens=100, output_tokens=5))

    async with FakeChat(reading) as server:
        run = sitting.run([task()], [agent(server.base_url)], repeats=8, budget_usd=0.55)
        with pytest.raises(NotReady, match=r'set input_mtok and output_mtok in the table \[prices."openai-chat:fake'):
            await sitting.evaluate(run)
        summary = await sitting.evaluate(run, prices=PRICES)
    assert len(summary.measured) == 4, "$0.1 each, and the first one has cost as much"
    assert set(summary.not_started.values()) == {"budget"}


async def test_all_agents_that_tell_no_cost_are_named_at_once_each_with_its_mend(sitting: Sitting) -> None:
    def silent(request: dict[str, Any], _number: int) -> FakeReply:
        return FakeReply(text="42", usage=None if request["model"] == "silent" else Usage(input_tokens=9))

    async with FakeChat(silent) as server:
        agents = [structs.replace(agent(server.base_url, name), model=name) for name in ("silent", "b", "silent 2")]
        agents[2] = structs.replace(agents[2], model="silent")
        run = sitting.run([task()], agents, repeats=3, budget_usd=1.0)
        with pytest.raises(NotReady) as caught:
            await sitting.evaluate(run)
        assert len(sitting.trials(run)) == 3, "one trial of each"
    said = str(caught.value)
    assert said.startswith("what silent, b, silent 2 cost is not known after a first trial")
    assert 'no price is known for b; set input_mtok and output_mtok in the table [prices."openai-chat:b"]' in said
    assert "no tokens are reported by silent, silent 2, so that a price changes nothing" in said
    assert said.endswith("--budget-ignores silent --budget-ignores b --budget-ignores 'silent 2'")
